// sleep and timeout: waiting on the cluster's clock.
import { sleep as sleepOn } from "../../model/clock.ts";
import { findProgram } from "./run-tool.ts";
import { linkedAbort } from "./sh/execute.ts";
import { aborted, fail, Terminated, terminationOf, type NamedTool } from "./tool.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of "5", "0.5", "2m", "inf"; undefined when it is none. */
export function durationMs(text: string): number | undefined {
  if (/^inf(inity)?$/i.test(text)) return Infinity;
  const match = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(text);
  return match ? Number(match[1]) * (UNITS[match[2] ?? ""] ?? 1000) : undefined;
}

export const sleeps: readonly NamedTool[] = [
  {
    name: "sleep",
    async run(argv, io) {
      if (argv.length < 2) return fail(io, "sleep: missing operand\nUsage: sleep [N]...");
      let total = 0;
      for (const word of argv.slice(1)) {
        const ms = durationMs(word);
        if (ms === undefined) return fail(io, `sleep: invalid number '${word}'`);
        total += ms;
      }
      const MAX_TIMER_MS = 2 ** 31 - 1;
      try {
        if (total === Infinity) await aborted(io.signal);
        for (let left = total; left > 0 && left !== Infinity; left -= MAX_TIMER_MS)
          await sleepOn(io.context.clock, Math.min(left, MAX_TIMER_MS), io.signal);
      } catch (error) {
        if (!io.signal.aborted) throw error;
      }
      if (io.signal.aborted) throw terminationOf(io.signal);
      return 0;
    },
  },
  {
    name: "timeout",
    async run(argv, io) {
      const rest = argv.slice(1);
      while (/^-[skt]$|^--?[a-z-]+=?/.test(rest[0] ?? "")) {
        const flag = rest.shift() ?? "";
        if (flag === "-s" || flag === "-k") rest.shift();
      }
      const limitMs = durationMs(rest[0] ?? "");
      if (limitMs === undefined) return fail(io, `timeout: invalid number '${rest[0] ?? ""}'`);
      const program = findProgram(io.programs, rest[1] ?? "");
      if (!program) return fail(io, `timeout: can't execute '${rest[1] ?? ""}': No such file or directory`, 127);
      const stop = linkedAbort(io.signal);
      const timer =
        limitMs === Infinity || limitMs === 0
          ? undefined
          : io.context.clock.after(limitMs, () => stop.controller.abort(new Terminated("SIGTERM")));
      try {
        return await program(rest.slice(1), { ...io, signal: stop.controller.signal });
      } catch (error) {
        if (error instanceof Terminated && !io.signal.aborted) return 143;
        throw error;
      } finally {
        timer?.cancel();
        stop.release();
      }
    },
  },
];
