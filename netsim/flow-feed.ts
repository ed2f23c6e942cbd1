// Every flow that reaches its endpoint, to whoever listens: exact where the trace samples. Upstream: `conntrack -E -e NEW`.
// Nothing is kept while no one listens. A listener that falls too far behind is told so by an error, never by a gap.
import { type Clock, nextTurn } from "../model/clock.ts";
import type { FlowRecord } from "../model/ports.ts";
import { hostPort } from "./errno.ts";
import type { LiveFlow } from "./live-flow.ts";

/** Records that a listener may be behind. */
const BEHIND_LIMIT = 200_000;

interface Listener {
  queue: FlowRecord[];
  wake: () => void;
  overrun: boolean;
}

export class FlowFeed {
  readonly #clock: Clock;
  readonly #alive: () => readonly LiveFlow[];
  readonly #behindLimit: number;
  readonly #listeners = new Set<Listener>();

  /** `alive` gives the flows of now, with which every subscription begins. */
  constructor(clock: Clock, alive: () => readonly LiveFlow[], behindLimit = BEHIND_LIMIT) {
    this.#clock = clock;
    this.#alive = alive;
    this.#behindLimit = behindLimit;
  }
  /** The fabric's `delivered` hook. */
  readonly delivered = (flow: LiveFlow): void => {
    if (this.#listeners.size === 0) return;
    const record = this.#record(flow);
    if (!record) return;
    for (const listener of this.#listeners) {
      if (listener.queue.length >= this.#behindLimit) listener.overrun = true;
      else if (listener.queue.push(record) === 1) listener.wake();
    }
  };
  /** One batch with the flows alive (it may be empty); with `follow` then batches as flows come, until the signal aborts. Throws when overrun. */
  async *subscribe(signal: AbortSignal, follow: boolean): AsyncIterable<readonly FlowRecord[]> {
    const alive = this.#alive().flatMap((flow) => this.#record(flow) ?? []);
    if (!follow) return void (yield alive);
    const listener: Listener = { queue: [], wake: () => {}, overrun: false };
    const onAbort = (): void => listener.wake();
    this.#listeners.add(listener);
    signal.addEventListener("abort", onAbort);
    try {
      yield alive;
      while (!signal.aborted) {
        if (listener.queue.length === 0) await new Promise<void>((resolve) => (listener.wake = resolve));
        if (listener.overrun) throw new Error(`more than ${this.#behindLimit} flows behind`);
        await nextTurn();
        const batch = listener.queue;
        listener.queue = [];
        if (batch.length > 0) yield batch;
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", onAbort);
    }
  }
  #record({ id, node, source, destination, endpoint, service = "" }: LiveFlow): FlowRecord | undefined {
    if (!endpoint) return undefined;
    const [from, to, at] = [source, destination, endpoint].map(hostPort);
    return { at: this.#clock.now(), flow: id, node, source: from ?? "", destination: to ?? "", endpoint: at ?? "", service };
  }
}
