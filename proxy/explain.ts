// What the proxy would do with a flow, without sending it: the matched rules and, for every endpoint, why it is or is not a candidate.
import { assertNever } from "../model/errors.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { ExplainAnswer, ExplainQuestion, Flow } from "../model/ports.ts";
import { columns } from "../model/text.ts";
import { conditionOf } from "./dump.ts";
import { type Decision, evaluate } from "./evaluate.ts";
import type { NodeViews } from "./node-views.ts";
import type { Proxiers } from "./proxiers.ts";
import type { Rules } from "./rules.ts";
import { hostPort, type ProxyEndpoint } from "./service-port.ts";
import type { NodeView } from "./topology.ts";
import { lost } from "./verdicts.ts";

export interface ExplainContext {
  readonly rules: Rules;
  readonly nodes: NodeViews;
  readonly proxiers: Proxiers;
  /** In a service block, or a ClusterIP: a flow that no rule takes is lost. */
  isServiceAddress(ip: string): boolean;
  /** The Service object behind `namespace/name`. */
  service(key: string): Service | undefined;
}

/** Undefined when the question has no address. The answer's `ip` and `port` are where the flow would go (the first candidate of several). */
export function explainFlow(question: ExplainQuestion, context: ExplainContext): ExplainAnswer | undefined {
  const { from, ip, port, protocol } = question;
  if (ip === undefined) return undefined;
  const { rules, nodes } = context;
  const node = nodes.at(ip) ?? nodes.get(from.kind === "pod" ? from.node : from.kind === "node" ? from.name : (nodes.all()[0]?.name ?? ""));
  const { config, chooser } = context.proxiers.of(node.name);
  const flow: Flow = { id: 0, protocol, from, source: { ip: from.ip, port: 0 }, destination: { ip, port }, node: node.name };
  const decision = evaluate(rules, flow, node, config);
  const title = `kube-proxy (${config.mode})${node.name === "" ? "" : ` on ${node.name}`}`;
  const lines = [...decision.matched];
  switch (decision.type) {
    case "pass": {
      if (lines.length > 0) return { title, lines, ip, port };
      const none = `no rule for ${hostPort(ip, port)}/${protocol}`;
      if (context.isServiceAddress(ip))
        return { title, lines: [...lost(flow).matched, ...portsAt(ip, rules), "verdict: drop (the client times out)"], ends: true };
      return { title, lines: [`${none}: the flow goes on unchanged`, ...portsAt(ip, rules)], ip, port };
    }
    case "reject":
      return {
        title,
        lines: [
          ...lines,
          ...(decision.rule ? [...endpointLines(decision, node), ...whyNone(decision, context)] : portsAt(ip, rules)),
          "verdict: reject (connection refused)",
        ],
        ends: true,
      };
    case "drop":
      return { title, lines: [...lines, ...endpointLines(decision, node), "verdict: drop (the client times out)"], ends: true };
    case "balance": {
      const [first] = decision.candidates;
      const how = chooser.algorithm(decision.rule.port);
      const affinity =
        decision.rule.port.affinitySeconds > 0 ? `, then the same for ${decision.rule.port.affinitySeconds} s (ClientIP affinity)` : "";
      const one =
        decision.candidates.length === 1 && first
          ? `to ${first.id}`
          : `to one of ${decision.candidates.length} endpoints, ${how}${affinity}`;
      const hairpin = decision.candidates.length === 1 && first?.ip === from.ip;
      const masquerade = decision.masquerade || hairpin ? `, source masqueraded as ${node.name}` : ", source kept";
      const target = first ? { ip: first.ip, port: first.port } : {};
      const balance = {
        service: decision.rule.port.id,
        algorithm: how,
        affinitySeconds: decision.rule.port.affinitySeconds,
        endpoints: decision.candidates.map(({ id, pod, node: on }) => ({ address: id, pod, node: on })),
      };
      return { title, lines: [...lines, ...endpointLines(decision, node), `verdict: DNAT ${one}${masquerade}`], ...target, balance };
    }
    default:
      return assertNever(decision);
  }
}

/** Which ports there are at an address that was asked for another one. */
function portsAt(ip: string, rules: Rules): readonly string[] {
  return rules.tables().flatMap(({ key, ports }) => {
    const here = ports.filter(({ clusterIP, externalIPs, loadBalancerIPs }) =>
      [clusterIP, ...externalIPs, ...loadBalancerIPs].includes(ip),
    );
    const texts = here.map(({ port, protocol, portName }) => `${port}/${protocol}${portName === "" ? "" : ` (${portName})`}`);
    return texts.length === 0 ? [] : [`${ip} is Service ${key}, which has ${texts.join(", ")}`];
  });
}

function endpointLines(decision: Decision, node: NodeView): readonly string[] {
  if (decision.type === "pass" || !decision.rule) return [];
  const candidates = decision.type === "balance" ? decision.candidates : [];
  const kept = new Set(candidates);
  const others = { ready: candidates.some((each) => each.ready), local: candidates.every((each) => each.node === node.name) };
  const rows = decision.rule.port.endpoints.map((endpoint) => {
    const where = endpoint.pod === "" ? endpoint.node : `${endpoint.pod} on ${endpoint.node}`;
    const why = kept.has(endpoint) ? conditionOf(endpoint) : whyNot(endpoint, others, node);
    return [`${kept.has(endpoint) ? "+" : "-"} ${endpoint.id}`, where, why];
  });
  return columns(rows);
}

/** Where to look when a port has no endpoint at all. */
function whyNone(decision: Decision, { service }: ExplainContext): readonly string[] {
  const port = decision.type === "pass" ? undefined : decision.rule?.port;
  const spec = port && service(`${port.namespace}/${port.name}`)?.spec;
  if (!port || !spec || port.endpoints.length > 0) return [];
  const selector = Object.entries(spec.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  if (selector.length === 0) return ["the Service has no selector: nobody has made an EndpointSlice or Endpoints with this port"];
  const target = spec.ports?.find((each) => (each.name ?? "") === port.portName && (each.protocol ?? "TCP") === port.protocol)?.targetPort;
  const named = typeof target === "string" ? ` and a ${port.protocol} port named ${target}` : "";
  return [`no running pod in namespace ${port.namespace} has the labels ${selector.join(",")}${named}`];
}

/** Why an endpoint is left out; `others` tells of the candidates that were chosen. */
function whyNot(endpoint: ProxyEndpoint, others: { readonly ready: boolean; readonly local: boolean }, node: NodeView): string {
  if (!endpoint.ready && !(endpoint.serving && endpoint.terminating)) return conditionOf(endpoint);
  if (!endpoint.ready && others.ready) return "terminating: others are ready";
  if (others.local && endpoint.node !== node.name) return `on another node (${endpoint.node || "unnamed"})`;
  if (endpoint.zoneHints.length > 0 || endpoint.nodeHints.length > 0)
    return `hinted for ${[...endpoint.nodeHints, ...endpoint.zoneHints].join(", ")}, not for this node or zone`;
  return "not in the chosen set";
}
