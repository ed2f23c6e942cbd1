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

/** Starts this very command without -d in the background; resolves when it is ready, throws with its last words when it is not. */
export async function detach(name: string): Promise<Ready> {
  const logFile = logFileOf(name);
  const log = writing(() => {
    mkdirSync(stateRoot(), { recursive: true, mode: 0o700 });
    return openSync(logFile, "w", 0o600);
  });
  const args = process.argv.slice(1).filter((arg) => arg !== "-d" && arg !== "--detach");
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
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
    child.once("exit", (code) => {
      const { message, advice } = lastWords(readFileSync(logFile, "utf8"));
      reject(new Failure(message || `the cluster ended with code ${code}`, { advice: [...advice, `its log: ${logFile}`] }));
    });
  });
}

/** The error that a cluster ended with and the advice below it; its last lines when it said no such thing. */
function lastWords(log: string): { readonly message: string; readonly advice: readonly string[] } {
  const lines = log.trim().split("\n");
  const at = lines.findLastIndex((line) => line.startsWith("error: "));
  const [first = "", ...rest] = lines.slice(at < 0 ? -5 : at);
  return { message: first.replace(/^error: /, ""), advice: rest.map((line) => line.trim()) };
}
