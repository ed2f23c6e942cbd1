// Which pods a ReplicaSet deletes first when it has too many.
// Upstream: pkg/controller/controller_utils.go ActivePodsWithRanks (the order of its comparisons), KEP-2255 pod-deletion-cost.
import type { Pod } from "../../model/kinds/core-v1.ts";
import { isPodReady, podCondition } from "./pod-conditions.ts";

const PHASE_RANK: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"] ?? "0");
  return Number.isInteger(cost) ? cost : 0;
}

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));
}

/** Later times are younger and go first; times are compared by order of magnitude, as upstream does, so that a second means nothing. */
function byAge(a: string | undefined, b: string | undefined, nowMs: number): number {
  if (a === b) return 0;
  if (a === undefined || a === "") return -1;
  if (b === undefined || b === "") return 1;
  const rank = (time: string): number => Math.floor(Math.log2(Math.max(1, (nowMs - Date.parse(time)) * 1e6)));
  return rank(a) - rank(b);
}

/**
 * The pods in the order in which they are deleted: unassigned, pending, not ready, low deletion cost, sharing a node with more
 * siblings, ready for a shorter time, restarted more often, younger; ties by uid.
 */
export function rankForDeletion(pods: readonly Pod[], nowMs: number): readonly Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of pods) {
    const node = pod.spec.nodeName ?? "";
    perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const siblings = (pod: Pod): number => perNode.get(pod.spec.nodeName ?? "") ?? 0;
  const phase = (pod: Pod): number => PHASE_RANK[pod.status?.phase ?? "Pending"] ?? 0;
  const readySince = (pod: Pod): string | undefined => podCondition(pod, "Ready")?.lastTransitionTime;
  return pods.toSorted(
    (a, b) =>
      Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)) ||
      phase(a) - phase(b) ||
      Number(isPodReady(a)) - Number(isPodReady(b)) ||
      deletionCost(a) - deletionCost(b) ||
      siblings(b) - siblings(a) ||
      (isPodReady(a) && isPodReady(b) ? byAge(readySince(a), readySince(b), nowMs) : 0) ||
      restarts(b) - restarts(a) ||
      byAge(a.metadata.creationTimestamp, b.metadata.creationTimestamp, nowMs) ||
      ((a.metadata.uid ?? "") < (b.metadata.uid ?? "") ? -1 : 1),
  );
}
