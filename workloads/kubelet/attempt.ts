// Whether something under way may still end without time passing: a probe's try, a hook. What `settle` waits for.
// Nobody can see whether an attempt waits for the cluster's clock, which may be standing still, or for a peer that never answers; so an
// attempt counts for a while of real time, and no longer.
import { realClock } from "../../model/clock.ts";

const DUE_MS = 300;

export class Attempt {
  #since: number | undefined;

  /** True from `run` until the task ends, but for 300 ms at most. */
  get due(): boolean {
    return this.#since !== undefined && realClock.monotonic() - this.#since < DUE_MS;
  }
  async run<T>(task: () => Promise<T>): Promise<T> {
    this.#since = realClock.monotonic();
    try {
      return await task();
    } finally {
      this.#since = undefined;
    }
  }
}
