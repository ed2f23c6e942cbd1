// Processor time of server processes and of their children, from /proc (Linux): what a request costs, however busy the machine is.
import { readFileSync } from "node:fs";

/** A clock tick of /proc, in microseconds: USER_HZ is 100 on every Linux. */
const TICK_US = 10_000;

/** User and system time of these processes and all their descendants until now, in microseconds. */
export function processorTimeUs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ownTimeUs(pid) + processorTimeUs(childrenOf(pid)), 0);
}

function ownTimeUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [, user = "0", system = "0"] = /\) .(?: -?\d+){10} (\d+) (\d+)/.exec(stat) ?? [];
  return (Number(user) + Number(system)) * TICK_US;
}

function childrenOf(pid: number): readonly number[] {
  return (readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").match(/\d+/g) ?? []).map(Number);
}
