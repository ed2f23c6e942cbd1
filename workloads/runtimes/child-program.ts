// A program of a process pod: a child of this process that leads a group of its own, with all that it starts.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
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
    child.once("error", (error: NodeJS.ErrnoException) =>
      resolve({ exitCode: 128, startError: startErrorText(file, env["PATH"] ?? "", error) }),
    );
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

function startErrorText(file: string, path: string, error: NodeJS.ErrnoException): string {
  const named = file.includes("/");
  // EACCES is also what a search ends with when this user may not enter a folder of the PATH.
  const denied = error.code === "EACCES" && (named || path.split(delimiter).some((folder) => existsSync(join(folder, file))));
  if (denied) return `exec: "${file}": permission denied: unknown`;
  if (error.code !== "ENOENT" && error.code !== "EACCES") return `exec: "${file}": ${error.message}: unknown`;
  return `exec: "${file}": ${named ? `stat ${file}: no such file or directory` : "executable file not found in $PATH"}: unknown`;
}
