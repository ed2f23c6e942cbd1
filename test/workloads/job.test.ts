// Jobs and CronJobs: pods that run to their end. Source: the Job and CronJob pages, kubernetes test/e2e/apps/{job,cronjob}.go.
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import type { CronJob, Job, JobSpec } from "../../model/kinds/batch-v1.ts";
import { CronJobs, Jobs, Pods } from "../../model/resources.ts";
import type { Store } from "../../store/index.ts";
import { container, eventLines, pass, podLines, testCluster } from "./support.ts";

type Restart = "Never" | "OnFailure";

function job(name: string, args: readonly string[], more: Partial<JobSpec> = {}, restartPolicy: Restart = "Never"): Job {
  const containers = [container("exit", { args })];
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace: "default" },
    spec: { template: { metadata: {}, spec: { restartPolicy, containers } }, ...more },
  };
}
const sleeping = (name: string, more: Partial<JobSpec> = {}): Job => {
  const containers = [container("tool", { args: ["sleep", "infinity"] })];
  return job(name, [], {
    template: { metadata: {}, spec: { restartPolicy: "Never", terminationGracePeriodSeconds: 0, containers } },
    ...more,
  });
};
const conditions = (store: Store, name: string): readonly string[] =>
  (store.get(Jobs, "default", name)?.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
const phases = (store: Store): string =>
  store
    .list(Pods)
    .map((pod) => pod.status?.phase)
    .toSorted()
    .join(" ");

t.test("completions and parallelism", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, job("work", ["0"], { completions: 5, parallelism: 2 }));
  await pass(made, 2);
  t.equal(store.list(Pods).length, 5);
  t.match(store.get(Jobs, "default", "work")?.status, { succeeded: 5, ready: 0, terminating: 0 });
  t.same(conditions(store, "work"), ["SuccessCriteriaMet=True CompletionsReached", "Complete=True CompletionsReached"]);
  const uid = store.get(Jobs, "default", "work")?.metadata.uid;
  t.match(store.list(Pods)[0]?.metadata.labels, { "batch.kubernetes.io/job-name": "work", "job-name": "work", "controller-uid": uid });
  t.same(store.get(Jobs, "default", "work")?.spec.selector, { matchLabels: { "batch.kubernetes.io/controller-uid": uid } });
  t.equal(eventLines(store, "work").at(-1), "Normal Completed x1 Job completed");
});

t.test("never more than parallelism at once", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, sleeping("slow", { completions: 5, parallelism: 2 }));
  await pass(made, 2);
  t.equal(phases(store), "Running Running");
  await store.mutate(Jobs, "default", "slow", (edited) => void (edited.spec.parallelism = 3));
  await pass(made, 2);
  t.equal(phases(store), "Running Running Running");
  await store.mutate(Jobs, "default", "slow", (edited) => void (edited.spec.suspend = true));
  await pass(made, 2);
  t.equal(phases(store), "");
  t.same(conditions(store, "slow"), ["Suspended=True JobSuspended"]);
  await store.mutate(Jobs, "default", "slow", (edited) => void (edited.spec.suspend = false));
  await pass(made, 2);
  t.equal(phases(store), "Running Running Running");
  t.same(conditions(store, "slow"), ["Suspended=False JobResumed"]);
  t.match(eventLines(store, "slow").join("\n"), /Normal Suspended x1 Job suspended[^]*Normal Resumed x1 Job resumed/);
});

t.test("an Indexed Job does each index once, and tells each pod its own", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, job("each", ["0"], { completions: 4, parallelism: 2, completionMode: "Indexed" }));
  await pass(made, 3);
  t.match(store.get(Jobs, "default", "each")?.status, { succeeded: 4, completedIndexes: "0-3" });
  const pods = store.list(Pods).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  t.same(
    pods.map(({ spec }) => spec.hostname),
    ["each-0", "each-1", "each-2", "each-3"],
  );
  t.match(pods[2]?.metadata.annotations, { "batch.kubernetes.io/job-completion-index": "2" });
  t.match(pods[2]?.spec.containers[0]?.env, [{ name: "JOB_COMPLETION_INDEX" }]);
});

t.test("failures back off and are counted", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, job("bad", ["3"], { backoffLimit: 2 }));
  const counts: number[] = [];
  for (let second = 0; second < 35; second++) {
    await pass(made, 1);
    counts.push(store.list(Pods).length);
  }
  t.same(
    [counts.indexOf(2), counts.indexOf(3)].map((at) => Math.round(at / 10)),
    [1, 3],
    "10 s after the first failure, 20 s after the second",
  );
  t.equal(store.list(Pods).length, 3);
  t.same(conditions(store, "bad"), ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
  t.match(store.get(Jobs, "default", "bad")?.status, { failed: 3 });
  t.equal(eventLines(store, "bad").at(-1), "Warning BackoffLimitExceeded x1 Job has reached the specified backoff limit");
});

t.test("with OnFailure the container is restarted in its pod, which counts too", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, job("again", ["1"], { backoffLimit: 2 }, "OnFailure"));
  await pass(made, 40);
  t.same(conditions(store, "again"), ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
  t.equal(podLines(store), "");
});

t.test("a deadline and a time to live", async (t) => {
  const made = await testCluster(t);
  const { store } = made;
  await store.create(Jobs, sleeping("late", { activeDeadlineSeconds: 3 }));
  await store.create(Jobs, job("brief", ["0"], { ttlSecondsAfterFinished: 5 }));
  await pass(made, 2);
  t.equal(phases(store), "Running Succeeded");
  await pass(made, 2);
  t.same(conditions(store, "late"), ["FailureTarget=True DeadlineExceeded", "Failed=True DeadlineExceeded"]);
  t.match(store.get(Jobs, "default", "brief"), { status: { succeeded: 1 } });
  await pass(made, 4);
  t.equal(store.get(Jobs, "default", "brief"), undefined);
  t.equal(podLines(store), "", "with their pods");
});

function cronJob(more: Partial<CronJob["spec"]> = {}, made: Job = job("", ["0"])): CronJob {
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick", namespace: "default" },
    spec: { schedule: "*/5 * * * *", jobTemplate: { metadata: { name: "" }, spec: made.spec }, ...more },
  };
}
const jobNames = (store: Store): string =>
  store
    .list(Jobs)
    .map((each) => each.metadata.name)
    .join(" ");
/** Minutes since 1970, as Jobs of a CronJob are named by. */
const minutesAt = (time: string): number => Date.parse(time) / 60_000;

t.test("a CronJob makes a Job when it is due, and keeps a few", async (t) => {
  const made = await testCluster(t, { clock: new VirtualClock(Date.parse("2025-01-01T00:03:30Z")) });
  const { store } = made;
  await store.create(CronJobs, cronJob({ successfulJobsHistoryLimit: 2 }));
  await pass(made, 85);
  t.equal(jobNames(store), "");
  await pass(made, 10);
  t.equal(jobNames(store), `tick-${minutesAt("2025-01-01T00:05:00Z")}`);
  t.match(store.get(CronJobs, "default", "tick")?.status, {
    lastScheduleTime: "2025-01-01T00:05:00Z",
    lastSuccessfulTime: /^2025-01-01T00:05/,
  });
  t.match(eventLines(store, "tick"), [
    /Normal SuccessfulCreate x1 Created job tick-\d+/,
    /Normal SawCompletedJob x1 Saw completed job: tick-\d+, condition: Complete/,
  ]);
  await pass(made, 15 * 60);
  t.equal(jobNames(store), ["00:15", "00:20"].map((time) => `tick-${minutesAt(`2025-01-01T${time}:00Z`)}`).join(" "));
  await store.mutate(CronJobs, "default", "tick", (edited) => void (edited.spec.suspend = true));
  await pass(made, 600);
  t.equal(jobNames(store).split(" ").length, 2, "suspended");
});

t.test("what runs when the next is due", async (t) => {
  const rows = [
    ["Allow", 2],
    ["Forbid", 1],
    ["Replace", 1],
  ] as const;
  for (const [concurrencyPolicy, running] of rows) {
    const made = await testCluster(t, { clock: new VirtualClock(Date.parse("2025-01-01T00:04:00Z")) });
    const { store } = made;
    await store.create(CronJobs, cronJob({ schedule: "*/5 * * * *", concurrencyPolicy }, sleeping("")));
    await pass(made, 65);
    const [first] = store.list(Jobs);
    await pass(made, 300);
    t.equal(store.list(Jobs).length, running, concurrencyPolicy);
    t.equal(store.get(Jobs, "default", first?.metadata.name ?? "") !== undefined, concurrencyPolicy !== "Replace");
    t.equal(store.get(CronJobs, "default", "tick")?.status?.active?.length, running);
    if (concurrencyPolicy === "Forbid") t.match(eventLines(store, "tick").join("\n"), /JobAlreadyActive/);
  }
});
