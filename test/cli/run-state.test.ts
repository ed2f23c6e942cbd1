// What the other commands can tell of the process that runs a cluster.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import t from "tap";
import { Failure } from "../../cli/failure.ts";
import { isAlive, processStart, runningCluster, type RunState } from "../../cli/run-state.ts";
import { WITHOUT_RUNNER } from "../support/command.ts";
import { until } from "../support/until.ts";

const stateOf = (pid: number, started = processStart(pid)): RunState => ({
  name: "x",
  pid,
  started,
  startedAt: "",
  server: "",
  kubeconfig: "",
  context: "",
});

t.test(
  "a process is alive until it ends, and is not another one with its pid",
  { skip: !existsSync("/proc/self/stat") && "no /proc" },
  async (t) => {
    t.ok(isAlive(stateOf(process.pid)));
    t.notOk(isAlive(stateOf(process.pid, "1")), "started at another time");
    t.notOk(isAlive(stateOf(2 ** 22 + 1, "1")), "no such process");

    // The shell's child is ended when another program has taken the shell's place, one that never asks how it ended.
    const [program = "", ...args] = [...WITHOUT_RUNNER, "sh", "-c", "sleep 600 & echo $!; exec tail -f /dev/null"];
    const parent = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    t.teardown(() => parent.kill("SIGKILL"));
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    const state = stateOf(pid);
    t.not(state.started, "");
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "tail\n", "the shell has gone");
    process.kill(pid);
    await until(() => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")), "the end");
    t.notOk(isAlive(state), "ended, though nobody has noticed");
  },
);

t.test("which cluster a command means", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-test-"));
  const before = { state: process.env["XDG_STATE_HOME"], kubeconfig: process.env["KUBECONFIG"] };
  t.teardown(() => {
    rmSync(folder, { recursive: true });
    for (const [name, value] of [
      ["XDG_STATE_HOME", before.state],
      ["KUBECONFIG", before.kubeconfig],
    ] as const)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  process.env["XDG_STATE_HOME"] = folder;
  process.env["KUBECONFIG"] = [join(folder, "absent"), join(folder, "config")].join(delimiter);
  const runs = (name: string): void => {
    const state: RunState = { ...stateOf(process.pid), name, context: name === "loopkube" ? name : `loopkube-${name}` };
    mkdirSync(join(folder, "loopkube", name), { recursive: true });
    writeFileSync(join(folder, "loopkube", name, "run.json"), JSON.stringify(state));
  };
  const current = (context: string): void => writeFileSync(join(folder, "config"), `current-context: ${context}\n`);
  const chosen = (name?: string): string => {
    try {
      return runningCluster(name).name;
    } catch (error) {
      return error instanceof Failure ? [error.message, ...error.advice].join("; ") : String(error);
    }
  };
  t.equal(chosen(), "no cluster is running; start one: loopkube up");
  runs("a");
  current("somewhere-else");
  t.equal(chosen(), "a", "the only one");
  runs("b");
  const several = "several clusters are running, and none of them is kubectl's current one; running: a, b; choose one with --name";
  t.equal(chosen(), several);
  t.equal(chosen("b"), "b");
  t.equal(chosen("c"), 'no cluster named "c" is running; running: a, b; choose one with --name');
  current("loopkube-b");
  t.equal(chosen(), "b", "the one that kubectl talks to");
  runs("loopkube");
  t.equal(chosen(), "b");
  current("{ broken");
  t.equal(chosen(), "loopkube", "the default name");
});
