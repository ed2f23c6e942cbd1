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

/** Lines for people, possibly made when read. */
export interface Reasons {
  readonly matched: readonly string[];
}

const NO_REASONS: Reasons = { matched: [] };
const asIs = (text: string): string => text;

interface Step {
  hopNow(): Hop;
}

/** What a hop is made of. */
class Worded<S> implements Step {
  readonly #at: number;
  readonly #flow: number;
  readonly #node: string;
  readonly #hop: Hop["hop"];
  readonly #subject: S;
  readonly #text: (subject: S) => string;
  readonly #reasons: Reasons;

  constructor(at: number, flow: number, node: string, hop: Hop["hop"], subject: S, text: (subject: S) => string, reasons: Reasons) {
    this.#at = at;
    this.#flow = flow;
    this.#node = node;
    this.#hop = hop;
    this.#subject = subject;
    this.#text = text;
    this.#reasons = reasons;
  }
  hopNow(): Hop {
    return {
      at: this.#at,
      flow: this.#flow,
      node: this.#node,
      hop: this.#hop,
      decision: this.#text(this.#subject),
      matched: this.#reasons.matched,
    };
  }
}

export class FlowTrace {
  /** False: no flow that starts from now on is traced. */
  enabled = true;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #flowsPerSecond: number;
  readonly #oneIn: number;
  readonly #ring: Step[] = [];
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
  record(flow: number, node: string, hop: Hop["hop"], decision: string, matched?: readonly string[]): void {
    this.recordOf(flow, node, hop, decision, asIs, matched && { matched });
  }
  /** The same, put into words when somebody reads it: `text` of `subject`, and the lines of `reasons`. */
  recordOf<S>(flow: number, node: string, hop: Hop["hop"], subject: S, text: (subject: S) => string, reasons: Reasons = NO_REASONS): void {
    const step = new Worded(this.#clock.now(), flow, node, hop, subject, text, reasons);
    if (this.#ring.length < this.#limit) this.#ring.push(step);
    else this.#ring[this.#next] = step;
    this.#next = (this.#next + 1) % Math.max(1, this.#limit);
    if (this.#subscribers.size === 0) return;
    const worded = step.hopNow();
    for (const subscriber of this.#subscribers) subscriber(worded);
  }
  /** Oldest first. */
  recent(): readonly Hop[] {
    const steps = this.#ring.length < this.#limit ? this.#ring : [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return steps.map((step) => step.hopNow());
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
