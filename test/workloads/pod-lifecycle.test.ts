import t from "tap";
import { Pods } from "../../model/resources.ts";
import { container, eventLines, pod, podLines, testCluster } from "./support.ts";

t.test("a pod is scheduled, gets an address, runs, is asked to stop and goes", async (t) => {
  const { store, fabric, host } = await testCluster(t);
  await store.create(Pods, pod("a"));
  await store.settle();
  const running = store.get(Pods, "default", "a");
  t.equal(podLines(store), "a Running 1/1 0");
  t.equal(running?.spec.nodeName, "loopkube-worker");
  t.match(running?.status?.podIP, /^127\.\d+\.1\.2$/);
  t.same(
    running?.status?.conditions?.map((condition) => `${condition.type}=${condition.status}`),
    ["PodReadyToStartContainers=True", "Initialized=True", "Ready=True", "ContainersReady=True", "PodScheduled=True"],
  );
  t.same(eventLines(store, "a"), [
    "Normal Scheduled x1 Successfully assigned default/a to loopkube-worker",
    'Normal Pulling x1 Pulling image "web"',
    'Normal Pulled x1 Successfully pulled image "web" in 0s (0s including waiting). Image size: 0 bytes.',
    "Normal Created x1 Created container: main",
    "Normal Started x1 Started container main",
  ]);
  const connection = await fabric.dial(host, { ip: running?.status?.podIP ?? "", port: 80 });
  connection.destroy();
  await store.delete(Pods, "default", "a");
  await store.settle();
  t.equal(store.get(Pods, "default", "a"), undefined);
  t.match(eventLines(store, "a").at(-1), "Normal Killing x1 Stopping container main");
});

t.test("a program that does not listen to SIGTERM is killed after its grace period", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(Pods, pod("s", { containers: [container("stubborn")], terminationGracePeriodSeconds: 7 }));
  await store.settle();
  await store.delete(Pods, "default", "s");
  await store.settle();
  t.equal(podLines(store), "s Terminating 1/1 0");
  await clock.advance(6000);
  await store.settle();
  t.equal(podLines(store), "s Terminating 1/1 0");
  await clock.advance(1001);
  await store.settle();
  t.equal(podLines(store), "");
});

t.test("a crashing container waits ever longer before it restarts", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(Pods, pod("c", { containers: [container("crash")] }));
  await store.settle();
  const status = (): unknown => store.get(Pods, "default", "c")?.status?.containerStatuses?.[0];
  t.match(status(), {
    restartCount: 1,
    state: { waiting: { reason: "CrashLoopBackOff", message: /^back-off 10s restarting failed container=main pod=c_default\(/ } },
    lastState: { terminated: { exitCode: 1, reason: "Error" } },
  });
  await clock.advance(9_000);
  await store.settle();
  t.match(status(), { restartCount: 1 });
  await clock.advance(1_000);
  await store.settle();
  t.match(status(), { restartCount: 2, state: { waiting: { message: /^back-off 20s/ } } });
});

t.test("restartPolicy decides what becomes of a pod whose program ends", async (t) => {
  const { store } = await testCluster(t);
  const rows = [
    ["never-0", "Never", "0", "never-0 Succeeded 0/1 0"],
    ["never-3", "Never", "3", "never-3 Failed 0/1 0"],
    ["onfailure-0", "OnFailure", "0", "onfailure-0 Succeeded 0/1 0"],
    ["onfailure-3", "OnFailure", "3", "onfailure-3 Running 0/1 1"],
  ] as const;
  for (const [name, restartPolicy, code] of rows) {
    await store.create(Pods, pod(name, { restartPolicy, containers: [container("exit", { command: [code] })] }));
  }
  await store.settle();
  t.equal(podLines(store), rows.map(([, , , line]) => line).join("\n"));
});

t.test("preStop runs before SIGTERM, within the grace period; a shorter grace hurries", async (t) => {
  const { store, clock } = await testCluster(t);
  const preStop = { sleep: { seconds: 4 } };
  await store.create(Pods, pod("a", { containers: [container("web", { lifecycle: { preStop } })] }));
  await store.create(Pods, pod("b", { containers: [container("stubborn")] }));
  await store.settle();
  await store.delete(Pods, "default", "a");
  await store.delete(Pods, "default", "b");
  await store.settle();
  await clock.advance(3000);
  await store.settle();
  t.equal(podLines(store), "a Terminating 1/1 0\nb Terminating 1/1 0");
  await clock.advance(1001);
  await store.settle();
  t.equal(podLines(store), "b Terminating 1/1 0", "a had its four seconds");
  await store.delete(Pods, "default", "b", { gracePeriodSeconds: 1 });
  await store.settle();
  await clock.advance(1001);
  await store.settle();
  t.equal(podLines(store), "");
});

t.test("a pod deleted by force is gone at once, its address is refused soon after", async (t) => {
  const { store, clock, fabric, host } = await testCluster(t);
  await store.create(Pods, pod("f"));
  await store.settle();
  const ip = store.get(Pods, "default", "f")?.status?.podIP ?? "";
  await store.delete(Pods, "default", "f", { gracePeriodSeconds: 0 });
  t.equal(podLines(store), "");
  await store.settle();
  await clock.advance(1001);
  await store.settle();
  await t.rejects(fabric.dial(host, { ip, port: 80 }), { code: "ECONNREFUSED" });
});

t.test("activeDeadlineSeconds fails the pod; a pod on a node that is not there is given up", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(Pods, pod("d", { activeDeadlineSeconds: 20 }));
  await store.create(Pods, pod("o", { nodeName: "nowhere" }));
  await store.settle();
  t.equal(podLines(store), "d Running 1/1 0\no Pending 0/1 0");
  await clock.advance(20_001);
  await store.settle();
  t.match(store.get(Pods, "default", "d")?.status, {
    phase: "Failed",
    reason: "DeadlineExceeded",
    message: "Pod was active on the node longer than the specified deadline",
  });
  await clock.advance(20_001);
  await store.settle();
  t.equal(podLines(store), "d Failed 0/1 0");
});
