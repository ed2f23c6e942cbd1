// The reasons for which a node cannot take a pod, one function each; FILTERS is their order.
// Upstream: pkg/scheduler/framework/plugins (nodename, nodeunschedulable, tainttoleration, nodeaffinity, nodeports, noderesources,
// interpodaffinity, podtopologyspread). Left out: volumes, extended resources, preemption, topology spread constraints.
import type { NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm, Taint, Toleration } from "../../model/kinds/core-v1.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import { podRequests, type NodeInfo } from "./node-info.ts";

/** The reasons, as upstream words them, why `info` cannot take the pod; none when it can. */
export type Filter = (pod: Pod, info: NodeInfo, all: readonly NodeInfo[]) => readonly string[];

/** The filters in upstream's order; the first that refuses a node names the reason. */
export const FILTERS: readonly Filter[] = [
  unschedulable,
  nodeName,
  taints,
  nodeAffinity,
  hostPorts,
  resources,
  podAntiAffinity,
  podAffinity,
];

/** The first refusal of a node, or none. */
export function refusal(pod: Pod, info: NodeInfo, all: readonly NodeInfo[]): readonly string[] {
  for (const filter of FILTERS) {
    const reasons = filter(pod, info, all);
    if (reasons.length > 0) return reasons;
  }
  return [];
}

function unschedulable(pod: Pod, { node }: NodeInfo): readonly string[] {
  const taint: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
  return node.spec.unschedulable && !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint))
    ? ["node(s) were unschedulable"]
    : [];
}

function nodeName(pod: Pod, { node }: NodeInfo): readonly string[] {
  return pod.spec.nodeName && pod.spec.nodeName !== node.metadata.name ? ["node(s) didn't match the requested node name"] : [];
}

function taints(pod: Pod, { node }: NodeInfo): readonly string[] {
  const taint = (node.spec.taints ?? []).find(
    ({ key, value, effect }) =>
      (effect === "NoSchedule" || effect === "NoExecute") &&
      !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, { key, effect, ...(value === undefined ? {} : { value }) })),
  );
  return taint ? [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`] : [];
}

/** True when a toleration covers a taint. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === "Exists") return true;
  return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
}

function nodeAffinity(pod: Pod, { node }: NodeInfo): readonly string[] {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const wanted = !terms || terms.some((term) => matchesNodeTerm(term, labels, node.metadata.name));
  return selected && wanted ? [] : ["node(s) didn't match Pod's node affinity/selector"];
}

/** True when a node with these labels satisfies all of a term's requirements; an empty term matches nothing. */
export function matchesNodeTerm(term: NodeSelectorTerm, labels: Readonly<Record<string, string>>, name: string): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((requirement) => matchesRequirement(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) => matchesRequirement(requirement, requirement.key === "metadata.name" ? name : undefined))
  );
}

function matchesRequirement({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

function hostPorts(pod: Pod, { pods }: NodeInfo): readonly string[] {
  const wanted = hostPortsOf(pod);
  const taken = new Set(wanted.length === 0 ? [] : pods.flatMap(hostPortsOf));
  return wanted.some((port) => taken.has(port)) ? ["node(s) didn't have free ports for the requested pod ports"] : [];
}

function hostPortsOf(pod: Pod): readonly string[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? [])
      .map((port) => ({ number: port.hostPort ?? (pod.spec.hostNetwork ? port.containerPort : 0), protocol: port.protocol ?? "TCP" }))
      .filter((port) => port.number > 0)
      .map((port) => `${port.protocol}/${port.number}`),
  );
}

function resources(pod: Pod, info: NodeInfo): readonly string[] {
  const reasons = info.pods.length + 1 > info.allocatable("pods") ? ["Too many pods"] : [];
  for (const [resource, amount] of podRequests(pod.spec)) {
    if (amount > 0 && info.requested(resource) + amount > info.allocatable(resource)) reasons.push(`Insufficient ${resource}`);
  }
  return reasons;
}

const domainOf = (info: NodeInfo, topologyKey: string): string | undefined => info.node.metadata.labels?.[topologyKey];

/** The pods in the node's topology domain that a term speaks of. */
function podsOfTerm(pod: Pod, term: PodAffinityTerm, info: NodeInfo, all: readonly NodeInfo[]): readonly Pod[] {
  const domain = domainOf(info, term.topologyKey);
  if (domain === undefined) return [];
  const matches = compileLabelSelector(term.labelSelector);
  const everywhere = term.namespaceSelector !== undefined && Object.keys(term.namespaceSelector).length === 0;
  const namespaces = term.namespaces ?? [pod.metadata.namespace ?? ""];
  return all
    .filter((other) => domainOf(other, term.topologyKey) === domain)
    .flatMap((other) => other.pods)
    .filter((other) => (everywhere || namespaces.includes(other.metadata.namespace ?? "")) && matches(other.metadata.labels));
}

function podAntiAffinity(pod: Pod, info: NodeInfo, all: readonly NodeInfo[]): readonly string[] {
  const terms = pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (terms.some((term) => podsOfTerm(pod, term, info, all).length > 0)) return ["node(s) didn't match pod anti-affinity rules"];
  const residents = all.flatMap((other) => other.exclusive.map((resident) => ({ resident, other })));
  const excluded = residents.some(({ resident, other }) =>
    (resident.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some(
      (term) =>
        domainOf(other, term.topologyKey) !== undefined &&
        domainOf(other, term.topologyKey) === domainOf(info, term.topologyKey) &&
        (term.namespaces ?? [resident.metadata.namespace ?? ""]).includes(pod.metadata.namespace ?? "") &&
        compileLabelSelector(term.labelSelector)(pod.metadata.labels),
    ),
  );
  return excluded ? ["node(s) didn't satisfy existing pods anti-affinity rules"] : [];
}

function podAffinity(pod: Pod, info: NodeInfo, all: readonly NodeInfo[]): readonly string[] {
  const terms = pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const satisfied = terms.every((term) => {
    if (domainOf(info, term.topologyKey) === undefined) return false;
    if (podsOfTerm(pod, term, info, all).length > 0) return true;
    // The first pod of a group that wants to be together may start the group.
    const nobody = all.every((other) => podsOfTerm(pod, term, other, all).length === 0);
    return nobody && compileLabelSelector(term.labelSelector)(pod.metadata.labels);
  });
  return satisfied ? [] : ["node(s) didn't match pod affinity rules"];
}
