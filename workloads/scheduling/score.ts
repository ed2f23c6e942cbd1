// Which of the nodes that can take a pod is best: preferences first, then spreading siblings, then the emptiest, then a seeded choice.
// Upstream: pkg/scheduler/framework/plugins (nodeaffinity, tainttoleration, podtopologyspread's defaults, leastallocated).
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import { controllerOf } from "../../model/object.ts";
import { hash32 } from "../../model/random.ts";
import { compileLabelSelector, matchesSelectorMap } from "../../model/selectors.ts";
import { matchesNodeTerm, tolerates } from "./filters.ts";
import type { NodeInfo } from "./node-info.ts";

/** The best of `candidates`; equal seeds and states give equal choices. */
export function bestNode(pod: Pod, candidates: readonly NodeInfo[], services: readonly Service[], seed: string): NodeInfo | undefined {
  const isSibling = siblingTest(pod, services);
  const rank = candidates.map((info) => ({
    info,
    preference: preference(pod, info),
    siblings: info.pods.filter(isSibling).length,
    load: info.pods.length / Math.max(1, info.allocatable("pods")),
    tie: hash32(`${seed}/${pod.metadata.namespace}/${pod.metadata.name}/${info.node.metadata.name}`),
  }));
  rank.sort((a, b) => b.preference - a.preference || a.siblings - b.siblings || a.load - b.load || a.tie - b.tie);
  return rank[0]?.info;
}

function siblingTest(pod: Pod, services: readonly Service[]): (other: Pod) => boolean {
  const owner = controllerOf(pod)?.uid;
  const selectors = services
    .filter(
      (service) => service.metadata.namespace === pod.metadata.namespace && matchesSelectorMap(service.spec.selector, pod.metadata.labels),
    )
    .map((service) => service.spec.selector);
  return (other) =>
    other.metadata.namespace === pod.metadata.namespace &&
    ((owner !== undefined && controllerOf(other)?.uid === owner) ||
      selectors.some((selector) => matchesSelectorMap(selector, other.metadata.labels)));
}

function preference(pod: Pod, { node, pods }: NodeInfo): number {
  const labels = node.metadata.labels ?? {};
  const { nodeAffinity, podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  let score = 0;
  for (const { weight, preference: term } of nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    if (matchesNodeTerm(term, labels, node.metadata.name)) score += weight;
  }
  for (const taint of node.spec.taints ?? []) {
    if (taint.effect === "PreferNoSchedule" && !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)))
      score -= 100;
  }
  const neighbours = pods.filter((other) => other.metadata.namespace === pod.metadata.namespace);
  const count = (selector: Parameters<typeof compileLabelSelector>[0]): number => {
    const matches = compileLabelSelector(selector);
    return neighbours.filter((other) => matches(other.metadata.labels)).length;
  };
  for (const { weight, podAffinityTerm } of podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    score += weight * count(podAffinityTerm.labelSelector);
  }
  for (const { weight, podAffinityTerm } of podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    score -= weight * count(podAffinityTerm.labelSelector);
  }
  return score;
}
