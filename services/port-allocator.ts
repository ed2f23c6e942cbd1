// Hands out NodePorts: numbers of a range, whatever the protocol; a static band for those that people ask for.
// Upstream: pkg/registry/core/service/portallocator, KEP-3668 (the band is min(max(16, size/32), 128) ports).
import type { Random } from "../model/random.ts";

/** Ports of one range by holder (`namespace/name`). */
export class PortAllocator {
  readonly first: number;
  readonly last: number;
  readonly #used = new Map<number, string>();
  readonly #dynamicFrom: number;
  readonly #random: Random;

  constructor(range: { readonly first: number; readonly last: number }, random: Random) {
    this.first = range.first;
    this.last = range.last;
    this.#random = random;
    const size = range.last - range.first + 1;
    this.#dynamicFrom = range.first + (size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128));
  }
  holder(port: number): string | undefined {
    return this.#used.get(port);
  }
  has(port: number): boolean {
    return port >= this.first && port <= this.last;
  }
  take(port: number, holder: string): void {
    this.#used.set(port, holder);
  }
  release(port: number, holder: string): void {
    if (this.#used.get(port) === holder) this.#used.delete(port);
  }
  /** A free port that is not in `reserved` either; undefined when the range is full. */
  next(reserved: ReadonlySet<number>): number | undefined {
    return this.#free(this.#dynamicFrom, this.last, reserved) ?? this.#free(this.first, this.#dynamicFrom - 1, reserved);
  }
  #free(from: number, to: number, reserved: ReadonlySet<number>): number | undefined {
    const count = to - from + 1;
    if (count <= 0) return undefined;
    const start = this.#random.int(count);
    for (let i = 0; i < count; i++) {
      const port = from + ((start + i) % count);
      if (!this.#used.has(port) && !reserved.has(port)) return port;
    }
    return undefined;
  }
}
