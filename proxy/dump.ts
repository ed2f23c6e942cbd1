// The rules of a node as stable text: for people, or with `as` what the real tools would list there.
import { StatusError } from "../model/errors.ts";
import { columns } from "../model/text.ts";
import type { Chooser } from "./chooser.ts";
import type { NodeViews } from "./node-views.ts";
import type { Proxiers } from "./proxiers.ts";
import { iptablesRuleset } from "./rulesets/iptables-ruleset.ts";
import { ipvsRuleset } from "./rulesets/ipvs-ruleset.ts";
import { nftRuleset } from "./rulesets/nft-ruleset.ts";
import type { RulesetInput } from "./rulesets/port-plan.ts";
import { type Rules, rulesOf } from "./rules.ts";
import { hostPort, type ProxyEndpoint, type ServicePort } from "./service-port.ts";
import { categorize, type NodeView } from "./topology.ts";

type Format = (input: RulesetInput, chooser: Chooser) => string;

const FORMATS: Readonly<Record<string, Format>> = {
  nft: nftRuleset,
  iptables: iptablesRuleset,
  ipvs: (input, chooser) =>
    ipvsRuleset(input, { scheduler: (port) => chooser.ipvsScheduler(port), openFlows: (rule, node) => chooser.openFlows(rule, node) }),
};

/**
 * Prints the rules. Options: `node` (default: all nodes, with what they share; with `as` the first one), `service` (`namespace/name`),
 * `as` (nft, iptables or ipvs, whatever the mode). Throws StatusError 400 for another format, 404 for an unknown node or Service.
 */
export function dumpRules(rules: Rules, nodes: NodeViews, proxiers: Proxiers, options: Readonly<Record<string, string>>): string {
  const wanted = options["service"];
  const name = options["node"];
  if (wanted !== undefined && !rules.table(wanted)) throw new StatusError(404, "NotFound", `services ${JSON.stringify(wanted)} not found`);
  if (name !== undefined && !nodes.has(name)) throw new StatusError(404, "NotFound", `nodes ${JSON.stringify(name)} not found`);
  const node = name === undefined ? undefined : nodes.get(name);
  const printed = node ?? nodes.all()[0] ?? nodes.get("");
  const { config, chooser } = name === undefined ? proxiers.default : proxiers.of(name);
  const as = options["as"];
  if (as !== undefined) {
    const format = Object.hasOwn(FORMATS, as) ? FORMATS[as] : undefined;
    if (!format) {
      const known = Object.keys(FORMATS).join(", ");
      throw new StatusError(400, "BadRequest", `rules cannot be printed as ${JSON.stringify(as)}; there is: ${known}`);
    }
    const input = { rules, node: printed, config, ...(wanted === undefined ? {} : { service: wanted }) };
    return format(input, chooser);
  }
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
  const sets = node && categorize(port, node);
  const used = sets && { cluster: new Set(sets.cluster), local: new Set(sets.local) };
  const rows = port.endpoints.map((endpoint) => [endpoint.id, ...endpointTraits(endpoint, used)]);
  return [...lines, ...columns(rows).map((line) => `  ${line}`)];
}

interface Used {
  readonly cluster: ReadonlySet<ProxyEndpoint>;
  readonly local: ReadonlySet<ProxyEndpoint>;
}

/** One cell for each trait, empty where there is nothing to say. */
function endpointTraits(endpoint: ProxyEndpoint, sets: Used | undefined): readonly string[] {
  const zones = endpoint.zoneHints.length > 0 ? `for zones ${endpoint.zoneHints.join(",")}` : "";
  return [conditionOf(endpoint), endpoint.node === "" ? "no node" : endpoint.node, endpoint.pod, zones, sets ? useOf(endpoint, sets) : ""];
}

function useOf(endpoint: ProxyEndpoint, sets: Used): string {
  const used = [sets.cluster.has(endpoint) ? "cluster" : "", sets.local.has(endpoint) ? "local" : ""].filter((set) => set !== "");
  return used.length > 0 ? `used (${used.join(", ")})` : "not used";
}

/** One word for an endpoint's conditions. */
export function conditionOf(endpoint: ProxyEndpoint): string {
  if (endpoint.terminating) return endpoint.serving ? "terminating, serving" : "terminating";
  return endpoint.ready ? "ready" : "not ready";
}
