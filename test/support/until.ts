// Waiting for what happens by itself: for the event, not for a time that a slow machine would need more of.
import { nextTurn, realClock, sleep } from "../../model/clock.ts";

/** Only what never happens takes so long. */
const PATIENCE_MS = 60_000;

/** Resolves when the condition holds; it is looked at once in each turn of the event loop. */
export async function until(condition: () => boolean, what = String(condition)): Promise<void> {
  const deadline = realClock.monotonic() + PATIENCE_MS;
  while (!condition()) {
    if (realClock.monotonic() > deadline) throw new Error(`never happened: ${what}`);
    await nextTurn();
  }
}

/** The first value that an attempt has, for what other processes do: between attempts they have the processor. */
export async function eventually<T>(what: string, attempt: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = realClock.monotonic() + PATIENCE_MS;
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    if (realClock.monotonic() > deadline) throw new Error(`never happened: ${what}`);
    await sleep(realClock, 25);
  }
}
