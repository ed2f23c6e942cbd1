// proxy-buffering: pieces of an answer wait until they fill a buffer, or the answer ends; the pod may be ahead by all buffers.
// Upstream: ngx_event_pipe. `X-Accel-Buffering: yes` or `no` of the pod stands above the setting.
import { Transform, type TransformCallback } from "node:stream";
import type { ProxyBuffering } from "../annotations/proxy-buffering.ts";

/** Whether this answer is buffered. */
export function buffered({ enabled, podDecides }: ProxyBuffering, podLines: readonly string[]): boolean {
  if (!podDecides) return enabled;
  for (let i = 0; i + 1 < podLines.length; i += 2) {
    const name = podLines[i] ?? "";
    if (name.length !== 17 || name.toLowerCase() !== "x-accel-buffering") continue;
    const value = podLines[i + 1]?.toLowerCase();
    if (value === "yes" || value === "no") return value === "yes";
  }
  return enabled;
}

export class Gather extends Transform {
  readonly #bufferBytes: number;
  #waiting: Buffer[] = [];
  #size = 0;

  constructor({ bufferBytes, aheadBytes }: ProxyBuffering) {
    super({ readableHighWaterMark: aheadBytes });
    this.#bufferBytes = bufferBytes;
  }
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#waiting.push(chunk);
    this.#size += chunk.length;
    if (this.#size >= this.#bufferBytes) this.#release();
    done();
  }
  override _flush(done: TransformCallback): void {
    this.#release();
    done();
  }
  #release(): void {
    if (this.#size > 0) this.push(this.#waiting.length === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting));
    this.#waiting = [];
    this.#size = 0;
  }
}
