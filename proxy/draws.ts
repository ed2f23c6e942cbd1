// Uniform draws that are a function of (seed, ServicePort, client, ordinal): clients do not disturb each other's sequences.
// Upstream: nftables' numgen random, iptables' statistic match, which have one sequence for all.
import { hash32 } from "../model/random.ts";

/** Pairs of ServicePort and client whose ordinal is remembered; beyond it the oldest is forgotten. */
const MAX_PAIRS = 65_536;

export class Draws {
  readonly #seed: number;
  /** By a hash of the pair that fits a small integer, so that entries are flat. */
  readonly #ordinals = new Map<number, number>();
  /** Where forgotten pairs begin again: not at 0, lest a crowd of clients always repeat their first draw. */
  #restart = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }
  /** An integer in [0, size). `port` is the ServicePort's hash. */
  next(port: number, client: string, size: number): number {
    const pair = mix(hash32(client, this.#seed) ^ Math.imul(port, 0x9e3779b1));
    const key = pair >>> 2;
    const ordinal = this.#ordinals.get(key) ?? this.#begin();
    this.#ordinals.set(key, ordinal + 1);
    return Math.floor((mix(pair + Math.imul(ordinal, 0x9e3779b1)) / 4294967296) * size);
  }
  #begin(): number {
    if (this.#ordinals.size >= MAX_PAIRS) {
      const oldest = this.#ordinals.keys().next();
      if (!oldest.done) this.#ordinals.delete(oldest.value);
      this.#restart++;
    }
    return this.#restart;
  }
}

/** Avalanche of 32 bits: every input bit reaches every output bit. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
