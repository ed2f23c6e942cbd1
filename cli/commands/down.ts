// `loopkube down`: ends the cluster's process and takes back what `up` wrote. A stale state directory is cleaned the same way.
import { rmSync } from "node:fs";
import { Command } from "commander";
import { realClock, sleep } from "../../model/clock.ts";
import { Failure } from "../failure.ts";
import { takeBack } from "../kubeconfig-file.ts";
import { isAlive, listStates, logFileOf, readState, removeState, type RunState } from "../run-state.ts";
import { createProgress, print } from "../terminal.ts";

const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

export function downCommand(): Command {
  return new Command("down")
    .description("stop a cluster and take back its kubeconfig entry")
    .option("--name <name>", "the cluster's name (default: the only one)")
    .option("-q, --quiet", "print nothing")
    .action(async (options: { name?: string; quiet?: boolean }) => {
      const names = listStates();
      const name = options.name ?? (names.length === 1 ? names[0] : "loopkube") ?? "loopkube";
      if (!names.includes(name)) {
        const advice = names.length > 0 ? [`known clusters: ${names.join(", ")}; choose one with --name`] : [];
        if (options.name === undefined && names.length === 0) return print("no cluster is running");
        throw new Failure(options.name === undefined ? "there are several clusters" : `no cluster named "${name}"`, { advice });
      }
      const state = readState(name);
      await createProgress(options.quiet ?? false).phase(`stopping "${name}"`, async () => {
        if (state && isAlive(state)) await stopProcess(state);
        if (state?.merged) await takeBack(state.merged, state.context);
        removeState(name);
        rmSync(logFileOf(name), { force: true });
      });
    });
}

/** SIGTERM, then SIGKILL when the process does not end in time. */
async function stopProcess(state: RunState): Promise<void> {
  process.kill(state.pid, "SIGTERM");
  const deadline = realClock.monotonic() + STOP_TIMEOUT_MS;
  while (isAlive(state)) {
    if (realClock.monotonic() > deadline) process.kill(state.pid, "SIGKILL");
    await sleep(realClock, POLL_MS);
  }
}
