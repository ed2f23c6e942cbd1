// What happens to programs of process pods that are killed, or whose cluster is.
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { realClock, sleep } from "../../model/clock.ts";
import type { Image } from "../../model/ports.ts";
import { Pods } from "../../model/resources.ts";
import { eventually } from "../support/until.ts";
import { container, eventLines, pod, testCluster } from "./support.ts";

const linux = process.platform === "linux" ? {} : { skip: "reads /proc" };

/** True while a process that has not been buried runs. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

t.test("a program killed from outside is restarted, and backs off when it happens again", linux, async (t) => {
  const image: Image = { runtime: "process", command: ["sh", "-c", "sleep 1000 & echo $$ $!; wait"] };
  const { store, workloads } = await testCluster(t, { clock: realClock, images: [new Map([["mine/app:1", image]])] });
  await store.create(Pods, pod("p", { containers: [container("mine/app:1")], terminationGracePeriodSeconds: 1 }));
  const pids = async (): Promise<readonly number[]> => {
    const running = await eventually("running", () => store.list(Pods).find((item) => item.status?.containerStatuses?.[0]?.state?.running));
    for (;;) {
      let text = "";
      const options = { follow: false, previous: false, timestamps: false, signal: new AbortController().signal };
      for await (const chunk of workloads.streams.logs(running, "main", options)) text += chunk;
      if (text.endsWith("\n")) return text.trim().split(" ").map(Number);
      await sleep(realClock, 10);
    }
  };
  const status = (): unknown => store.get(Pods, "default", "p")?.status?.containerStatuses?.[0];
  const first = await pids();
  process.kill(first[0] ?? 0, "SIGKILL");
  await eventually("one restart", () =>
    store.get(Pods, "default", "p")?.status?.containerStatuses?.[0]?.restartCount === 1 ? true : undefined,
  );
  t.match(status(), { lastState: { terminated: { exitCode: 137, signal: 9, reason: "Error" } } });
  await eventually("the end of what it had started", () => (first.some(alive) ? undefined : true));
  const second = await pids();
  process.kill(second[0] ?? 0, "SIGKILL");
  await eventually("back-off", () => eventLines(store, "p").find((line) => line.startsWith("Warning BackOff")));
  t.match(status(), { state: { waiting: { reason: "CrashLoopBackOff" } }, restartCount: 1 });
});

t.test("nothing outlives a cluster that is killed", linux, async (t) => {
  const cluster = fork(join(import.meta.dirname, "orphaning-cluster.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  t.teardown(() => void cluster.kill("SIGKILL"));
  const [{ pids, folder }] = (await once(cluster, "message")) as [{ readonly pids: readonly number[]; readonly folder: string }];
  t.equal(pids.length, 2);
  t.ok(pids.every(alive) && existsSync(folder));
  cluster.kill("SIGKILL");
  await once(cluster, "exit");
  await eventually("the end of its programs", () => (pids.some(alive) ? undefined : true));
  await eventually("the end of their files", () => (existsSync(folder) ? undefined : true));
});
