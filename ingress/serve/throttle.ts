// limit-rate: an answer's body at so many bytes a second, after the first `after` bytes.
// Upstream: ngx_http_write_filter limit_rate.
import { Transform, type TransformCallback } from "node:stream";
import type { Clock } from "../../model/clock.ts";

/** `X-Accel-Limit-Rate` of the pod, in bytes a second, which stands above limit-rate; undefined: it says nothing. */
export function limitRateOf(podLines: readonly string[]): number | undefined {
  const at = podLines.findIndex((text, i) => i % 2 === 0 && text.length === 18 && text.toLowerCase() === "x-accel-limit-rate");
  const value = at < 0 ? "" : (podLines[at + 1] ?? "");
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/** Bytes are let through in steps of this long. */
const STEP_MS = 100;

export class Throttle extends Transform {
  readonly #clock: Clock;
  readonly #rate: number;
  readonly #after: number;
  readonly #startedAt: number;
  #sent = 0;

  constructor(clock: Clock, bytesPerSecond: number, after: number) {
    super();
    this.#clock = clock;
    this.#rate = bytesPerSecond;
    this.#after = after;
    this.#startedAt = clock.monotonic();
  }
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const allowed = this.#after + this.#rate + (this.#rate * (this.#clock.monotonic() - this.#startedAt)) / 1000 - this.#sent;
    const now = Math.max(0, Math.min(chunk.length, Math.floor(allowed)));
    if (now > 0) this.push(chunk.subarray(0, now));
    this.#sent += now;
    if (now === chunk.length) return done();
    const rest = chunk.subarray(now);
    this.#clock.after(STEP_MS, () => {
      if (!this.destroyed) this._transform(rest, "utf8", done);
    });
  }
}
