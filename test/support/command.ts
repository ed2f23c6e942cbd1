// Runs real programs for end-to-end tests: as this user or as nobody, with time limits, and without leaving anything behind.
import { spawn } from "node:child_process";
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { realClock, sleep } from "../../model/clock.ts";

export type User = "self" | "nobody";

const NOBODY = 65534;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly user?: User;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Put before a program: takes away the hook that the test runner puts into every child, so that it runs as a user runs it. */
export const WITHOUT_RUNNER: readonly string[] = ["env", "-u", "NODE_OPTIONS"];

/** The command line that runs `command` in a shell as the user. */
export function asUser(user: User, command: string): readonly string[] {
  const shell = [...WITHOUT_RUNNER, "bash", "-c", command];
  return user === "self" ? shell : ["setpriv", "--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", ...shell];
}

/** True when this process may become nobody: it is root and has setpriv. */
export async function canBecomeNobody(): Promise<boolean> {
  return process.getuid?.() === 0 && (await run("true", { user: "nobody" })).code === 0;
}

/** Runs a shell command to its end; code 124 when it took longer than `timeoutMs` (default 90 s). */
export function run(command: string, options: RunOptions = {}): Promise<Output> {
  const [program = "bash", ...args] = asUser(options.user ?? "self", command);
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? join(import.meta.dirname, "../.."),
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let [stdout, stderr, timedOut] = ["", "", false];
    const timer = realClock.after(options.timeoutMs ?? 90_000, () => {
      timedOut = true;
      killGroup(child.pid);
    });
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", (error) => (stderr += error.message));
    child.on("close", (code) => {
      timer.cancel();
      resolve({ code: timedOut ? 124 : (code ?? 1), stdout, stderr });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Repeats a command until its output passes, for state that another process reaches by itself; returns the last output. */
export async function runUntil(
  command: string,
  passes: (output: Output) => boolean,
  options: RunOptions & { readonly withinMs?: number } = {},
): Promise<Output> {
  const deadline = realClock.monotonic() + (options.withinMs ?? 60_000);
  for (;;) {
    const output = await run(command, options);
    if (passes(output) || realClock.monotonic() > deadline) return output;
    await sleep(realClock, 50);
  }
}

/** Ends a process group that a test started. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals = "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** A home directory of the user's own, removed by `remove`. */
export function temporaryHome(user: User): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "loopkube-e2e-"));
  if (user === "nobody") chownSync(path, NOBODY, NOBODY);
  else chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Why a test that needs these programs is skipped, for tap's `skip`: those that are not on the PATH; false when all are there. */
export function missingPrograms(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !isOnPath(name));
  return missing.length > 0 && `not installed: ${missing.join(", ")}`;
}

function isOnPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => isExecutable(join(folder, name)));
}

/** True for a file that this user may run; a shell's `command -v` also finds those that it may not. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
