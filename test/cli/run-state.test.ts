// What the other commands can tell of the process that runs a cluster.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import t from "tap";
import { isAlive, processStart, type RunState } from "../../cli/run-state.ts";
import { WITHOUT_RUNNER } from "../support/command.ts";

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

    // The shell's child ends at once; the program that takes the shell's place never asks how it ended.
    const [program = "", ...args] = [...WITHOUT_RUNNER, "sh", "-c", "sleep 0.2 & echo $!; exec sleep 60"];
    const parent = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    t.teardown(() => parent.kill("SIGKILL"));
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    const state = stateOf(pid);
    t.not(state.started, "");
    while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) await new Promise((resolve) => setImmediate(resolve));
    t.notOk(isAlive(state), "ended, though nobody has noticed");
  },
);
