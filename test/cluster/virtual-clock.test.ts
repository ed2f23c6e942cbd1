// A cluster whose time the test moves: the API, which judges certificates by the machine's time, still answers.
import t from "tap";
import { resources, startCluster, VirtualClock } from "../../cluster/index.ts";

t.test("objects are applied, and an hour passes when the test says so", async (t) => {
  const clock = new VirtualClock(Date.parse("2031-05-01T00:00:30Z"));
  await using cluster = await startCluster({ clock, seed: "virtual", nodes: 2 });
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "busybox", command: ["date"] }] } };
  const applied = await cluster.apply([
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", labels: { app: "web" } },
      spec: { containers: [{ name: "c", image: "nginx", ports: [{ containerPort: 80 }] }] },
    },
    { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { selector: { app: "web" }, ports: [{ port: 80 }] } },
    {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "tick" },
      spec: { schedule: "*/20 * * * *", jobTemplate: { spec: { template } } },
    },
  ]);
  t.strictSame(
    applied.map(({ name }) => name),
    ["pod/web", "service/web", "cronjob.batch/tick"],
  );
  await cluster.settle();
  t.equal(cluster.store.get(resources.Pods, "default", "web")?.status?.phase, "Running");
  t.equal((await cluster.fetch("http://web/")).status, 200);
  for (let minute = 0; minute < 60; minute++) {
    await clock.advance(60_000);
    await cluster.settle();
  }
  t.strictSame(
    cluster.store.list(resources.Jobs).map(({ metadata, status }) => [metadata.name, status?.succeeded]),
    [0, 20, 40, 60].slice(1).map((minute) => [`tick-${Date.parse("2031-05-01T00:00:00Z") / 60_000 + minute}`, 1]),
  );
});
