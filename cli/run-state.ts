// What a running cluster leaves for the other commands: ${XDG_STATE_HOME:-~/.local/state}/loopkube/<name>/run.json and its kubeconfig.
// Only `down` uses the pid; everything else talks to the API server.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Failure } from "./failure.ts";
import { currentContext } from "./kubeconfig-file.ts";

export interface RunState {
  readonly name: string;
  readonly pid: number;
  /** Distinguishes the process from a later one with the same pid; "" where the system does not tell. */
  readonly started: string;
  readonly startedAt: string;
  readonly server: string;
  /** The cluster's own kubeconfig file. */
  readonly kubeconfig: string;
  /** The user's file that the context was merged into, if any, and the context's name. */
  readonly merged?: string;
  readonly context: string;
}

export function stateRoot(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "loopkube");
}

export function stateDirectory(name: string): string {
  return join(stateRoot(), name);
}

/** The state of a cluster of this name, running or stale; undefined when there is none or it cannot be read. */
export function readState(name: string): RunState | undefined {
  try {
    return JSON.parse(readFileSync(join(stateDirectory(name), "run.json"), "utf8")) as RunState;
  } catch {
    return undefined;
  }
}

/** Makes the folder that a cluster's state goes to. Throws Failure when this user cannot write there. */
export function makeStateDirectory(name: string): void {
  writing(() => mkdirSync(stateDirectory(name), { recursive: true, mode: 0o700 }));
}

/** Throws Failure when the folder cannot be written any more. */
export function writeState(state: RunState, kubeconfig: string): void {
  writing(() => {
    writeFileSync(state.kubeconfig, kubeconfig, { mode: 0o600 });
    writeFileSync(join(stateDirectory(state.name), "run.json"), `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  });
}

/** Runs a step that writes below the state folder; its error says where that is and how to choose another. */
export function writing<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw new Failure(
      `cannot write below ${stateRoot()}, where running clusters are noted: ${error instanceof Error ? error.message : String(error)}`,
      {
        advice: ["choose another folder: XDG_STATE_HOME=DIR loopkube up"],
        cause: error,
      },
    );
  }
}

export function removeState(name: string): void {
  rmSync(stateDirectory(name), { recursive: true, force: true });
}

/** Where a cluster in the background writes what it prints. */
export function logFileOf(name: string): string {
  return join(stateRoot(), `${name}.log`);
}

/** Names of all clusters with a state directory. */
export function listStates(): readonly string[] {
  try {
    return readdirSync(stateRoot(), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** True while the process that wrote the state lives. One that has ended and only waits for its parent to notice (init may take seconds) does not. */
export function isAlive(state: RunState): boolean {
  try {
    process.kill(state.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (state.started === "") return true;
  const fields = processFields(state.pid);
  return state.started === fields[START_TIME] && fields[STATE] !== "Z" && fields[STATE] !== "X";
}

/** The kernel's start time of a process, "" where /proc is missing. */
export function processStart(pid: number): string {
  return processFields(pid)[START_TIME] ?? "";
}

/** Places in /proc/PID/stat after the program's name (proc_pid_stat(5), fields 3 and 22). */
const STATE = 0;
const START_TIME = 19;

function processFields(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** The running cluster that a command means: the one named, else kubectl's current one, else the only one. Throws Failure that says what to type. */
export function runningCluster(name: string | undefined): RunState {
  const running = listStates()
    .map(readState)
    .filter((state): state is RunState => state !== undefined && isAlive(state));
  const named = (wanted: string): RunState | undefined => running.find((state) => state.name === wanted);
  if (name !== undefined) {
    const found = named(name);
    if (found) return found;
    throw new Failure(`no cluster named "${name}" is running`, { advice: adviceOf(running) });
  }
  if (running.length === 1 && running[0]) return running[0];
  if (running.length === 0) throw new Failure("no cluster is running", { advice: adviceOf(running) });
  const context = currentContext();
  const found = running.find((state) => state.context === context) ?? named("loopkube");
  if (found) return found;
  throw new Failure("several clusters are running, and none of them is kubectl's current one", { advice: adviceOf(running) });
}

function adviceOf(running: readonly RunState[]): readonly string[] {
  if (running.length === 0) return ["start one: loopkube up"];
  const names = running.map((state) => state.name).join(", ");
  return [`running: ${names}; choose one with --name`];
}
