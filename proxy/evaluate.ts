// Rules + flow + node → decision with its reasons. Pure: which endpoint of the candidates is taken is the chooser's business.
// Upstream: the chains service-, external-, local-, firewall-, nodeport- and cluster-ips-check of pkg/proxy/nftables, and their
// counterparts of the iptables and ipvs proxiers.
import { ipFamily } from "../model/ip.ts";
import type { Flow } from "../model/ports.ts";
import { hasNodePorts } from "./node-port-addresses.ts";
import type { ProxyConfig, ProxyMode } from "./proxy-config.ts";
import type { Rule, Rules } from "./rules.ts";
import type { EndpointSets, ProxyEndpoint, ServicePort } from "./service-port.ts";
import { categorize, isInSourceRanges, type NodeView } from "./topology.ts";

export type Decision =
  /** No rule is about this flow, or one lets it go on untouched. */
  | { readonly type: "pass"; readonly matched: readonly string[] }
  | { readonly type: "reject" | "drop"; readonly matched: readonly string[]; readonly rule?: Rule }
  | {
      readonly type: "balance";
      readonly rule: Rule;
      readonly candidates: readonly ProxyEndpoint[];
      /** Before the hairpin rule, which depends on the endpoint taken. */
      readonly masquerade: boolean;
      readonly matched: readonly string[];
    };

const NONE: readonly ProxyEndpoint[] = [];

export type Source = "pod" | "node" | "external";

/** Where a flow comes from, as this node sees it. */
export function sourceOf(flow: Pick<Flow, "from" | "source">, node: NodeView): Source {
  if (flow.from.kind === "pod") return "pod";
  if (flow.from.kind === "host") return "external";
  return node.addresses.includes(flow.source.ip) || flow.source.ip === "127.0.0.1" || flow.source.ip === "::1" ? "node" : "external";
}

/** Decides a flow by the rules of `node`. */
export function evaluate(rules: Rules, flow: Flow, node: NodeView, config: ProxyConfig): Decision {
  const { ip, port } = flow.destination;
  const rule = rules.atAddress(ip, port, flow.protocol) ?? nodePortRule(rules, flow, node, config);
  if (rule) return rule.destination === "ClusterIP" ? internal(rule, flow, node, config) : external(rule, flow, node, config);
  return unmatched(rules, flow, node, config);
}

function nodePortRule(rules: Rules, flow: Flow, node: NodeView, config: ProxyConfig): Rule | undefined {
  const { ip, port } = flow.destination;
  const family = ipFamily(ip);
  return family && hasNodePorts(ip, node, config) ? rules.atNodePort(port, flow.protocol, family) : undefined;
}

function internal(rule: Rule, flow: Flow, node: NodeView, config: ProxyConfig): Decision {
  const { port } = rule;
  const sets = categorize(port, node);
  const masquerade = config.masqueradeAll || (config.localDetector && sourceOf(flow, node) !== "pod");
  if (port.internalLocal) return balance(rule, sets, "local", masquerade, "internalTrafficPolicy Local", config.mode);
  return balance(rule, sets, "cluster", masquerade, "internalTrafficPolicy Cluster", config.mode);
}

function external(rule: Rule, flow: Flow, node: NodeView, config: ProxyConfig): Decision {
  const { port } = rule;
  const sets = categorize(port, node);
  // iptables has a firewall chain only where there are endpoints: without any, all are rejected.
  const isFiltered = port.usable || config.mode === "nftables" || config.mode === "ipvs";
  if (rule.destination === "LoadBalancer" && isFiltered && !allowedBySourceRanges(port, flow, node)) {
    const ranges = port.sourceRanges.join(", ");
    return { type: "drop", rule, matched: [rule.label, `loadBalancerSourceRanges [${ranges}] do not hold ${flow.source.ip}`] };
  }
  if (!port.externalLocal) return balance(rule, sets, "cluster", true, "externalTrafficPolicy Cluster", config.mode);
  const source = sourceOf(flow, node);
  if (source !== "external" && (sets.cluster?.length ?? 0) > 0) {
    const why = `externalTrafficPolicy Local, short-circuited for a ${source === "pod" ? "pod" : "process of the node"}`;
    return balance(rule, sets, "cluster", source === "node", why, config.mode);
  }
  return balance(rule, sets, "local", false, "externalTrafficPolicy Local", config.mode);
}

/**
 * No range: all are allowed. On a node inside the ranges the load balancer's own addresses are let through, since a packet of the node may
 * have been given one as its source.
 */
function allowedBySourceRanges(port: ServicePort, { source }: Flow, node: NodeView): boolean {
  if (port.sourceRanges.length === 0 || port.sourceRanges.some((range) => range.contains(source.ip))) return true;
  return port.loadBalancerIPs.includes(source.ip) && isInSourceRanges(node, port);
}

/** With none local, iptables and nftables drop; a virtual server of ipvs without real servers refuses, as the kernel's ip_vs_leave does. */
function balance(
  rule: Rule,
  sets: EndpointSets,
  which: "cluster" | "local",
  masquerade: boolean,
  policy: string,
  mode: ProxyMode,
): Decision {
  const candidates = sets[which] ?? NONE;
  if (candidates.length > 0) return new Balance(rule, candidates, masquerade, sets, which, policy);
  const matched = [...matchedBy(rule, sets, which, policy), `${rule.port.id} has no ${rule.port.usable ? "local " : ""}endpoints`];
  return { type: rule.port.usable && mode !== "ipvs" ? "drop" : "reject", rule, matched };
}

const matchedBy = (rule: Rule, sets: EndpointSets, which: "cluster" | "local", policy: string): readonly string[] => [
  rule.label,
  `${policy}: ${which === "cluster" ? sets.clusterText : sets.localText}`,
];

/** The reasons are put into words only when somebody reads them. */
class Balance {
  readonly type = "balance";
  readonly rule: Rule;
  readonly candidates: readonly ProxyEndpoint[];
  readonly masquerade: boolean;
  readonly #sets: EndpointSets;
  readonly #which: "cluster" | "local";
  readonly #policy: string;

  constructor(
    rule: Rule,
    candidates: readonly ProxyEndpoint[],
    masquerade: boolean,
    sets: EndpointSets,
    which: "cluster" | "local",
    policy: string,
  ) {
    this.rule = rule;
    this.candidates = candidates;
    this.masquerade = masquerade;
    this.#sets = sets;
    this.#which = which;
    this.#policy = policy;
  }
  get matched(): readonly string[] {
    return matchedBy(this.rule, this.#sets, this.#which, this.#policy);
  }
}

function unmatched(rules: Rules, flow: Flow, node: NodeView, config: ProxyConfig): Decision {
  const { ip, port } = flow.destination;
  if (rules.isClusterIP(ip) && (config.mode === "nftables" || config.mode === "ipvs")) {
    return { type: "reject", matched: [`ClusterIP ${ip} has no port ${port}/${flow.protocol} (${config.mode})`] };
  }
  if (config.mode === "nftables" && !rules.isClusterIP(ip) && config.serviceCIDRs.some((block) => block.contains(ip))) {
    return { type: "drop", matched: [`${ip} is in the service CIDR but belongs to no Service (${config.mode})`] };
  }
  const health = node.addresses.includes(ip) ? rules.atHealthCheckNodePort(port) : undefined;
  if (health && flow.protocol === "TCP") {
    return { type: "pass", matched: [`healthCheckNodePort ${port} of ${health.namespace}/${health.name}: accepted`] };
  }
  return { type: "pass", matched: [] };
}
