// What a small tool is: a function of argv and its io that acts as the pod it runs in and resolves with its exit code.
import type { Readable, Writable } from "node:stream";
import type { ContainerContext, PodFiles } from "../../model/ports.ts";
import type { Terminal } from "./terminal.ts";

/** A program by its argv (`argv[0]` is its name). Resolves with the exit code; a rejection is a bug, except Terminated. */
export type Tool = (argv: readonly string[], io: ToolIo) => Promise<number>;

/** A named entry of the table of tools. */
export interface NamedTool {
  readonly name: string;
  readonly run: Tool;
}

/** The world of one running program. */
export interface ToolIo {
  /** undefined: nothing to read, as with /dev/null. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Standard input and output are a terminal. */
  readonly tty: boolean;
  /** The line discipline, when `tty`. */
  readonly terminal?: Terminal;
  /** Aborts when the program is told to stop; the reason is a Terminated. */
  readonly signal: AbortSignal;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The pod: its network, files, clock. */
  readonly context: ContainerContext;
  readonly files: PodFiles;
  /** Programs that can be run by name. */
  readonly programs: ReadonlyMap<string, Tool>;
}

/** Why a program was stopped; the exit code is 128 plus the signal's number. */
export class Terminated extends Error {
  override readonly name = "Terminated";
  readonly signalName: SignalName;
  constructor(signalName: SignalName) {
    super(signalName);
    this.signalName = signalName;
  }
  get exitCode(): number {
    return 128 + SIGNAL_NUMBERS[this.signalName];
  }
}

export type SignalName = keyof typeof SIGNAL_NUMBERS;

/** Linux's numbers of the signals that programs here can meet. */
export const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGUSR1: 10, SIGUSR2: 12, SIGPIPE: 13, SIGTERM: 15 } as const;

/** The reason of an aborted signal as a Terminated: SIGTERM unless it says otherwise. */
export function terminationOf(signal: AbortSignal): Terminated {
  return signal.reason instanceof Terminated ? signal.reason : new Terminated("SIGTERM");
}

/** Throws the Terminated when the program has been told to stop. */
export function throwIfTerminated(signal: AbortSignal): void {
  if (signal.aborted) throw terminationOf(signal);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** `promise`, unless the signal aborts first: then a Terminated is thrown and the promise's outcome is dropped. */
export async function orTerminated<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfTerminated(signal);
  const gate = Promise.withResolvers<never>();
  const onAbort = (): void => gate.reject(terminationOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, gate.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Prints `name: message` on stderr and returns the exit code. */
export function fail(io: ToolIo, message: string, code = 1): number {
  io.stderr.write(`${message}\n`);
  return code;
}

/** The errno code of an error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** strerror of the network errnos that programs print. */
export function errnoText(code: string | undefined): string {
  const texts: Readonly<Record<string, string>> = {
    ECONNREFUSED: "Connection refused",
    ECONNRESET: "Connection reset by peer",
    EPIPE: "Broken pipe",
    ETIMEDOUT: "Connection timed out",
    ENETUNREACH: "Network is unreachable",
    EHOSTUNREACH: "No route to host",
    EADDRINUSE: "Address already in use",
    EACCES: "Permission denied",
  };
  return texts[code ?? ""] ?? code ?? "Unknown error";
}

/** True for the errors of a name that did not resolve. */
export function isLookupError(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "EAI_NONAME" || code === "ENODATA";
}
