// What one node does with each destination of a ServicePort, in the terms that every ruleset is written in: which endpoints, or which refusal.
// Upstream: the first half of each proxier's syncProxyRules. Agrees with evaluate.ts, which decides flows.
import { type Cidr, ipFamily, type IpFamily } from "../../model/ip.ts";
import type { ProxyConfig } from "../proxy-config.ts";
import { hasNodePorts } from "../node-port-addresses.ts";
import type { Rules } from "../rules.ts";
import { externallyAccessible, type ProxyEndpoint, type ServicePort } from "../service-port.ts";
import { categorize, isInSourceRanges, type NodeView } from "../topology.ts";

/** How flows without an endpoint are refused. */
export type Refusal = "reject" | "drop";

export interface PortPlan {
  readonly port: ServicePort;
  /** Endpoints of the Cluster policies; empty when none is in use. */
  readonly cluster: readonly ProxyEndpoint[];
  readonly local: readonly ProxyEndpoint[];
  /** Endpoints that some chain leads to. */
  readonly reachable: readonly ProxyEndpoint[];
  /** Set when flows to the ClusterIP have nowhere to go. */
  readonly internalRefusal: Refusal | undefined;
  /** Set when flows from outside have nowhere to go. */
  readonly externalRefusal: Refusal | undefined;
  readonly external: boolean;
}

/** What a ruleset is made from. */
export interface RulesetInput {
  readonly rules: Rules;
  readonly node: NodeView;
  readonly config: ProxyConfig;
  /** `namespace/name`: only this Service's chains. */
  readonly service?: string;
}

/** The plans of all ServicePorts of a family, sorted by Service. */
export function portPlans({ rules, node, service }: RulesetInput, family: IpFamily): readonly PortPlan[] {
  return rules
    .tables()
    .filter((table) => service === undefined || table.key === service)
    .flatMap((table) => table.ports.filter((port) => port.family === family).map((port) => planOf(port, node)));
}

function planOf(port: ServicePort, node: NodeView): PortPlan {
  const { cluster = [], local = [], reachable } = categorize(port, node);
  const refusal = (isLocal: boolean): Refusal | undefined =>
    (isLocal ? local : cluster).length > 0 ? undefined : port.usable ? "drop" : "reject";
  return {
    port,
    cluster,
    local,
    reachable,
    internalRefusal: refusal(port.internalLocal),
    externalRefusal: refusal(port.externalLocal),
    external: externallyAccessible(port),
  };
}

/** The cluster's pod blocks of a family: what tells pods from others. */
export function podBlocks(config: ProxyConfig, family: IpFamily): readonly Cidr[] {
  return config.localDetector ? config.clusterCIDRs.filter((block) => block.family === family) : [];
}

/** Addresses of the node that NodePorts answer on. */
export function nodePortIps({ node, config }: RulesetInput, family: IpFamily): readonly string[] {
  return node.addresses.filter((ip) => ipFamily(ip) === family && hasNodePorts(ip, node, config));
}

/** Source ranges of a port's load balancer; a node inside them also allows the balancer's own addresses, which it may have as its own. */
export function sourceRanges(port: ServicePort, node: NodeView): readonly string[] {
  const ranges = port.sourceRanges.map(String);
  return isInSourceRanges(node, port) ? [...ranges, ...port.loadBalancerIPs] : ranges;
}

/** Families that the node or some Service has. */
export function familiesOf({ rules, node }: RulesetInput): readonly IpFamily[] {
  const found = new Set<IpFamily>(node.addresses.flatMap((ip) => ipFamily(ip) ?? []));
  for (const table of rules.tables()) for (const port of table.ports) found.add(port.family);
  const families: readonly IpFamily[] = ["IPv4", "IPv6"];
  return found.size === 0 ? ["IPv4"] : families.filter((family) => found.has(family));
}
