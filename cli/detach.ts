// `up -d`: the same command runs in a process of its own, whose output goes to a log file, and reports over a channel when it is ready.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import type { JsonObject } from "../model/object.ts";
import { Failure } from "./failure.ts";
import { logFileOf, type RunState, stateRoot, writing } from "./run-state.ts";

/** What `up` knows when the cluster is ready. */
export interface Ready {
  readonly status: JsonObject;
  readonly state: RunState;
  readonly elapsedMs: number;
}

/** Starts this very command in the background, which there knows it by its channel; resolves when it is ready, throws with its last words when it is not. */
export async function detach(name: string): Promise<Ready> {
  const logFile = logFileOf(name);
  const log = writing(() => {
    mkdirSync(stateRoot(), { recursive: true, mode: 0o700 });
    return openSync(logFile, "w", 0o600);
  });
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  closeSync(log);
  return new Promise((resolve, reject) => {
    child.once("message", (message) => {
      child.disconnect();
      child.unref();
      resolve(message as Ready);
    });
    child.once("exit", (code, signal) => {
      const { message, advice } = lastWords(readFileSync(logFile, "utf8"), signal ?? code);
      reject(new Failure(message, { advice: [...advice, `its log: ${logFile}`] }));
    });
  });
}

/** The error that a cluster ended with and the advice below it; without one how it ended, and its last lines. */
export function lastWords(log: string, end: string | number | null): { readonly message: string; readonly advice: readonly string[] } {
  const lines = log.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
  const at = lines.findLastIndex((line) => line.startsWith("error: "));
  const [error, ...advice] = at < 0 ? [] : lines.slice(at);
  if (error !== undefined) return { message: error.slice("error: ".length), advice };
  return { message: howItEnded(end, lines.length > 0), advice: lines.slice(-5) };
}

function howItEnded(end: string | number | null, hasLog: boolean): string {
  if (typeof end === "string") return `the cluster was killed by ${end}`;
  if (end === 0) return "the cluster was stopped before it was ready";
  return `the cluster ended with code ${end}${hasLog ? "" : ": is the disk full?"}`;
}
