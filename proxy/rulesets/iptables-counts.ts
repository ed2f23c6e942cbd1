// How many rules iptables-ruleset.ts writes, without writing them: a scrape must not cost what a dump costs.
// Upstream: what syncProxyRules counts for sync_proxy_rules_iptables_total and _last. Rules of the kernel's own chains are not counted.
import type { IpFamily } from "../../model/ip.ts";
import { localhostHasNodePorts, nodePortsEverywhere } from "../node-port-addresses.ts";
import { nodePortIps, podBlocks, type PortPlan, portPlans, type RulesetInput, sourceRanges } from "./port-plan.ts";

export interface IptablesCounts {
  readonly filter: number;
  readonly nat: number;
}

/** Of KUBE-FORWARD; of KUBE-MARK-MASQ and KUBE-POSTROUTING. */
const BASE_FILTER = 3;
const BASE_NAT = 4;

/** All rules of a family, and those that a sync writes in which only the Services that `changed` tells have changed. */
export function countIptablesRules(
  input: RulesetInput,
  family: IpFamily,
  changed: (service: string) => boolean,
): { readonly total: IptablesCounts; readonly last: IptablesCounts } {
  let filter = BASE_FILTER + (family === "IPv4" && localhostHasNodePorts({ ...input.config, mode: "iptables" }) ? 1 : 0);
  let dispatch = BASE_NAT + (nodePortsEverywhere(input.config, input.node, family) ? 1 : nodePortIps(input, family).length);
  let [chains, written] = [0, 0];
  const pods = podBlocks(input.config, family).length;
  for (const plan of portPlans(input, family)) {
    const { port } = plan;
    filter += filterRules(plan);
    dispatch += dispatchRules(plan);
    const own = chainRules(plan, pods, input);
    chains += own;
    if (changed(`${port.namespace}/${port.name}`)) written += own;
  }
  return { total: { filter, nat: dispatch + chains }, last: { filter, nat: dispatch + written } };
}

const isFiltered = ({ port }: PortPlan): boolean => port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0;
const isReached = ({ external, reachable }: PortPlan): boolean => external && reachable.length > 0;

function filterRules(plan: PortPlan): number {
  const { port, internalRefusal, external, externalRefusal } = plan;
  const refused = external && externalRefusal ? port.externalIPs.length + port.loadBalancerIPs.length + (port.nodePort !== 0 ? 1 : 0) : 0;
  const firewall = isReached(plan) && isFiltered(plan) ? port.loadBalancerIPs.length : 0;
  return (internalRefusal ? 1 : 0) + refused + firewall + (port.healthCheckNodePort !== 0 ? 1 : 0);
}

/** In KUBE-SERVICES and KUBE-NODEPORTS: written by every sync. */
function dispatchRules(plan: PortPlan): number {
  const { port, internalRefusal } = plan;
  const external = isReached(plan) ? port.externalIPs.length + port.loadBalancerIPs.length + (port.nodePort !== 0 ? 1 : 0) : 0;
  return (internalRefusal ? 0 : 1) + external;
}

/** In the port's own chains: written when it has changed. */
function chainRules(plan: PortPlan, pods: number, { config, node }: RulesetInput): number {
  const { port, cluster, local, reachable } = plan;
  const masquerade = config.masqueradeAll ? 1 : pods;
  const picks = (endpoints: PortPlan["cluster"]): number => endpoints.length * (port.affinitySeconds > 0 ? 2 : 1);
  let rules = 2 * reachable.length;
  if (cluster.length > 0) rules += (port.internalLocal ? 0 : masquerade) + picks(cluster);
  if (local.length > 0) rules += (port.internalLocal ? masquerade : 0) + picks(local);
  if (!isReached(plan)) return rules;
  if (isFiltered(plan)) rules += sourceRanges(port, node).length + 1;
  return rules + (port.externalLocal ? pods + 2 + (local.length > 0 ? 1 : 0) : 2);
}
