// The arithmetic of rollouts: how many replicas each ReplicaSet of a Deployment should have next. Pure.
// Upstream: pkg/controller/deployment/{rolling,recreate,sync}.go and util/deployment_util.go.
import type { Deployment, ReplicaSet } from "../../model/kinds/apps-v1.ts";

/** A ReplicaSet and the size it should get. */
export interface Scale {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

export const replicasOf = (set: ReplicaSet | undefined): number => set?.spec.replicas ?? 0;
export const desiredReplicas = (deployment: Deployment): number => deployment.spec.replicas ?? 1;
export const totalReplicas = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + replicasOf(set), 0);
export const totalAvailable = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);

/** Oldest first; names decide between equals. */
export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  const [x, y] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return x < y ? -1 : x > y ? 1 : a.metadata.name < b.metadata.name ? -1 : 1;
}

/** A count or a percentage of `total`, rounded up or down. */
export function resolveIntOrPercent(value: number | string | undefined, total: number, round: "up" | "down"): number {
  const match = /^(\d+)%$/.exec(String(value ?? 0));
  if (!match) return Number(value ?? 0) || 0;
  const exact = (Number(match[1]) * total) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}

/** The pods allowed above and below the desired count; when both come to 0, one may be missing. */
export function fenceposts(deployment: Deployment): { readonly maxSurge: number; readonly maxUnavailable: number } {
  const desired = desiredReplicas(deployment);
  if (deployment.spec.strategy?.type === "Recreate") return { maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge = "25%", maxUnavailable = "25%" } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = resolveIntOrPercent(maxSurge, desired, "up");
  const unavailable = resolveIntOrPercent(maxUnavailable, desired, "down");
  return { maxSurge: surge, maxUnavailable: Math.min(desired, surge === 0 && unavailable === 0 ? 1 : unavailable) };
}

/** The size at which a new ReplicaSet starts, or grows to in one step, beside all that exist. */
export function newReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const desired = desiredReplicas(deployment);
  if (deployment.spec.strategy?.type === "Recreate") return desired;
  const room = desired + fenceposts(deployment).maxSurge - totalReplicas(all);
  return room <= 0 ? current : current + Math.min(room, desired - current);
}

/** A step of a rolling update: growing the new set comes first; only when it cannot grow do the old ones shrink. */
export function rollingStep(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): readonly Scale[] {
  const desired = desiredReplicas(deployment);
  const current = replicasOf(newSet);
  const target = current > desired ? desired : current === desired ? desired : newReplicas(deployment, [...oldSets, newSet], current);
  return target === current ? shrinkOld(deployment, newSet, oldSets) : [{ set: newSet, replicas: target }];
}

/** Unhealthy old pods go first, then as many as availability allows, oldest ReplicaSet first. */
function shrinkOld(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): readonly Scale[] {
  const minAvailable = desiredReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const newUnavailable = replicasOf(newSet) - (newSet.status?.availableReplicas ?? 0);
  const all = [...oldSets, newSet];
  const sizes = new Map(oldSets.map((set) => [set, replicasOf(set)]));
  let unhealthyLeft = totalReplicas(all) - minAvailable - newUnavailable;
  if (totalReplicas(oldSets) === 0 || unhealthyLeft <= 0) return [];
  const ordered = oldSets.toSorted(byCreation);
  for (const set of ordered) {
    const size = sizes.get(set) ?? 0;
    const cut = Math.min(unhealthyLeft, Math.max(0, size - (set.status?.availableReplicas ?? 0)));
    if (cut <= 0) continue;
    sizes.set(set, size - cut);
    unhealthyLeft -= cut;
  }
  let availableLeft = totalAvailable(all) - minAvailable;
  for (const set of ordered) {
    const size = sizes.get(set) ?? 0;
    const cut = Math.min(size, availableLeft);
    if (cut <= 0) continue;
    sizes.set(set, size - cut);
    availableLeft -= cut;
  }
  return ordered.filter((set) => sizes.get(set) !== replicasOf(set)).map((set) => ({ set, replicas: sizes.get(set) ?? 0 }));
}

/** What a change of spec.replicas alone does: the active set takes it, or all active sets share it in proportion. */
export function proportionalScale(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): readonly Scale[] {
  const desired = desiredReplicas(deployment);
  const all = newSet ? [...oldSets, newSet] : oldSets;
  const active = all.filter((set) => replicasOf(set) > 0);
  if (active.length <= 1) {
    const target = active[0] ?? newSet ?? oldSets.toSorted(byCreation).at(-1);
    return target && replicasOf(target) !== desired ? [{ set: target, replicas: desired }] : [];
  }
  if (newSet && isSaturated(deployment, newSet)) {
    return oldSets.filter((set) => replicasOf(set) > 0).map((set) => ({ set, replicas: 0 }));
  }
  if (deployment.spec.strategy?.type === "Recreate") return [];
  const { maxSurge } = fenceposts(deployment);
  const toAdd = (desired > 0 ? desired + maxSurge : 0) - totalReplicas(active);
  if (toAdd === 0) return [];
  const bySize = (a: ReplicaSet, b: ReplicaSet): number =>
    replicasOf(b) - replicasOf(a) || (toAdd > 0 ? byCreation(b, a) : byCreation(a, b));
  const ordered = active.toSorted(bySize);
  let added = 0;
  const scales = ordered.map((set) => {
    const share = proportion(deployment, set, toAdd, added, maxSurge);
    added += share;
    return { set, replicas: replicasOf(set) + share };
  });
  return scales
    .map(({ set, replicas }, index) => ({ set, replicas: Math.max(0, index === 0 ? replicas + toAdd - added : replicas) }))
    .filter(({ set, replicas }) => replicas !== replicasOf(set));
}

function proportion(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number, maxSurge: number): number {
  if (toAdd === added) return 0;
  const desired = desiredReplicas(deployment);
  const annotated = Number(set.metadata.annotations?.["deployment.kubernetes.io/max-replicas"] ?? 0) || (deployment.status?.replicas ?? 0);
  const fraction =
    desired === 0 || annotated === 0
      ? -replicasOf(set)
      : Math.round((replicasOf(set) * (desired + maxSurge)) / annotated) - replicasOf(set);
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added);
}

/** The new set alone has, and has available, all that is desired. */
function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const annotated = Number(set.metadata.annotations?.["deployment.kubernetes.io/desired-replicas"]);
  const desired = desiredReplicas(deployment);
  return replicasOf(set) === desired && annotated === desired && (set.status?.availableReplicas ?? 0) === desired;
}

/** True when spec.replicas has changed since the active sets were last scaled. */
export function isScaling(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((set) => {
    const annotated = set.metadata.annotations?.["deployment.kubernetes.io/desired-replicas"];
    return replicasOf(set) > 0 && annotated !== undefined && Number(annotated) !== desiredReplicas(deployment);
  });
}
