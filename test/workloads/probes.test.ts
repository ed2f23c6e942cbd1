import t from "tap";
import { Pods } from "../../model/resources.ts";
import { answers, container, eventLines, pod, podLines, testCluster } from "./support.ts";

const http = { httpGet: { path: "/healthz", port: 80 }, periodSeconds: 5 };
const ports = [{ containerPort: 80 }];

t.beforeEach(() => answers.clear());

t.test("a readiness probe decides Ready, a failed one is told and does no more", async (t) => {
  const { store, clock } = await testCluster(t);
  answers.set("/healthz", 500);
  await store.create(Pods, pod("p", { containers: [container("web", { ports, readinessProbe: http })] }));
  await store.settle();
  t.equal(podLines(store), "p Running 0/1 0");
  t.match(eventLines(store, "p").at(-1), "Warning Unhealthy x1 Readiness probe failed: HTTP probe failed with statuscode: 500");
  answers.set("/healthz", 200);
  await clock.advance(5000);
  await store.settle();
  t.equal(podLines(store), "p Running 1/1 0");
  answers.set("/healthz", 404);
  for (let tries = 0; tries < 2; tries++) {
    await clock.advance(5000);
    await store.settle();
  }
  t.equal(podLines(store), "p Running 1/1 0", "two failures are below the threshold of three");
  await clock.advance(5000);
  await store.settle();
  t.equal(podLines(store), "p Running 0/1 0");
});

t.test("a liveness probe restarts the container after failureThreshold failures", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(Pods, pod("l", { containers: [container("web", { ports, livenessProbe: { ...http, failureThreshold: 2 } })] }));
  await store.settle();
  answers.set("/healthz", 503);
  for (let tries = 0; tries < 2; tries++) {
    await clock.advance(5000);
    await store.settle();
  }
  answers.set("/healthz", 200);
  await store.settle();
  t.equal(podLines(store), "l Running 1/1 1");
  t.ok(eventLines(store, "l").includes("Normal Killing x1 Container main failed liveness probe, will be restarted"));
  t.match(store.get(Pods, "default", "l")?.status?.containerStatuses?.[0]?.lastState?.terminated, { exitCode: 0, reason: "Completed" });
});

t.test("a startup probe holds the others back", async (t) => {
  const { store, clock } = await testCluster(t);
  answers.set("/start", 500);
  const startupProbe = { httpGet: { path: "/start", port: 80 }, periodSeconds: 1, failureThreshold: 30 };
  await store.create(
    Pods,
    pod("s", { containers: [container("web", { ports, startupProbe, livenessProbe: http, readinessProbe: http })] }),
  );
  await store.settle();
  t.match(store.get(Pods, "default", "s")?.status?.containerStatuses?.[0], { started: false, ready: false });
  answers.set("/start", 200);
  await clock.advance(1000);
  await store.settle();
  t.match(store.get(Pods, "default", "s")?.status?.containerStatuses?.[0], { started: true, ready: true });
});

t.test("tcp and exec probes; upstream's words for what went wrong", async (t) => {
  const { store } = await testCluster(t);
  const rows = [
    ["tcp-ok", { tcpSocket: { port: 80 } }, "1/1", undefined],
    [
      "tcp-no",
      { tcpSocket: { port: 81 } },
      "0/1",
      /^Warning Unhealthy x1 Readiness probe failed: dial tcp 127\.\d+\.1\.\d+:81: connect: connection refused$/,
    ],
    [
      "http-no",
      { httpGet: { path: "/", port: 81 } },
      "0/1",
      /^Warning Unhealthy x1 Readiness probe failed: Get "http:\/\/127\.\d+\.1\.\d+:81\/": dial tcp 127\.\d+\.1\.\d+:81: connect: connection refused$/,
    ],
    ["exec-ok", { exec: { command: ["true"] } }, "1/1", undefined],
    [
      "exec-no",
      { exec: { command: ["cat", "/nothing"] } },
      "0/1",
      /^Warning Unhealthy x1 Readiness probe failed: cat: .*\/nothing.*No such file or directory/,
    ],
  ] as const;
  for (const [name, readinessProbe] of rows)
    await store.create(Pods, pod(name, { containers: [container("web", { ports, readinessProbe })] }));
  await store.settle();
  for (const [name, , ready, event] of rows) {
    t.match(
      podLines(store)
        .split("\n")
        .find((line) => line.startsWith(name)),
      `${name} Running ${ready} 0`,
    );
    if (event) t.match(eventLines(store, name).at(-1), event);
  }
});

t.test("a readiness gate waits for its condition", async (t) => {
  const { store } = await testCluster(t);
  await store.create(Pods, pod("g", { readinessGates: [{ conditionType: "example.com/ok" }] }));
  await store.settle();
  const ready = (): unknown => store.get(Pods, "default", "g")?.status?.conditions?.find((condition) => condition.type === "Ready");
  t.match(ready(), {
    status: "False",
    reason: "ReadinessGatesNotReady",
    message: 'corresponding condition of pod readiness gate "example.com/ok" does not exist.',
  });
  const gated = store.get(Pods, "default", "g");
  if (gated) {
    const conditions = [...(gated.status?.conditions ?? []), { type: "example.com/ok", status: "True" }];
    await store.update(Pods, { ...gated, status: { ...gated.status, conditions } }, { subresource: "status" });
  }
  await store.settle();
  t.match(ready(), { status: "True" });
});

t.test("settle does not wait for a probe that waits for time to pass", async (t) => {
  const { store, clock } = await testCluster(t);
  const readinessProbe = { exec: { command: ["sleep", "3"] }, timeoutSeconds: 5 };
  const lifecycle = { postStart: { sleep: { seconds: 2 } } };
  await store.create(Pods, pod("slow", { containers: [container("web", { ports, readinessProbe, lifecycle })] }));
  await store.settle({ timeoutMs: 5000 });
  t.equal(podLines(store), "slow Running 0/1 0", "the hook is under way");
  await clock.advance(2000);
  await store.settle({ timeoutMs: 5000 });
  t.equal(podLines(store), "slow Running 0/1 0", "the probe is under way");
  await clock.advance(3000);
  await store.settle({ timeoutMs: 5000 });
  t.equal(podLines(store), "slow Running 1/1 0");
});
