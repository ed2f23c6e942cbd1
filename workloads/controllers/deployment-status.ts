// A Deployment's status: counters and the conditions Available, Progressing and ReplicaFailure, with upstream's reasons and messages.
// Upstream: pkg/controller/deployment/{progress,sync}.go.
import { counts } from "./counts.ts";
import { timestamp, type Clock } from "../../model/clock.ts";
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from "../../model/kinds/apps-v1.ts";
import { desiredReplicas, fenceposts, totalAvailable, totalReplicas } from "./rolling-update.ts";

type Conditions = readonly DeploymentCondition[];
/** The largest progressDeadlineSeconds, which means none. */
const NO_DEADLINE = 2147483647;

export const conditionOf = (conditions: Conditions | undefined, type: string): DeploymentCondition | undefined =>
  conditions?.find((condition) => condition.type === type);

/** The conditions with one set: unchanged when status and reason are, and the transition time kept when the status is. */
export function withCondition(
  conditions: Conditions,
  clock: Clock,
  type: string,
  status: string,
  reason: string,
  message: string,
): Conditions {
  const old = conditionOf(conditions, type);
  if (old && old.status === status && old.reason === reason) return conditions;
  return renewed(conditions, clock, type, status, reason, message);
}

/** As withCondition, but lastUpdateTime moves even when nothing else does: progress was made. */
function renewed(conditions: Conditions, clock: Clock, type: string, status: string, reason: string, message: string): Conditions {
  const now = timestamp(clock);
  const old = conditionOf(conditions, type);
  const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
  return [
    ...conditions.filter((condition) => condition.type !== type),
    { type, status, lastUpdateTime: now, lastTransitionTime, reason, message },
  ];
}

const sum = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number | undefined): number =>
  sets.reduce((total, set) => total + (count(set) ?? 0), 0);

/** Counters and the Available condition. */
export function deploymentStatus(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  clock: Clock,
): DeploymentStatus {
  const available = totalAvailable(sets);
  const enough = available >= desiredReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const conditions = enough
    ? withCondition(
        deployment.status?.conditions ?? [],
        clock,
        "Available",
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
      )
    : withCondition(
        deployment.status?.conditions ?? [],
        clock,
        "Available",
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
      );
  const { collisionCount } = deployment.status ?? {};
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    ...counts({
      replicas: sum(sets, (set) => set.status?.replicas),
      updatedReplicas: newSet?.status?.replicas ?? 0,
      readyReplicas: sum(sets, (set) => set.status?.readyReplicas),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, totalReplicas(sets) - available),
    }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions,
  };
}

/** True when the new ReplicaSet has all replicas, all available, and no old pod is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = desiredReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(old: DeploymentStatus | undefined, status: DeploymentStatus): boolean {
  const oldPods = (of: DeploymentStatus | undefined): number => (of?.replicas ?? 0) - (of?.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (old?.updatedReplicas ?? 0) ||
    oldPods(status) < oldPods(old) ||
    (status.readyReplicas ?? 0) > (old?.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (old?.availableReplicas ?? 0)
  );
}

export const hasDeadline = (deployment: Deployment): boolean => (deployment.spec.progressDeadlineSeconds ?? 600) !== NO_DEADLINE;

/** The status with Progressing and ReplicaFailure brought up to date, and when its deadline will pass by itself. */
export function withProgress(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  status: DeploymentStatus,
  clock: Clock,
): { readonly status: DeploymentStatus; readonly requeueAfterMs?: number } {
  let conditions = status.conditions ?? [];
  const failure = sets
    .flatMap((set) => set.status?.conditions ?? [])
    .find((condition) => condition.type === "ReplicaFailure" && condition.status === "True");
  conditions = failure
    ? withCondition(conditions, clock, "ReplicaFailure", "True", failure.reason ?? "", failure.message ?? "")
    : conditions.filter((condition) => condition.type !== "ReplicaFailure");
  if (!hasDeadline(deployment))
    return { status: { ...status, conditions: conditions.filter((condition) => condition.type !== "Progressing") } };

  const current = conditionOf(conditions, "Progressing");
  const subject = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const settled = status.replicas === status.updatedReplicas && current?.reason === "NewReplicaSetAvailable";
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
  const dueAt = current ? Date.parse(current.lastUpdateTime ?? "") + deadlineMs : Number.NaN;
  if (!settled) {
    if (isComplete(deployment, status)) {
      conditions = withCondition(
        conditions,
        clock,
        "Progressing",
        "True",
        "NewReplicaSetAvailable",
        `${subject} has successfully progressed.`,
      );
    } else if (hasProgressed(deployment.status, status)) {
      conditions = renewed(conditions, clock, "Progressing", "True", "ReplicaSetUpdated", `${subject} is progressing.`);
    } else if (current && current.reason !== "NewReplicaSetAvailable" && clock.now() > dueAt) {
      conditions = withCondition(
        conditions,
        clock,
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        `${subject} has timed out progressing.`,
      );
    }
  }
  const after = conditionOf(conditions, "Progressing");
  const waits = after && !["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"].includes(after.reason ?? "");
  const progressed: DeploymentStatus = { ...status, conditions };
  if (!waits || deployment.spec.paused) return { status: progressed };
  // A second more, since times are kept in whole seconds.
  const requeueAfterMs = Math.max(1000, Date.parse(after.lastUpdateTime ?? "") + deadlineMs - clock.now() + 1000);
  return { status: progressed, requeueAfterMs };
}
