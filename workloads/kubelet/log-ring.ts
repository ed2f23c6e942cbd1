// A container's log: the last lines it wrote, for `kubectl logs`, and the raw stream for those attached now.
// Upstream: pkg/kubelet/logs, kuberuntime/logs. Left out: rotation into files; the oldest lines are dropped instead.
import { Writable } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import type { LogOptions } from "../../model/ports.ts";

const MAX_LINES = 10_000;
const MAX_BYTES = 1 << 20;
/** A line longer than this is split, as the CRI log format does. */
const MAX_LINE_LENGTH = 16_384;

export type LogStream = "stdout" | "stderr";

interface Line {
  readonly at: number;
  readonly text: string;
}

export class LogRing {
  readonly #clock: Clock;
  #lines: Line[] = [];
  #first = 0;
  #bytes = 0;
  #partial: { at: number; stdout: string; stderr: string } | undefined;
  #ended = false;
  #waiting: (() => void)[] | undefined;
  #taps: Set<(chunk: Buffer, stream: LogStream) => void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  /** A stream that appends here. */
  writable(stream: LogStream): Writable {
    return new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        this.append(chunk, stream);
        done();
      },
    });
  }
  append(chunk: Buffer, stream: LogStream): void {
    if (this.#ended) return;
    for (const tap of this.#taps ?? []) tap(chunk, stream);
    this.#partial ??= { at: this.#clock.now(), stdout: "", stderr: "" };
    const parts = (this.#partial[stream] + chunk.toString("utf8")).split("\n");
    let rest = parts.pop() ?? "";
    for (const part of parts) this.#push(part);
    for (; rest.length > MAX_LINE_LENGTH; rest = rest.slice(MAX_LINE_LENGTH)) this.#push(rest.slice(0, MAX_LINE_LENGTH));
    this.#partial[stream] = rest;
    if (this.#partial.stdout === "" && this.#partial.stderr === "") this.#partial = undefined;
    this.#wake();
  }
  /** Nothing more comes: the container has ended. */
  end(): void {
    if (this.#ended) return;
    for (const stream of ["stdout", "stderr"] as const) if (this.#partial?.[stream]) this.#push(this.#partial[stream], "");
    this.#partial = undefined;
    this.#ended = true;
    this.#wake();
  }
  /** Raw output from now on, until the returned function is called. */
  tap(listener: (chunk: Buffer, stream: LogStream) => void): () => void {
    this.#taps ??= new Set();
    this.#taps.add(listener);
    return () => void this.#taps?.delete(listener);
  }
  /** All that is kept, as one text. */
  text(): string {
    return this.#lines.map((line) => line.text).join("") + (this.#partial?.stdout ?? "") + (this.#partial?.stderr ?? "");
  }
  /** The lines asked for; with `follow` it goes on until the container ends or the signal aborts. */
  async *read(options: LogOptions): AsyncGenerator<string> {
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    let next = this.#start(options);
    for (;;) {
      for (; next < this.#first + this.#lines.length; next++) {
        const line = this.#lines[Math.max(0, next - this.#first)];
        if (!line) continue;
        const text = Buffer.from(options.timestamps ? `${nanoTimestamp(line.at)} ${line.text}` : line.text);
        yield text.subarray(0, left).toString("utf8");
        left -= text.length;
        if (left <= 0) return;
      }
      if (!options.follow || this.#ended || options.signal.aborted) return;
      await this.#more(options.signal);
      next = Math.max(next, this.#first);
    }
  }
  #start({ tailLines, sinceSeconds, sinceTime }: LogOptions): number {
    const since =
      sinceSeconds === undefined ? (sinceTime === undefined ? 0 : Date.parse(sinceTime)) : this.#clock.now() - sinceSeconds * 1000;
    const firstSince = this.#lines.findIndex((line) => line.at >= since);
    const from = firstSince < 0 ? this.#lines.length : firstSince;
    return this.#first + (tailLines === undefined || tailLines < 0 ? from : Math.max(from, this.#lines.length - tailLines));
  }
  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#waiting = [...(this.#waiting ?? []), done];
    });
  }
  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const wake of waiting ?? []) wake();
  }
  #push(text: string, end = "\n"): void {
    const line = { at: this.#clock.now(), text: text + end };
    this.#lines.push(line);
    this.#bytes += line.text.length;
    if (this.#lines.length <= MAX_LINES && this.#bytes <= MAX_BYTES) return;
    // A tenth at once, so that dropping costs little per line.
    const dropped = this.#lines.splice(0, Math.max(1, Math.floor(this.#lines.length / 10)));
    this.#first += dropped.length;
    for (const { text: old } of dropped) this.#bytes -= old.length;
  }
}

/** RFC 3339 with nanoseconds, as kubelet's log lines have it. */
function nanoTimestamp(at: number): string {
  return new Date(at).toISOString().replace("Z", "000000Z");
}
