// Exponential back-off of restarts and pulls: 10 s doubling to 300 s, forgotten after ten quiet minutes.
// Upstream: client-go util/flowcontrol/backoff.go with kubelet's constants.
const FIRST_MS = 10_000;
const MAX_MS = 300_000;

export class BackOff {
  #delayMs = 0;
  #advancedAt = 0;

  /** The present delay. */
  get delayMs(): number {
    return this.#delayMs;
  }
  /** How long to wait after a failure at `failedAt`; 0 for the first one. */
  waitMs(failedAt: number, now: number): number {
    if (this.#delayMs === 0 || now - this.#advancedAt > 2 * MAX_MS) return 0;
    return Math.max(0, failedAt + this.#delayMs - now);
  }
  /** Counts one more try. */
  advance(now: number): void {
    const forgotten = this.#delayMs === 0 || now - this.#advancedAt > 2 * MAX_MS;
    this.#delayMs = forgotten ? FIRST_MS : Math.min(MAX_MS, this.#delayMs * 2);
    this.#advancedAt = now;
  }
}

/** As Go prints a duration: `10s`, `2m40s`. */
export function goSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
