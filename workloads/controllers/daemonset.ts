// The DaemonSet controller: one pod on each node that can have one. The scheduler binds it: the pod says which node it wants.
// Upstream: pkg/controller/daemon/{daemon_controller,update}.go. Left out: back-off of failing pods, maxSurge's waiting for old ones.
import { isStatus } from "../../model/errors.ts";
import type { DaemonSet, DaemonSetStatus } from "../../model/kinds/apps-v1.ts";
import type { Node, NodeSelectorTerm, Pod, PodSpec, Toleration } from "../../model/kinds/core-v1.ts";
import { controllerOf, equalJson, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { DaemonSets, Nodes, Pods } from "../../model/resources.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { matchesNodeTerm, tolerates } from "../scheduling/filters.ts";
import { claim } from "./adoption.ts";
import { counts } from "./counts.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { availableInMs, isPodFinished, isPodReady } from "./pod-conditions.ts";
import { podFromTemplate } from "./pod-template.ts";
import { presentRevision, REVISION_LABEL, truncateHistory } from "./revision-history.ts";
import { resolveIntOrPercent } from "./rolling-update.ts";

const GENERATION = "deprecated.daemonset.template.generation";

/** What a daemon is not kept away by. */
const TOLERATIONS: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name): Toleration => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoSchedule",
  })),
];

/** The pods of one node, by what they were made from. */
interface Place {
  readonly node: Node;
  readonly wanted: boolean;
  readonly pods: readonly Pod[];
}

/** Keeps every DaemonSet's pods, revisions and status as its spec says. */
export function createDaemonSetController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "daemonset-controller" });
  return createController({
    name: "daemonset",
    store,
    clock,
    watches: [
      on(DaemonSets, (set) => [keyOf(set)]),
      on(Pods, (pod) => ownersOf(store, pod)),
      on(Nodes, () => store.list(DaemonSets).map(keyOf)),
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const set = store.get(DaemonSets, namespace, name);
      if (!set) return;
      const pods = await claim({ store, type: Pods, owner: set, matches: compileLabelSelector(set.spec.selector) });
      const revision = await presentRevision(store, set, REVISION_LABEL);
      const hash = revision.metadata.labels?.[REVISION_LABEL] ?? "";
      const places = placesOf(store, set, pods);
      const waits = new Map(pods.map((pod) => [pod, availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now())]));
      const isAvailable = (pod: Pod): boolean => waits.get(pod) === 0;
      if (set.metadata.deletionTimestamp === undefined) {
        await manage(store, recorder, set, places, hash);
        if (set.spec.updateStrategy?.type === "RollingUpdate") await replaceOutdated(store, recorder, set, places, hash, isAvailable);
      }
      await writeStatus(store, set, statusOf(set, places, hash, isAvailable));
      const used = new Set([hash, ...pods.map((pod) => pod.metadata.labels?.[REVISION_LABEL])]);
      await truncateHistory(store, set, ({ metadata }) => used.has(metadata.labels?.[REVISION_LABEL]));
      const pending = [...waits.values()].flatMap((wait) => (wait !== undefined && wait > 0 ? [wait] : []));
      return pending.length > 0 ? { requeueAfterMs: Math.min(...pending) } : undefined;
    },
  });
}

function ownersOf(store: Store, pod: Pod): readonly string[] {
  const namespace = namespaceOf(pod);
  const controller = controllerOf(pod);
  if (controller) return controller.kind === "DaemonSet" ? [objectKey(namespace, controller.name)] : [];
  return store
    .list(DaemonSets, { namespace })
    .filter((set) => compileLabelSelector(set.spec.selector)(pod.metadata.labels))
    .map(keyOf);
}

function placesOf(store: Store, set: DaemonSet, pods: readonly Pod[]): readonly Place[] {
  return store.list(Nodes).map((node) => ({
    node,
    wanted: fits(set.spec.template.spec, node),
    pods: pods.filter((pod) => nodeOf(pod) === node.metadata.name),
  }));
}

/** The node that a pod is on, or the one that it asks for. */
function nodeOf({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms.flatMap((term) => term.matchFields ?? []).find(({ key }) => key === "metadata.name")?.values?.[0];
}

/** Whether a node is one for this daemon: its name, its labels, and its taints. */
function fits(spec: PodSpec | undefined, node: Node): boolean {
  const { labels = {}, name } = node.metadata;
  if (spec?.nodeName && spec.nodeName !== name) return false;
  if (!Object.entries(spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms && !terms.some((term) => matchesNodeTerm(term, labels, name))) return false;
  const tolerations = [...(spec?.tolerations ?? []), ...TOLERATIONS];
  return (node.spec.taints ?? []).every(
    (taint) => taint.effect === "PreferNoSchedule" || tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

/** One pod on each node that is wanted, none elsewhere; one that has ended is made anew. */
async function manage(store: Store, recorder: EventRecorder, set: DaemonSet, places: readonly Place[], hash: string): Promise<void> {
  for (const { node, wanted, pods } of places) {
    const name = node.metadata.name;
    for (const pod of pods.filter((each) => isPodFinished(each) && !isTerminating(each))) {
      const text = `Found ${pod.status?.phase?.toLowerCase()} daemon pod ${keyOf(pod)} on node ${name}, will try to ${pod.status?.phase === "Failed" ? "kill" : "delete"} it`;
      recorder.event(set, pod.status?.phase === "Failed" ? "Warning" : "Normal", `${pod.status?.phase}DaemonPod`, text);
      await deletePod(store, recorder, set, pod);
    }
    const running = pods.filter((pod) => !isPodFinished(pod) && !isTerminating(pod));
    const [, ...surplus] = running.toSorted(byAge);
    if (wanted && pods.length === 0) await createPod(store, recorder, set, name, hash);
    for (const pod of wanted ? (maxSurge(set, places) > 0 ? [] : surplus) : running) await deletePod(store, recorder, set, pod);
  }
}

const byAge = (a: Pod, b: Pod): number =>
  (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? -1 : Number(a.metadata.name > b.metadata.name);
const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
const desired = (places: readonly Place[]): number => places.filter(({ wanted }) => wanted).length;
const maxSurge = (set: DaemonSet, places: readonly Place[]): number =>
  resolveIntOrPercent(set.spec.updateStrategy?.rollingUpdate?.maxSurge, desired(places), "up");

/** Takes old pods away as far as maxUnavailable goes, those that are not available first; or with maxSurge makes new ones beside them. */
async function replaceOutdated(
  store: Store,
  recorder: EventRecorder,
  set: DaemonSet,
  places: readonly Place[],
  hash: string,
  isAvailable: (pod: Pod) => boolean,
): Promise<void> {
  const outdated = (pod: Pod): boolean => pod.metadata.labels?.[REVISION_LABEL] !== hash && !isTerminating(pod);
  const wanted = places.filter((place) => place.wanted);
  if (maxSurge(set, places) > 0) {
    let room = maxSurge(set, places) - wanted.filter(({ pods }) => pods.length > 1).length;
    for (const { node, pods } of wanted) {
      const old = pods.find(outdated);
      const fresh = pods.find((pod) => pod !== old && !isTerminating(pod));
      if (!old) continue;
      if (fresh && (isAvailable(fresh) || !isAvailable(old))) await deletePod(store, recorder, set, old);
      else if (!fresh && room-- > 0) await createPod(store, recorder, set, node.metadata.name, hash);
    }
    return;
  }
  const allowed = resolveIntOrPercent(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable, wanted.length, "up");
  let room = allowed - wanted.filter(({ pods }) => !pods.some((pod) => isAvailable(pod) && !isTerminating(pod))).length;
  for (const { pods } of wanted) {
    for (const pod of pods.filter(outdated)) {
      if (!isAvailable(pod)) await deletePod(store, recorder, set, pod);
      else if (room-- > 0) await deletePod(store, recorder, set, pod);
    }
  }
}

async function createPod(store: Store, recorder: EventRecorder, set: DaemonSet, node: string, hash: string): Promise<void> {
  const generation = set.metadata.annotations?.[GENERATION];
  const pod = podFromTemplate(set, set.spec.template, {
    generateName: `${set.metadata.name}-`,
    labels: { [REVISION_LABEL]: hash, ...(generation === undefined ? {} : { "pod-template-generation": generation }) },
  });
  try {
    const made = await store.create(Pods, { ...pod, spec: boundTo(pod.spec, node) });
    recorder.event(set, "Normal", "SuccessfulCreate", `Created pod: ${made.metadata.name}`);
  } catch (error) {
    recorder.event(set, "Warning", "FailedCreate", `Error creating: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  }
}

/** The template's spec with the daemon's tolerations, and with a node affinity for this node alone. */
function boundTo(spec: PodSpec, node: string): PodSpec {
  const name: NodeSelectorTerm = { matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] };
  const nodeAffinity = { ...spec.affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [name] } };
  const own = spec.tolerations ?? [];
  const added = TOLERATIONS.filter((each) => !own.some(({ key, effect }) => key === each.key && effect === each.effect));
  return { ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations: [...own, ...added] };
}

async function deletePod(store: Store, recorder: EventRecorder, set: DaemonSet, { metadata }: Pod): Promise<void> {
  try {
    await store.delete(Pods, metadata.namespace ?? "", metadata.name, { preconditions: { uid: metadata.uid ?? "" } });
    recorder.event(set, "Normal", "SuccessfulDelete", `Deleted pod: ${metadata.name}`);
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}

function statusOf(set: DaemonSet, places: readonly Place[], hash: string, isAvailable: (pod: Pod) => boolean): DaemonSetStatus {
  const count = (matches: (place: Place) => boolean): number => places.filter(matches).length;
  const newest = ({ pods }: Place): Pod | undefined =>
    pods
      .filter((pod) => !isTerminating(pod))
      .toSorted(byAge)
      .at(-1);
  const has = (test: (pod: Pod) => boolean) => (place: Place) => place.wanted && place.pods.some(test);
  const total = desired(places);
  const updated = count((place) => place.wanted && newest(place)?.metadata.labels?.[REVISION_LABEL] === hash);
  const available = count(has(isAvailable));
  return {
    currentNumberScheduled: count(has(() => true)),
    numberMisscheduled: count(({ wanted, pods }) => !wanted && pods.length > 0),
    desiredNumberScheduled: total,
    numberReady: count(has(isPodReady)),
    observedGeneration: set.metadata.generation ?? 0,
    ...counts({ updatedNumberScheduled: updated, numberAvailable: available, numberUnavailable: total - available }),
  };
}

async function writeStatus(store: Store, set: DaemonSet, status: DaemonSetStatus): Promise<void> {
  const present = store.get(DaemonSets, namespaceOf(set), set.metadata.name);
  if (!present || present.metadata.uid !== set.metadata.uid || equalJson(present.status, status)) return;
  await store.update(DaemonSets, { ...present, status }, { subresource: "status" });
}
