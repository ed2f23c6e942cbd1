// Hands out addresses of a block: a static band for those that people ask for, a dynamic band for the rest.
// Upstream: pkg/registry/core/service/ipallocator, KEP-3070 (the band is min(max(16, size/16), 256) addresses).
import { Cidr, type IpFamily } from "../model/ip.ts";
import type { Random } from "../model/random.ts";

/** One block's addresses by holder (`namespace/name`). Network and broadcast addresses are never handed out. */
export class IpAllocator {
  readonly family: IpFamily;
  readonly cidr: Cidr;
  readonly #used = new Map<string, string>();
  readonly #first: number;
  readonly #last: number;
  readonly #dynamicFrom: number;
  readonly #random: Random;

  constructor(cidr: string, random: Random) {
    this.cidr = new Cidr(cidr);
    this.family = this.cidr.family;
    this.#random = random;
    // Upstream looks at no more than 2^16 addresses of an IPv6 block.
    const size = Number(this.cidr.size > 65_536n && this.family === "IPv6" ? 65_536n : this.cidr.size);
    this.#first = size > 2 ? 1 : 0;
    this.#last = this.family === "IPv4" && size > 2 ? size - 2 : size - 1;
    this.#dynamicFrom = this.#first + staticBand(size);
  }
  /** Who holds an address. */
  holder(ip: string): string | undefined {
    return this.#used.get(ip);
  }
  /** True for addresses that this block hands out. */
  has(ip: string): boolean {
    if (!this.cidr.contains(ip)) return false;
    const offset = this.cidr.offsetOf(ip);
    return offset >= BigInt(this.#first) && (this.family === "IPv6" || offset <= BigInt(this.#last));
  }
  take(ip: string, holder: string): void {
    this.#used.set(ip, holder);
  }
  release(ip: string, holder: string): void {
    if (this.#used.get(ip) === holder) this.#used.delete(ip);
  }
  /**
   * A free address, not yet taken: a random one of the dynamic band, then of the static band; undefined when the block is full.
   * `reserved` tells addresses that are kept by other means.
   */
  next(reserved: (ip: string) => boolean = () => false): string | undefined {
    return this.#free(this.#dynamicFrom, this.#last, reserved) ?? this.#free(this.#first, this.#dynamicFrom - 1, reserved);
  }
  get usedCount(): number {
    return this.#used.size;
  }
  #free(from: number, to: number, reserved: (ip: string) => boolean): string | undefined {
    const count = to - from + 1;
    if (count <= 0) return undefined;
    const start = this.#random.int(count);
    for (let i = 0; i < count; i++) {
      const ip = this.cidr.at(from + ((start + i) % count));
      if (!this.#used.has(ip) && !reserved(ip)) return ip;
    }
    return undefined;
  }
}

/** Number of addresses kept for explicit requests; none in a block of 16 or fewer. */
export function staticBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}
