// The StatefulSet controller: pods with names that last, made one after the other, taken away in reverse, updated from the highest
// ordinal down. Each reconcile makes the next step only and waits for what comes of it.
// Upstream: pkg/controller/statefulset/stateful_set_control.go. Left out: maxUnavailable (alpha), claims kept back by a changed template.
import { isStatus } from "../../model/errors.ts";
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from "../../model/kinds/apps-v1.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { controllerOf, equalJson, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { PersistentVolumeClaims, Pods, StatefulSets } from "../../model/resources.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { claim } from "./adoption.ts";
import { counts } from "./counts.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { availableInMs, isPodFinished, isPodReady } from "./pod-conditions.ts";
import { presentRevision, revisionsOf, truncateHistory } from "./revision-history.ts";
import {
  claimsOfPod,
  firstOrdinal,
  isHealthy,
  isMonotonic,
  isTerminating,
  ordinalOf,
  partitionOf,
  podOfSet,
  replicasOfSet,
  revisionForOrdinal,
  revisionNameOf,
} from "./statefulset-pods.ts";

/**
 * How long a name stays free. `kubectl delete` asks for the pod, then lists it by name: one that came back in between would be waited for
 * without end. Elsewhere a kubelet's own pace keeps the two apart.
 */
const NAME_REST_MS = 1000;
const HASH_LABEL = "controller.kubernetes.io/hash";

/** Everything that one reconcile decides with. */
interface World {
  readonly store: Store;
  readonly recorder: EventRecorder;
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  /** False for a pod that is ready but not for minReadySeconds. */
  readonly isAvailable: (pod: Pod) => boolean;
  /** How long the name of a pod that has gone has to rest before it is given again; 0 when it has rested. */
  readonly restMs: (podName: string) => number;
}

/** Keeps every StatefulSet's pods, claims, revisions and status as its spec says. */
export function createStatefulSetController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "statefulset-controller" });
  /** When each pod that is going or gone was last seen, by namespace and name. */
  const going = new Map<string, number>();
  const noteGoing = (pod: Pod): void => {
    if (controllerOf(pod)?.kind !== "StatefulSet") return;
    const present = store.get(Pods, namespaceOf(pod), pod.metadata.name);
    if (!present || isTerminating(present)) going.set(keyOf(pod), clock.monotonic());
    else going.delete(keyOf(pod));
  };
  return createController({
    name: "statefulset",
    store,
    clock,
    watches: [on(StatefulSets, (set) => [keyOf(set)]), on(Pods, (pod) => (noteGoing(pod), ownersOf(store, pod)))],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const set = store.get(StatefulSets, namespace, name);
      if (!set) {
        for (const pod of going.keys()) if (!store.get(Pods, splitKey(pod).namespace, splitKey(pod).name)) going.delete(pod);
        return;
      }
      const rests: number[] = [];
      const restMs = (podName: string): number => {
        const rest = (going.get(objectKey(namespace, podName)) ?? Number.NEGATIVE_INFINITY) + NAME_REST_MS - clock.monotonic();
        if (rest > 0) rests.push(rest);
        return Math.max(0, rest);
      };
      const selected = await claim({ store, type: Pods, owner: set, matches: compileLabelSelector(set.spec.selector) });
      const pods = selected.filter((pod) => ordinalOf(set, pod.metadata.name) !== undefined);
      const update = await presentRevision(store, set, HASH_LABEL);
      const current = revisionsOf(store, set).find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
      const waits = pods.map((pod) => [pod, availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now())] as const);
      const available = new Set(waits.filter(([, wait]) => wait === 0).map(([pod]) => pod));
      const world: World = { store, recorder, set, pods, current, update, isAvailable: (pod) => available.has(pod), restMs };
      if (set.metadata.deletionTimestamp === undefined) await step(world);
      await writeStatus(store, statusOf(world));
      await truncateHistory(
        store,
        set,
        ({ metadata }) =>
          metadata.name === update.metadata.name ||
          metadata.name === current.metadata.name ||
          pods.some((pod) => revisionNameOf(pod) === metadata.name),
      );
      const pending = [...rests, ...waits.flatMap(([, wait]) => (wait !== undefined && wait > 0 ? [wait] : []))];
      return pending.length > 0 ? { requeueAfterMs: Math.min(...pending) } : undefined;
    },
  });
}

function ownersOf(store: Store, pod: Pod): readonly string[] {
  const namespace = namespaceOf(pod);
  const controller = controllerOf(pod);
  if (controller) return controller.kind === "StatefulSet" ? [objectKey(namespace, controller.name)] : [];
  return store
    .list(StatefulSets, { namespace })
    .filter((set) => compileLabelSelector(set.spec.selector)(pod.metadata.labels))
    .map(keyOf);
}

/** The next step, or with Parallel the next steps: missing pods, then surplus ones, then outdated ones. */
async function step(world: World): Promise<void> {
  if (await fill(world)) return;
  if (await shrink(world)) return;
  await replaceOutdated(world);
}

/** Makes the pods that are missing, in order. True when the set has to wait for one before anything else. */
async function fill(world: World): Promise<boolean> {
  const { set, pods, isAvailable } = world;
  const monotonic = isMonotonic(set);
  const first = firstOrdinal(set);
  for (let ordinal = first; ordinal < first + replicasOfSet(set); ordinal++) {
    const pod = pods.find((each) => ordinalOf(set, each.metadata.name) === ordinal);
    if (!pod) {
      if (world.restMs(`${set.metadata.name}-${ordinal}`) === 0) await createPod(world, ordinal);
      if (monotonic) return true;
    } else if (isPodFinished(pod) && !isTerminating(pod)) {
      await deletePod(world, pod);
      if (monotonic) return true;
    } else if (monotonic && !(isHealthy(pod) && isAvailable(pod))) return true;
  }
  return false;
}

/** Takes surplus pods away, highest ordinal first. True when the set has to wait for one before anything else. */
async function shrink(world: World): Promise<boolean> {
  const { set, pods } = world;
  const first = firstOrdinal(set);
  const ordinal = (pod: Pod): number => ordinalOf(set, pod.metadata.name) ?? 0;
  const surplus = pods
    .filter((pod) => ordinal(pod) < first || ordinal(pod) >= first + replicasOfSet(set))
    .toSorted((a, b) => ordinal(b) - ordinal(a));
  for (const pod of surplus) {
    if (!isTerminating(pod)) await deletePod(world, pod);
    if (isMonotonic(set)) return true;
  }
  return false;
}

/** Deletes the highest outdated pod above the partition once those above it are healthy; fill() makes it anew. */
async function replaceOutdated(world: World): Promise<void> {
  const { set, pods, update, isAvailable } = world;
  if (set.spec.updateStrategy?.type !== "RollingUpdate") return;
  const first = firstOrdinal(set);
  for (let ordinal = first + replicasOfSet(set) - 1; ordinal >= first + partitionOf(set); ordinal--) {
    const pod = pods.find((each) => ordinalOf(set, each.metadata.name) === ordinal);
    if (!pod) return;
    if (revisionNameOf(pod) !== update.metadata.name && !isTerminating(pod)) return deletePod(world, pod);
    if (!isHealthy(pod) || !isAvailable(pod)) return;
  }
}

async function createPod({ store, recorder, set, current, update }: World, ordinal: number): Promise<void> {
  const pod = podOfSet(set, ordinal, revisionForOrdinal(set, ordinal, current, update));
  const { name } = pod.metadata;
  for (const wanted of claimsOfPod(set, name)) {
    if (store.get(PersistentVolumeClaims, namespaceOf(set), wanted.metadata.name)) continue;
    await store.create(PersistentVolumeClaims, wanted);
    const text = `create Claim ${wanted.metadata.name} Pod ${name} in StatefulSet ${set.metadata.name} success`;
    recorder.event(set, "Normal", "SuccessfulCreate", text);
  }
  try {
    await store.create(Pods, pod);
    recorder.event(set, "Normal", "SuccessfulCreate", `create Pod ${name} in StatefulSet ${set.metadata.name} successful`);
  } catch (error) {
    if (isStatus(error, "AlreadyExists")) return;
    const reason = error instanceof Error ? error.message : String(error);
    recorder.event(set, "Warning", "FailedCreate", `create Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${reason}`);
    throw error;
  }
}

async function deletePod({ store, recorder, set }: World, { metadata }: Pod): Promise<void> {
  try {
    await store.delete(Pods, metadata.namespace ?? "", metadata.name, { preconditions: { uid: metadata.uid ?? "" } });
    recorder.event(set, "Normal", "SuccessfulDelete", `delete Pod ${metadata.name} in StatefulSet ${set.metadata.name} successful`);
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}

/** The set with the status that its pods give; a finished rolling update makes the update revision the current one. */
function statusOf({ store, set, current, update, isAvailable }: World): StatefulSet {
  const uid = set.metadata.uid;
  const pods = store.list(Pods, { namespace: namespaceOf(set) }).filter((pod) => controllerOf(pod)?.uid === uid);
  const of = (revision: ControllerRevision): number =>
    pods.filter((pod) => revisionNameOf(pod) === revision.metadata.name && !isTerminating(pod)).length;
  const ready = pods.filter((pod) => isPodReady(pod) && pod.status?.phase === "Running").length;
  const updated = of(update);
  const complete =
    set.spec.updateStrategy?.type === "RollingUpdate" && updated === replicasOfSet(set) && ready === updated && pods.length === updated;
  const status: StatefulSetStatus = {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: pods.length,
    ...counts({ readyReplicas: ready, currentReplicas: complete ? updated : of(current), updatedReplicas: updated }),
    currentRevision: complete ? update.metadata.name : current.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount: set.status?.collisionCount ?? 0,
    availableReplicas: pods.filter(isAvailable).length,
  };
  return { ...set, status };
}

async function writeStatus(store: Store, set: StatefulSet): Promise<void> {
  const present = store.get(StatefulSets, namespaceOf(set), set.metadata.name);
  if (!present || present.metadata.uid !== set.metadata.uid || equalJson(present.status, set.status)) return;
  await store.update(StatefulSets, { ...present, status: set.status ?? { replicas: 0 } }, { subresource: "status" });
}
