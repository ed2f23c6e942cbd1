// Measuring on a noisy machine: contestants take turns, and what is reported is the ratio of medians within one run.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock, sleep } from "../model/clock.ts";

/** One side of a comparison: measures itself once and returns a figure. */
export interface Contestant {
  readonly name: string;
  measure(): Promise<number>;
}

export interface Result {
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Runs the contestants in turn, `rounds` times; the order alternates so that no one always follows the same neighbour. */
export async function interleave(contestants: readonly Contestant[], rounds: number): Promise<readonly Result[]> {
  const figures = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const order = contestants.map((_, index) => index);
    if (round % 2 === 1) order.reverse();
    for (const index of order) {
      const contestant = contestants[index];
      if (!contestant) continue;
      figures[index]?.push(await contestant.measure());
      process.stderr.write(".");
    }
  }
  process.stderr.write("\n");
  return contestants.map(({ name }, index) => summarise(name, figures[index] ?? []));
}

export function summarise(name: string, figures: readonly number[]): Result {
  const sorted = figures.toSorted((a, b) => a - b);
  return {
    name,
    median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    low: sorted[0] ?? Number.NaN,
    high: sorted.at(-1) ?? Number.NaN,
  };
}

/** A Markdown table with every contestant as a ratio of the first. */
export function ratioTable(title: string, unit: string, results: readonly Result[]): string {
  const base = results[0]?.median ?? Number.NaN;
  const rows = results.map(
    ({ name, median, low, high }) => `| ${name} | ${(median / base).toFixed(2)} | ${figure(median)} | ${figure(low)} … ${figure(high)} |`,
  );
  return [`### ${title}`, "", `| contestant | ratio | median ${unit} | range |`, "| --- | --- | --- | --- |", ...rows, ""].join("\n");
}

export function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

/** Runs a program to its end and returns its output; rejects when it fails. */
export function output(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { env: { ...process.env, ...env }, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${stderr}`));
      else resolve(stdout + stderr);
    });
  });
}

/** Requests per second of `wrk -t1 -c64`. */
export async function wrk(url: string, seconds: number, headers: readonly string[] = [], connections = 64): Promise<number> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, ...headers.flatMap((header) => ["-H", header]), url];
  const text = await output("wrk", args);
  const errors = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1];
  if (errors) throw new Error(`${url}: ${errors} answers were errors`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

/** A child process that is ended by `close`. */
export interface Peer {
  readonly process: ChildProcess;
  close(): Promise<void>;
}

export function startPeer(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Peer {
  const child = spawn(program, [...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", process.env["BENCH_DEBUG"] ? "inherit" : "ignore"],
  });
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return {
    process: child,
    close: () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

/** Resolves when something accepts TCP connections there. */
export async function waitForPort(host: string, port: number, withinMs = 10_000): Promise<void> {
  const deadline = realClock.monotonic() + withinMs;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, host, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    if (realClock.monotonic() > deadline) throw new Error(`nothing listens at ${host}:${port}`);
    await sleep(realClock, 20);
  }
}

/** A folder that is removed at the end. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "loopkube-bench-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
