// The CronJob controller: a Job each time its schedule is due, and not more old ones than it wants to keep.
// Upstream: pkg/controller/cronjob/cronjob_controllerv2.go.
import { isStatus } from "../../model/errors.ts";
import type { CronJob, CronJobStatus, Job } from "../../model/kinds/batch-v1.ts";
import { controllerOf, equalJson, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { CronJobs, Jobs } from "../../model/resources.ts";
import { nextCron, parseCron, type CronSchedule } from "../../model/schema/cron.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { controllerReference } from "./adoption.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { isFinished } from "./job.ts";

const SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp";
const MINUTE_MS = 60_000;
/** With more missed times than this, upstream warns that the clock may be wrong. */
const TOO_MANY_MISSED = 100;

/** Makes Jobs on time. */
export function createCronJobController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "cronjob-controller" });
  return createController({
    name: "cronjob",
    store,
    clock,
    watches: [on(CronJobs, (cron) => [keyOf(cron)]), on(Jobs, ownersOf)],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const cron = store.get(CronJobs, namespace, name);
      if (!cron || cron.metadata.deletionTimestamp !== undefined) return;
      const jobs = store.list(Jobs, { namespace }).filter((job) => controllerOf(job)?.uid === cron.metadata.uid);
      let status = noteFinished(recorder, cron, jobs);
      await deleteOld(store, recorder, cron, jobs);
      const schedule = parseCron(cron.spec.schedule);
      if (typeof schedule === "string" || cron.spec.suspend) return writeStatus(store, cron, status);
      const due = dueTime(cron, schedule, clock.now());
      if (due.at !== undefined) status = await run(store, recorder, cron, status, jobs, due.at, due.missed);
      await writeStatus(store, cron, status);
      const next = nextCron(schedule, clock.now(), cron.spec.timeZone);
      return next === undefined ? undefined : { requeueAfterMs: next - clock.now() };
    },
  });
}

function ownersOf(job: Job): readonly string[] {
  const controller = controllerOf(job);
  return controller?.kind === "CronJob" ? [objectKey(namespaceOf(job), controller.name)] : [];
}

/** The last time that has passed without a Job, and how many there were. */
function dueTime(
  { metadata, spec, status }: CronJob,
  schedule: CronSchedule,
  nowMs: number,
): { readonly at?: number; readonly missed: number } {
  const since = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? "");
  const earliest = spec.startingDeadlineSeconds === undefined ? since : Math.max(since, nowMs - spec.startingDeadlineSeconds * 1000);
  let [at, missed]: [number | undefined, number] = [undefined, 0];
  for (let time = nextCron(schedule, earliest, spec.timeZone); time !== undefined && time <= nowMs; missed++) {
    at = time;
    time = nextCron(schedule, time, spec.timeZone);
  }
  return { ...(at === undefined ? {} : { at }), missed };
}

/** The status without the Jobs that are over, each of which is told. */
function noteFinished(recorder: EventRecorder, cron: CronJob, jobs: readonly Job[]): CronJobStatus {
  const { active = [], ...rest } = cron.status ?? {};
  let { lastSuccessfulTime } = rest;
  const left = active.filter(({ uid, name }) => {
    const job = jobs.find((each) => each.metadata.uid === uid);
    if (!job) {
      recorder.event(cron, "Normal", "MissingJob", `Active job went missing: ${name}`);
      return false;
    }
    if (!isFinished(job)) return true;
    const complete = job.status?.conditions?.some(({ type }) => type === "Complete") ?? false;
    recorder.event(cron, "Normal", "SawCompletedJob", `Saw completed job: ${name}, condition: ${complete ? "Complete" : "Failed"}`);
    const ended = complete ? job.status?.completionTime : undefined;
    if (ended !== undefined && ended > (lastSuccessfulTime ?? "")) lastSuccessfulTime = ended;
    return false;
  });
  return { ...rest, ...(left.length > 0 ? { active: left } : {}), ...(lastSuccessfulTime === undefined ? {} : { lastSuccessfulTime }) };
}

/** Finished Jobs beyond the history limits go, oldest first. */
async function deleteOld(store: Store, recorder: EventRecorder, cron: CronJob, jobs: readonly Job[]): Promise<void> {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cron.spec;
  const of = (type: string): readonly Job[] =>
    jobs
      .filter((job) => job.status?.conditions?.some((each) => each.type === type && each.status === "True"))
      .toSorted((a, b) => ((a.status?.startTime ?? "") < (b.status?.startTime ?? "") ? -1 : 1));
  const surplus = (list: readonly Job[], limit: number): readonly Job[] => list.slice(0, Math.max(0, list.length - limit));
  for (const job of [...surplus(of("Complete"), successfulJobsHistoryLimit), ...surplus(of("Failed"), failedJobsHistoryLimit)])
    await deleteJob(store, recorder, cron, job);
}

async function deleteJob(store: Store, recorder: EventRecorder, cron: CronJob, { metadata }: Job): Promise<void> {
  try {
    await store.delete(Jobs, metadata.namespace ?? "", metadata.name, { propagationPolicy: "Background" });
    recorder.event(cron, "Normal", "SuccessfulDelete", `Deleted job ${metadata.name}`);
  } catch (error) {
    if (!isStatus(error, "NotFound")) throw error;
  }
}

/** Makes the Job that is due, as far as others that run allow it. */
async function run(
  store: Store,
  recorder: EventRecorder,
  cron: CronJob,
  status: CronJobStatus,
  jobs: readonly Job[],
  at: number,
  missed: number,
): Promise<CronJobStatus> {
  if (missed > TOO_MANY_MISSED) {
    const advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew";
    recorder.event(cron, "Warning", "TooManyMissedTimes", `too many missed start times: ${missed}. ${advice}`);
  }
  let active = status.active ?? [];
  if (active.length > 0 && cron.spec.concurrencyPolicy === "Forbid") {
    recorder.event(
      cron,
      "Normal",
      "JobAlreadyActive",
      `Not starting job because prior execution is running and concurrency policy is Forbid`,
    );
    return status;
  }
  if (cron.spec.concurrencyPolicy === "Replace") {
    for (const job of jobs.filter(({ metadata }) => active.some(({ uid }) => uid === metadata.uid)))
      await deleteJob(store, recorder, cron, job);
    active = [];
  }
  const lastScheduleTime = new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
  const made = await create(store, cron, at, lastScheduleTime);
  if (!made) return { ...status, lastScheduleTime };
  recorder.event(cron, "Normal", "SuccessfulCreate", `Created job ${made.metadata.name}`);
  const { name, namespace = "", uid = "", resourceVersion = "" } = made.metadata;
  return {
    ...status,
    active: [...active, { apiVersion: "batch/v1", kind: "Job", name, namespace, uid, resourceVersion }],
    lastScheduleTime,
  };
}

async function create(store: Store, cron: CronJob, at: number, scheduled: string): Promise<Job | undefined> {
  const { metadata, spec } = cron.spec.jobTemplate;
  try {
    return await store.create(Jobs, {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: {
        name: `${cron.metadata.name}-${at / MINUTE_MS}`,
        namespace: namespaceOf(cron),
        ...(metadata?.labels ? { labels: metadata.labels } : {}),
        annotations: { ...metadata?.annotations, [SCHEDULED_AT]: scheduled },
        ownerReferences: [controllerReference(cron)],
      },
      spec,
    });
  } catch (error) {
    if (isStatus(error, "AlreadyExists")) return undefined;
    throw error;
  }
}

async function writeStatus(store: Store, cron: CronJob, status: CronJobStatus): Promise<void> {
  const present = store.get(CronJobs, namespaceOf(cron), cron.metadata.name);
  if (!present || present.metadata.uid !== cron.metadata.uid || equalJson(present.status ?? {}, status)) return;
  await store.update(CronJobs, { ...present, status }, { subresource: "status" });
}
