// A pod's process is killed in the middle of a stream: the client sees the end, the container restarts, the Service follows.
import t from "tap";
import { execFileSync } from "node:child_process";
import { Pods } from "../../model/resources.ts";
import { app, dial, ending, PROCESS_MARK, socketOf, startRobust, textOf } from "./robust-cluster.ts";
import { until } from "../support/until.ts";

/** The pids of the programs that this test's pods run now. */
const programs = (): readonly number[] =>
  execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.endsWith(` ${PROCESS_MARK}`))
    .map((line) => Number(line.trim().split(/\s+/)[0]));

t.test("killed in the middle of a stream", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("proc", "test/line-process"));
  await cluster.ready();
  const at = await socketOf(cluster, "proc");
  const [pid = 0] = programs();
  t.not(pid, 0);

  const streams = await Promise.all([dial(at, "s"), dial(at, "s"), dial(at, "e"), dial(at, "h")]);
  const endings = Promise.all(streams.map(ending));
  await until(() => (streams[0]?.bytesRead ?? 0) > 10e6 && (streams[1]?.bytesRead ?? 0) > 10e6);
  process.kill(pid, "SIGKILL");
  for (const how of await endings) t.match(how, /^(end|ECONNRESET)$/, "the client sees it");
  for (const socket of streams) socket.destroy();

  const restarts = (): number => cluster.store.list(Pods, { namespace: "default" })[0]?.status?.containerStatuses?.[0]?.restartCount ?? 0;
  await until(() => restarts() === 1);
  await cluster.ready();
  t.match(await textOf(await dial(await socketOf(cluster, "proc"), "n")), /^proc-/, "the Service leads to the new process");
  await until(() => cluster.fabric.stats().live === 0);
  await cluster.stop();
  t.strictSame(programs(), [], "no process is left");
});
