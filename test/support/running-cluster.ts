// A `loopkube up` started as a user would, in a process of its own, for end-to-end tests.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Test } from "tap";
import { asUser, killGroup, type Output, run, type RunOptions, runUntil, temporaryHome, type User } from "./command.ts";

const LOOPKUBE = `'${process.execPath}' '${join(import.meta.dirname, "../../bin/loopkube.mjs")}'`;

export interface RunningCluster {
  readonly status: Status;
  /** What `up` printed until it was ready. */
  readonly printed: string;
  readonly env: Readonly<Record<string, string>>;
  readonly process: ChildProcess;
  /** Runs a shell command with KUBECONFIG and HOME set; `loopkube` is on its PATH as a function. */
  sh(command: string, options?: RunOptions): Promise<Output>;
  until(command: string, passes: (output: Output) => boolean, options?: RunOptions & { readonly withinMs?: number }): Promise<Output>;
  stop(): Promise<number>;
}

export interface Status {
  readonly api: string;
  readonly dns: string;
  readonly gateway: string;
  readonly ingress: { readonly http: string; readonly https: string };
  readonly nodes: readonly { readonly name: string; readonly ip: string }[];
  readonly addressPlan: string;
  readonly index: number;
}

/** Starts `loopkube up` with the given arguments and waits until it has printed that it is ready; stopped at the test's end. */
export async function startLoopkube(t: Test, args: string, user: User = "self"): Promise<RunningCluster> {
  const home = temporaryHome(user);
  const kubeconfig = join(home.path, "kubeconfig");
  const env = { HOME: home.path, XDG_STATE_HOME: join(home.path, "state"), KUBECONFIG: kubeconfig, NO_COLOR: "1", LOOPKUBE };
  const [program = "bash", ...rest] = asUser(user, `exec ${LOOPKUBE} up ${args}`);
  const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const exited = new Promise<number>((resolve) => child.on("exit", (code, signal) => resolve(code ?? (signal ? 128 : 1))));
  t.teardown(async () => {
    killGroup(child.pid, "SIGTERM");
    await exited;
    killGroup(child.pid);
    home.remove();
  });
  const printed = await readUntilReady(child);
  const sh = (command: string, options: RunOptions = {}): Promise<Output> =>
    run(`loopkube() { ${LOOPKUBE} "$@"; }; ${command}`, { user, ...options, env: { ...env, ...options.env } });
  const until: RunningCluster["until"] = (command, passes, options = {}) =>
    runUntil(`loopkube() { ${LOOPKUBE} "$@"; }; ${command}`, passes, { user, ...options, env: { ...env, ...options.env } });
  const status = JSON.parse((await sh("loopkube status -o json")).stdout) as Status;
  return {
    status,
    printed,
    env,
    process: child,
    sh,
    until,
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

function readUntilReady(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      if (/# (stop it|all addresses)/.test(text)) resolve(text);
    };
    child.stdout?.on("data", onData);
    child.stderr?.on("data", onData);
    child.on("exit", (code) => reject(new Error(`loopkube up ended with code ${code}:\n${text}`)));
  });
}
