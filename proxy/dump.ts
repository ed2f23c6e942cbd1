// The rules of a node as stable text for people. (`--as` formats print what the real tools would list.)
import type { Chooser } from "./chooser.ts";
import type { ProxyConfig } from "./evaluate.ts";
import type { NodeViews } from "./node-views.ts";
import { type Rules, rulesOf } from "./rules.ts";
import { hostPort, type ProxyEndpoint, type ServicePort } from "./service-port.ts";
import { categorize, type NodeView } from "./topology.ts";

/**
 * Prints the rules. Options: `node` (default: all nodes, with what they share), `service` (`namespace/name`).
 */
export function dumpRules(
  rules: Rules,
  nodes: NodeViews,
  chooser: Chooser,
  config: ProxyConfig,
  options: Readonly<Record<string, string>>,
): string {
  const wanted = options["service"];
  const node = options["node"] === undefined ? undefined : nodes.get(options["node"]);
  const lines = [
    `# kube-proxy ${config.mode}${node ? `, node ${node.name}${node.zone === "" ? "" : ` in zone ${node.zone}`}` : ""}: ${rules.size} Services`,
  ];
  for (const table of rules.tables()) {
    if (wanted !== undefined && table.key !== wanted) continue;
    for (const port of table.ports) lines.push("", ...dumpPort(port, node, chooser));
  }
  return `${lines.join("\n")}\n`;
}

function dumpPort(port: ServicePort, node: NodeView | undefined, chooser: Chooser): readonly string[] {
  const where = rulesOf(port).map((rule) => `${rule.destination} ${rule.ip === "" ? rule.portNumber : hostPort(rule.ip, rule.portNumber)}`);
  const lines = [`${port.id} ${port.protocol}: ${where.join(", ")}`];
  const traits = [`${chooser.algorithm(port)}`];
  if (port.affinitySeconds > 0) traits.push(`ClientIP affinity for ${port.affinitySeconds} s`);
  if (port.internalLocal) traits.push("internalTrafficPolicy Local");
  if (port.externalLocal) traits.push("externalTrafficPolicy Local");
  if (port.sourceRanges.length > 0) traits.push(`load balancer from ${port.sourceRanges.join(", ")}`);
  if (port.healthCheckNodePort !== 0) traits.push(`health check on ${port.healthCheckNodePort}`);
  lines.push(`  ${traits.join("; ")}`);
  if (port.endpoints.length === 0) lines.push("  no endpoints: reject");
  else if (!port.usable) lines.push("  no usable endpoints: reject");
  for (const endpoint of port.endpoints) lines.push(`  ${endpoint.id} ${endpointTraits(endpoint, port, node)}`);
  return lines;
}

function endpointTraits(endpoint: ProxyEndpoint, port: ServicePort, node: NodeView | undefined): string {
  const traits = [conditionOf(endpoint), endpoint.node === "" ? "no node" : endpoint.node];
  if (endpoint.pod !== "") traits.push(endpoint.pod);
  if (endpoint.zoneHints.length > 0) traits.push(`for zones ${endpoint.zoneHints.join(",")}`);
  if (node) {
    const sets = categorize(port, node);
    const used = [sets.cluster?.includes(endpoint) ? "cluster" : "", sets.local?.includes(endpoint) ? "local" : ""].filter(
      (set) => set !== "",
    );
    traits.push(used.length > 0 ? `used (${used.join(", ")})` : "not used");
  }
  return traits.join("  ");
}

/** One word for an endpoint's conditions. */
export function conditionOf(endpoint: ProxyEndpoint): string {
  if (endpoint.terminating) return endpoint.serving ? "terminating, serving" : "terminating";
  return endpoint.ready ? "ready" : "not ready";
}
