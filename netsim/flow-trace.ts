// The path's memory: a bounded ring of hops, sampled per flow so that load costs nothing, and live subscriptions.
import type { Clock } from "../model/clock.ts";
import type { Hop } from "../model/ports.ts";

export interface FlowTraceOptions {
  readonly clock: Clock;
  /** Hops kept; default 4096. */
  readonly limit?: number;
  /** Flows traced each second before sampling starts; default 200. */
  readonly flowsPerSecond?: number;
  /** Beyond that, one flow in so many; default 64. */
  readonly oneIn?: number;
}

/** A subscriber that does not keep up loses its oldest hops beyond this many. */
const SUBSCRIBER_LIMIT = 4096;

export class FlowTrace {
  /** False: no flow that starts from now on is traced. */
  enabled = true;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #flowsPerSecond: number;
  readonly #oneIn: number;
  readonly #ring: Hop[] = [];
  #next = 0;
  #second = -1;
  #flowsThisSecond = 0;
  readonly #subscribers = new Set<(hop: Hop) => void>();

  constructor(options: FlowTraceOptions) {
    this.#clock = options.clock;
    this.#limit = options.limit ?? 4096;
    this.#flowsPerSecond = options.flowsPerSecond ?? 200;
    this.#oneIn = options.oneIn ?? 64;
  }
  /** Whether the hops of a flow that starts now are recorded. */
  sample(): boolean {
    if (!this.enabled || this.#limit === 0) return false;
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#flowsThisSecond = 0;
    }
    const nth = ++this.#flowsThisSecond;
    return nth <= this.#flowsPerSecond || nth % this.#oneIn === 0;
  }
  /** Adds a step; the oldest goes when the ring is full. */
  record(flow: number, node: string, hop: Hop["hop"], decision: string, matched: readonly string[] = []): void {
    const entry: Hop = { at: this.#clock.now(), flow, node, hop, decision, matched };
    if (this.#ring.length < this.#limit) this.#ring.push(entry);
    else this.#ring[this.#next] = entry;
    this.#next = (this.#next + 1) % Math.max(1, this.#limit);
    for (const subscriber of this.#subscribers) subscriber(entry);
  }
  /** Oldest first. */
  recent(): readonly Hop[] {
    return this.#ring.length < this.#limit ? [...this.#ring] : [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
  /** Hops from now on, until the signal aborts. */
  async *subscribe(signal: AbortSignal): AsyncIterable<Hop> {
    let queue: Hop[] = [];
    let wake = (): void => {};
    const subscriber = (hop: Hop): void => {
      if (queue.length >= SUBSCRIBER_LIMIT) queue.shift();
      queue.push(hop);
      wake();
    };
    const onAbort = (): void => wake();
    this.#subscribers.add(subscriber);
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        const ready = queue;
        queue = [];
        yield* ready;
        if (queue.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#subscribers.delete(subscriber);
      signal.removeEventListener("abort", onAbort);
    }
  }
}
