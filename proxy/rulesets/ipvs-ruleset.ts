// The virtual servers of one node as kube-proxy's ipvs mode makes them, in the notation of `ipvsadm -Ln`.
// Upstream: pkg/proxy/ipvs/proxier.go. Left out: the ipsets and the few iptables rules beside them.
import { ipFamily } from "../../model/ip.ts";
import { hasNodePorts } from "../node-port-addresses.ts";
import { type Rule, rulesOf } from "../rules.ts";
import { hostPort, type ServicePort } from "../service-port.ts";
import { familiesOf, type PortPlan, portPlans, type RulesetInput } from "./port-plan.ts";

/** What the rules themselves do not tell. */
export interface IpvsState {
  /** `rr`, `wlc`, … */
  scheduler(port: ServicePort): string;
  /** Open flows of one virtual server by endpoint, also those of endpoints that are gone. */
  openFlows(rule: Rule, node: string): ReadonlyMap<string, number>;
}

/** The text that `ipvsadm -Ln` shows on the node. Endpoints of TCP that are gone but still have flows drain with weight 0. */
export function ipvsRuleset(input: RulesetInput, state: IpvsState): string {
  const ipvs = { ...input, config: { ...input.config, mode: "ipvs" as const } };
  const lines = [
    "IP Virtual Server version 1.2.1 (size=4096)",
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
  ];
  for (const family of familiesOf(ipvs)) for (const plan of portPlans(ipvs, family)) lines.push(...portLines(plan, ipvs, state));
  return `${lines.join("\n")}\n`;
}

function portLines({ port, cluster, local }: PortPlan, { node, config }: RulesetInput, state: IpvsState): readonly string[] {
  const persistent = port.affinitySeconds > 0 ? ` persistent ${port.affinitySeconds}` : "";
  return rulesOf(port).flatMap((rule) => {
    const isLocal = rule.destination === "ClusterIP" ? port.internalLocal : port.externalLocal;
    const endpoints = (isLocal ? local : cluster).map((endpoint) => endpoint.id);
    const open = state.openFlows(rule, node.name);
    const draining = port.protocol === "TCP" ? [...open.keys()].filter((id) => !endpoints.includes(id)) : [];
    const servers = [...endpoints.map((id) => [id, 1] as const), ...draining.map((id) => [id, 0] as const)];
    const real = servers.map(
      ([id, weight]) => `  -> ${id.padEnd(28)} Masq    ${String(weight).padEnd(6)} ${String(open.get(id) ?? 0).padEnd(10)} 0`,
    );
    const ips = rule.ip === "" ? node.addresses.filter((ip) => ipFamily(ip) === port.family && hasNodePorts(ip, node, config)) : [rule.ip];
    return ips.flatMap((ip) => [
      `${port.protocol.padEnd(4)} ${hostPort(ip, rule.portNumber)} ${state.scheduler(port)}${persistent}`,
      ...real,
    ]);
  });
}
