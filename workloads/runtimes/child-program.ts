// A program of a process pod: a child of this process that leads a group of its own, with all that it starts.
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { Reaper } from "./reaper.ts";
import type { ContainerExit } from "./runtime.ts";

const isWindows = process.platform === "win32";

export interface ChildOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly stdin: Readable | undefined;
  readonly onOutput: (chunk: Buffer, stream: "stdout" | "stderr") => void;
}

export interface ChildProgram {
  /** Resolves when it has ended and its output is read; a command that cannot be started ends with a `startError`. */
  readonly exited: Promise<ContainerExit>;
  /** Signals the program and all that it has started. */
  signal(name: NodeJS.Signals): void;
}

/** Starts a program; as in a container, what it has started ends with it. */
export function startChild({ argv, env, cwd, stdin, onOutput }: ChildOptions, reaper: Reaper): ChildProgram {
  const [file = "", ...args] = argv;
  const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"], detached: !isWindows, ...(cwd === undefined ? {} : { cwd }) });
  const release = child.pid === undefined ? () => {} : reaper.watch(child.pid);
  child.stdout.on("data", (chunk: Buffer) => onOutput(chunk, "stdout"));
  child.stderr.on("data", (chunk: Buffer) => onOutput(chunk, "stderr"));
  child.stdin.on("error", () => {});
  if (stdin) stdin.pipe(child.stdin);
  else child.stdin.end();
  const exited = new Promise<ContainerExit>((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => resolve({ exitCode: 128, startError: startErrorText(file, error) }));
    child.once("exit", () => signalGroup(child, "SIGKILL"));
    child.once("close", (code, signal) => {
      release();
      stdin?.unpipe(child.stdin);
      resolve(exitOf(code, signal));
    });
  });
  return {
    exited,
    signal(name) {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child, name);
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (isWindows) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // Nothing of it is left.
  }
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): ContainerExit {
  if (signal === null) return { exitCode: code ?? 0 };
  const number = constants.signals[signal];
  return { exitCode: 128 + number, signal: number };
}

function startErrorText(file: string, error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") {
    return `exec: "${file}": ${file.includes("/") ? `stat ${file}: no such file or directory` : "executable file not found in $PATH"}: unknown`;
  }
  return `exec: "${file}": ${error.code === "EACCES" ? "permission denied" : error.message}: unknown`;
}
