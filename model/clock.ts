// Time's one home: an injected clock, real or virtual. Nothing else in the project reads the time or sets a timer.
export interface Timer {
  /** Stops the timer; harmless when it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic milliseconds, for measuring durations. */
  monotonic(): number;
  /** Runs `callback` once after `delayMs`. A real timer does not keep the process alive when `background` is true. */
  after(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer;
}

/** The machine's clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback, options) {
    const timer = setTimeout(callback, delayMs);
    if (options?.background) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

interface Pending {
  readonly at: number;
  readonly sequence: number;
  readonly callback: () => void;
}

/** A clock that moves only by `advance`, firing due timers in order; starts at 2025-01-01T00:00:00Z unless told. */
export class VirtualClock implements Clock {
  #now: number;
  readonly #start: number;
  #sequence = 0;
  #timers: Pending[] = [];

  constructor(startMs = Date.UTC(2025, 0, 1)) {
    this.#now = startMs;
    this.#start = startMs;
  }
  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now - this.#start;
  }
  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  /** Milliseconds until the next timer, or undefined when none waits. */
  nextDueMs(): number | undefined {
    const next = this.#earliest();
    return next && next.at - this.#now;
  }
  /** Moves time forward by `ms`; after each timer, promises get a turn before the next one fires. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    for (let next = this.#earliest(); next && next.at <= target; next = this.#earliest()) {
      this.#now = Math.max(this.#now, next.at);
      const fired = next;
      this.#timers = this.#timers.filter((timer) => timer !== fired);
      fired.callback();
      await nextTurn();
    }
    this.#now = target;
    await nextTurn();
  }
  #earliest(): Pending | undefined {
    let best: Pending | undefined;
    for (const timer of this.#timers) {
      if (!best || timer.at < best.at || (timer.at === best.at && timer.sequence < best.sequence)) best = timer;
    }
    return best;
  }
}

/** Resolves after `delayMs` on `clock`; rejects with the signal's reason when aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The second told last, and its text: objects written in one second share one string. */
let told = { second: Number.NaN, text: "" };

/** RFC 3339 with whole seconds, as metav1.Time is written. */
export function timestamp(clock: Clock): string {
  const second = Math.floor(clock.now() / 1000);
  if (second !== told.second) told = { second, text: new Date(second * 1000).toISOString().replace(".000Z", "Z") };
  return told.text;
}

/** RFC 3339 with microseconds, as metav1.MicroTime is written. */
export function microTimestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace("Z", "000Z");
}

/** The event loop's next turn: I/O and promise callbacks that are ready run first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
