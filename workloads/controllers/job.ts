// The Job controller: pods that run to their end, until enough have succeeded or too many have failed.
// Upstream: pkg/controller/job/job_controller.go. Left out: pod failure and success policies, back-off per index, and the tracking
// finalizer: a pod that somebody deletes before its Job is done is not counted.
import { timestamp, type Clock } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import type { Job, JobCondition, JobStatus } from "../../model/kinds/batch-v1.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { controllerOf, equalJson, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Jobs, Pods } from "../../model/resources.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { claim } from "./adoption.ts";
import { counts } from "./counts.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { indexesText, indexesToStart, indexOf, isIndexed, podOfJob } from "./job-pods.ts";
import { isPodActive, isPodReady } from "./pod-conditions.ts";

const FIRST_BACK_OFF_MS = 10_000;
const LAST_BACK_OFF_MS = 600_000;

/** A Job and its pods, sorted by how far they are. */
interface World {
  readonly job: Job;
  readonly active: readonly Pod[];
  readonly terminating: readonly Pod[];
  readonly succeeded: readonly Pod[];
  readonly failed: readonly Pod[];
}

/** Runs every Job's pods, and deletes finished Jobs whose time has come. */
export function createJobController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "job-controller" });
  return createController({
    name: "job",
    store,
    clock,
    watches: [on(Jobs, (job) => [keyOf(job)]), on(Pods, ownersOf)],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const job = store.get(Jobs, namespace, name);
      if (!job || job.metadata.deletionTimestamp !== undefined) return;
      if (isFinished(job)) return afterTheEnd(store, clock, job);
      const started = job.status?.startTime === undefined && !job.spec.suspend ? await start(store, clock, job) : job;
      const world = await worldOf(store, started);
      const verdict = verdictOf(world, clock.now());
      if (verdict) return finish(store, clock, recorder, world, verdict);
      const requeueAfterMs = await manage(store, clock, recorder, world);
      await writeStatus(store, started, statusOf(await worldOf(store, started), suspension(started, clock, recorder)));
      const deadline = untilDeadline(started, clock.now());
      const waits = [requeueAfterMs, deadline].filter((wait) => wait !== undefined);
      return waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : undefined;
    },
  });
}

function ownersOf(pod: Pod): readonly string[] {
  const controller = controllerOf(pod);
  return controller?.kind === "Job" ? [objectKey(namespaceOf(pod), controller.name)] : [];
}

const condition = (job: Job, type: string): JobCondition | undefined =>
  job.status?.conditions?.find((each) => each.type === type && each.status === "True");

/** Complete or Failed. */
export const isFinished = (job: Job): boolean => condition(job, "Complete") !== undefined || condition(job, "Failed") !== undefined;

async function worldOf(store: Store, job: Job): Promise<World> {
  const pods = await claim({ store, type: Pods, owner: job, matches: compileLabelSelector(job.spec.selector) });
  return {
    job,
    active: pods.filter(isPodActive),
    terminating: pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !hasEnded(pod)),
    succeeded: pods.filter((pod) => pod.status?.phase === "Succeeded"),
    failed: pods.filter((pod) => pod.status?.phase === "Failed"),
  };
}

const hasEnded = ({ status }: Pod): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

/** The indexes that have succeeded, of an Indexed Job. */
const doneIndexes = ({ job, succeeded }: World): ReadonlySet<number> =>
  new Set(isIndexed(job) ? succeeded.flatMap((pod) => indexOf(pod) ?? []).filter((index) => index < (job.spec.completions ?? 0)) : []);

const countDone = (world: World): number => (isIndexed(world.job) ? doneIndexes(world).size : world.succeeded.length);

async function start(store: Store, clock: Clock, job: Job): Promise<Job> {
  return store.update(Jobs, { ...job, status: { ...job.status, startTime: timestamp(clock) } }, { subresource: "status" });
}

interface Verdict {
  readonly type: "Complete" | "Failed";
  readonly reason: string;
  readonly message: string;
}

/** Why the Job is over; undefined while it is not. */
function verdictOf(world: World, nowMs: number): Verdict | undefined {
  const { job, active, failed } = world;
  const { completions, backoffLimit = 6 } = job.spec;
  const restarts = job.spec.template.spec?.restartPolicy === "OnFailure" ? sumOf(active, restartsOf) : 0;
  if (
    failed.length > backoffLimit ||
    (restarts > 0 && restarts >= backoffLimit && backoffLimit > 0) ||
    (restarts > 0 && backoffLimit === 0)
  ) {
    return { type: "Failed", reason: "BackoffLimitExceeded", message: "Job has reached the specified backoff limit" };
  }
  const deadline = untilDeadline(job, nowMs);
  if (deadline !== undefined && deadline <= 0)
    return { type: "Failed", reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" };
  const done = countDone(world);
  const complete = completions === undefined ? done > 0 && active.length === 0 : done >= completions;
  if (!complete) return undefined;
  return { type: "Complete", reason: "CompletionsReached", message: "Reached expected number of succeeded pods" };
}

const sumOf = <T>(items: readonly T[], value: (item: T) => number): number => items.reduce((sum, item) => sum + value(item), 0);
const restartsOf = (pod: Pod): number => sumOf(pod.status?.containerStatuses ?? [], (status) => status.restartCount);

function untilDeadline({ spec, status }: Job, nowMs: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || status?.startTime === undefined || spec.suspend) return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - nowMs;
}

/** Ends what still runs, and says how the Job ended. */
async function finish(
  store: Store,
  clock: Clock,
  recorder: EventRecorder,
  world: World,
  { type, reason, message }: Verdict,
): Promise<void> {
  const { job } = world;
  for (const pod of world.active) await deletePod(store, recorder, job, pod);
  const at = { status: "True", lastProbeTime: timestamp(clock), lastTransitionTime: timestamp(clock), reason, message } as const;
  const before: JobCondition = { type: type === "Complete" ? "SuccessCriteriaMet" : "FailureTarget", ...at };
  const after = await worldOf(store, job);
  const killed = type === "Failed" ? world.active.length : 0;
  await writeStatus(store, job, {
    ...statusOf({ ...after, active: [] }, [...(job.status?.conditions ?? []), before, { type, ...at }]),
    ...(after.failed.length + killed > 0 ? { failed: Math.max(after.failed.length, world.failed.length + killed) } : {}),
    ...(type === "Complete" ? { completionTime: timestamp(clock) } : {}),
  });
  if (type === "Complete") recorder.event(job, "Normal", "Completed", "Job completed");
  else recorder.event(job, "Warning", reason, message);
}

/** A finished Job goes when its ttlSecondsAfterFinished has passed. */
async function afterTheEnd(store: Store, clock: Clock, job: Job): Promise<{ readonly requeueAfterMs: number } | undefined> {
  const ttl = job.spec.ttlSecondsAfterFinished;
  const ended = (condition(job, "Complete") ?? condition(job, "Failed"))?.lastTransitionTime;
  if (ttl === undefined || ended === undefined) return undefined;
  const left = Date.parse(ended) + ttl * 1000 - clock.now();
  if (left > 0) return { requeueAfterMs: left };
  await store.delete(Jobs, namespaceOf(job), job.metadata.name, { propagationPolicy: "Foreground" });
  return undefined;
}

/** Starts and ends pods; returns when a back-off is over, if one holds it. */
async function manage(store: Store, clock: Clock, recorder: EventRecorder, world: World): Promise<number | undefined> {
  const { job, active, terminating, failed } = world;
  const { parallelism = 1, completions } = job.spec;
  const left = completions === undefined ? (countDone(world) > 0 ? active.length : parallelism) : completions - countDone(world);
  const wanted = job.spec.suspend ? 0 : Math.min(parallelism, left);
  const surplus = active.length - wanted;
  if (surplus > 0) {
    const victims = active.toSorted((a, b) => Number(isPodReady(a)) - Number(isPodReady(b))).slice(0, surplus);
    for (const pod of victims) await deletePod(store, recorder, job, pod);
    return undefined;
  }
  const replaceLate = job.spec.podReplacementPolicy === "Failed" ? terminating.length : 0;
  const missing = -surplus - replaceLate;
  if (missing <= 0) return undefined;
  const wait = backOffMs(failed, clock.now());
  if (wait > 0) return wait;
  const taken = new Set([...doneIndexes(world), ...active.flatMap((pod) => indexOf(pod) ?? [])]);
  const indexes = isIndexed(job) ? indexesToStart(job, taken, missing) : Array.from({ length: missing }, () => undefined);
  for (const index of indexes) {
    const made = await store.create(Pods, podOfJob(job, index));
    recorder.event(job, "Normal", "SuccessfulCreate", `Created pod: ${made.metadata.name}`);
  }
  return undefined;
}

/** How long the next pod has to wait after the last failure: 10 s, twice as long each time. */
function backOffMs(failed: readonly Pod[], nowMs: number): number {
  if (failed.length === 0) return 0;
  const ended = failed.map((pod) =>
    Math.max(0, ...(pod.status?.containerStatuses ?? []).map((each) => Date.parse(each.state?.terminated?.finishedAt ?? ""))),
  );
  const last = Math.max(...ended.filter((at) => !Number.isNaN(at)), 0);
  return last + Math.min(LAST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failed.length - 1)) - nowMs;
}

async function deletePod(store: Store, recorder: EventRecorder, job: Job, { metadata }: Pod): Promise<void> {
  try {
    await store.delete(Pods, metadata.namespace ?? "", metadata.name, { preconditions: { uid: metadata.uid ?? "" } });
    recorder.event(job, "Normal", "SuccessfulDelete", `Deleted pod: ${metadata.name}`);
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}

/** The conditions with Suspended as the spec says; telling it when it changes. */
function suspension(job: Job, clock: Clock, recorder: EventRecorder): readonly JobCondition[] {
  const conditions = job.status?.conditions ?? [];
  const old = conditions.find(({ type }) => type === "Suspended");
  const suspended = job.spec.suspend ?? false;
  if ((old?.status === "True") === suspended) return conditions;
  const [reason, message] = suspended ? ["JobSuspended", "Job suspended"] : ["JobResumed", "Job resumed"];
  recorder.event(job, "Normal", suspended ? "Suspended" : "Resumed", message);
  const at = { lastProbeTime: timestamp(clock), lastTransitionTime: timestamp(clock) };
  const made: JobCondition = { type: "Suspended", status: suspended ? "True" : "False", ...at, reason, message };
  return [...conditions.filter((each) => each !== old), made];
}

function statusOf(world: World, conditions: readonly JobCondition[]): JobStatus {
  const { job, active, terminating, failed } = world;
  const { startTime } = job.status ?? {};
  const done = countDone(world);
  return {
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(startTime === undefined || job.spec.suspend ? {} : { startTime }),
    ...counts({ active: active.length, succeeded: done, failed: failed.length }),
    ...(isIndexed(job) && done > 0 ? { completedIndexes: indexesText(doneIndexes(world)) } : {}),
    uncountedTerminatedPods: {},
    terminating: terminating.length,
    ready: active.filter(isPodReady).length,
  };
}

async function writeStatus(store: Store, job: Job, status: JobStatus): Promise<void> {
  const present = store.get(Jobs, namespaceOf(job), job.metadata.name);
  if (!present || present.metadata.uid !== job.metadata.uid || equalJson(present.status, status)) return;
  await store.update(Jobs, { ...present, status }, { subresource: "status" });
}
