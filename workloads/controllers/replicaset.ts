// The ReplicaSet controller: as many active pods as asked for, and the counts of those there are.
// Upstream: pkg/controller/replicaset/replica_set.go. Left out: expectations (the store is read directly, so there is no lag to bridge).
import { nextTurn, timestamp, type Clock } from "../../model/clock.ts";
import { StatusError, isStatus } from "../../model/errors.ts";
import type { ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from "../../model/kinds/apps-v1.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { controllerOf, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Pods, ReplicaSets } from "../../model/resources.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { claim } from "./adoption.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { counts } from "./counts.ts";
import { rankForDeletion } from "./deletion-rank.ts";
import { podFromTemplate } from "./pod-template.ts";
import { availableInMs, isPodActive, isPodReady } from "./pod-conditions.ts";

/** Pods created or deleted in one reconcile at most. */
const BURST = 500;
/** Pods created between two turns of the event loop at most. */
const LARGEST_BATCH = 32;

/** Keeps every ReplicaSet's pods and status as its spec says. */
export function createReplicaSetController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "replicaset-controller" });
  return createController({
    name: "replicaset",
    store,
    clock,
    watches: [on(ReplicaSets, (set) => [keyOf(set)]), on(Pods, (pod) => ownersOf(store, pod))],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const set = store.get(ReplicaSets, namespace, name);
      if (!set) return;
      const pods = await claim({ store, type: Pods, owner: set, matches: compileLabelSelector(set.spec.selector) });
      const active = pods.filter(isPodActive);
      const failure = set.metadata.deletionTimestamp === undefined ? await manage(store, clock, recorder, set, active) : undefined;
      const settled = active.length === (set.spec.replicas ?? 1);
      const now = settled ? active : claimed(store, set).filter(isPodActive);
      const { status, requeueAfterMs } = replicaSetStatus(set, now, failure, clock);
      await writeStatus(store, set, status);
      if (failure) throw failure;
      return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
    },
  });
}

function ownersOf(store: Store, pod: Pod): readonly string[] {
  const namespace = namespaceOf(pod);
  const controller = controllerOf(pod);
  if (controller) return controller.kind === "ReplicaSet" ? [objectKey(namespace, controller.name)] : [];
  return store
    .list(ReplicaSets, { namespace })
    .filter((set) => compileLabelSelector(set.spec.selector)(pod.metadata.labels))
    .map(keyOf);
}

function claimed(store: Store, set: ReplicaSet): readonly Pod[] {
  const uid = set.metadata.uid;
  return store.list(Pods, { namespace: namespaceOf(set) }).filter((pod) => controllerOf(pod)?.uid === uid);
}

/** Creates or deletes pods; the error of a refused create comes back so that status can tell it. */
async function manage(
  store: Store,
  clock: Clock,
  recorder: EventRecorder,
  set: ReplicaSet,
  active: readonly Pod[],
): Promise<StatusError | undefined> {
  const missing = (set.spec.replicas ?? 1) - active.length;
  if (missing === 0) return undefined;
  if (missing > 0) return createPods(store, recorder, set, Math.min(missing, BURST));
  const victims = rankForDeletion(active, clock.now()).slice(0, Math.min(-missing, BURST));
  for (const pod of victims) {
    try {
      await store.delete(
        Pods,
        namespaceOf(pod),
        pod.metadata.name,
        pod.metadata.uid === undefined ? {} : { preconditions: { uid: pod.metadata.uid } },
      );
      recorder.event(set, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`);
    } catch (error) {
      if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
    }
  }
  return undefined;
}

/** Slow start: 1, 2, 4, … at a time, stopping at the first batch that has a refusal, so that a quota is not hammered. */
async function createPods(store: Store, recorder: EventRecorder, set: ReplicaSet, count: number): Promise<StatusError | undefined> {
  let left = count;
  for (let batch = 1; left > 0; batch = Math.min(batch * 2, LARGEST_BATCH)) {
    const size = Math.min(batch, left);
    await nextTurn();
    const results = await Promise.allSettled(
      Array.from({ length: size }, () =>
        store.create(Pods, podFromTemplate(set, set.spec.template, { generateName: `${set.metadata.name}-` })),
      ),
    );
    let refused: StatusError | undefined;
    for (const result of results) {
      if (result.status === "fulfilled") {
        recorder.event(set, "Normal", "SuccessfulCreate", `Created pod: ${result.value.metadata.name}`);
      } else if (result.reason instanceof StatusError) {
        refused ??= result.reason;
        recorder.event(set, "Warning", "FailedCreate", `Error creating: ${result.reason.message}`);
      } else throw result.reason;
    }
    if (refused) return refused;
    left -= size;
  }
  return undefined;
}

/** The status that these pods give, and when a ready pod will become available by the passing of time alone. */
export function replicaSetStatus(
  set: ReplicaSet,
  active: readonly Pod[],
  failure: StatusError | undefined,
  clock: Clock,
): { readonly status: ReplicaSetStatus; readonly requeueAfterMs?: number } {
  const fullyLabeled = compileLabelSelector({ matchLabels: set.spec.template?.metadata.labels ?? {} });
  const waits = active.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now()));
  const pending = waits.filter((wait) => wait !== undefined && wait > 0);
  const conditions = replicaFailure(set.status?.conditions ?? [], failure, clock);
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...counts({
      fullyLabeledReplicas: active.filter((pod) => fullyLabeled(pod.metadata.labels)).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: waits.filter((wait) => wait === 0).length,
    }),
    observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {}),
  };
  return pending.length > 0 ? { status, requeueAfterMs: Math.min(...pending.map((wait) => wait ?? 0)) } : { status };
}

function replicaFailure(
  conditions: readonly ReplicaSetCondition[],
  failure: StatusError | undefined,
  clock: Clock,
): readonly ReplicaSetCondition[] {
  const others = conditions.filter((condition) => condition.type !== "ReplicaFailure");
  if (!failure) return others;
  const old = conditions.find((condition) => condition.type === "ReplicaFailure");
  const lastTransitionTime = old?.status === "True" ? (old.lastTransitionTime ?? timestamp(clock)) : timestamp(clock);
  return [...others, { type: "ReplicaFailure", status: "True", lastTransitionTime, reason: "FailedCreate", message: failure.message }];
}

async function writeStatus(store: Store, set: ReplicaSet, status: ReplicaSetStatus): Promise<void> {
  const current = store.get(ReplicaSets, namespaceOf(set), set.metadata.name);
  if (!current || current.metadata.uid !== set.metadata.uid) return;
  await store.update(ReplicaSets, { ...current, status }, { subresource: "status" });
}
