// Knows when the cluster has come to rest: no write for a while, every cursor caught up, every activity idle.
import { nextTurn, realClock, sleep } from "../model/clock.ts";
import type { Activity } from "./contract.ts";

const QUIET_TURNS = 3;
const BUSY_TURNS_BEFORE_PAUSE = 50;

export class Settler {
  readonly #activities = new Set<Activity>();
  readonly #view: () => readonly [revision: number, cursors: ReadonlySet<Activity>];

  constructor(view: () => readonly [revision: number, cursors: ReadonlySet<Activity>]) {
    this.#view = view;
  }
  track(activity: Activity): Disposable {
    this.#activities.add(activity);
    return { [Symbol.dispose]: () => void this.#activities.delete(activity) };
  }
  /** Rejects after `timeoutMs` of real time, naming who was busy. */
  async settle(timeoutMs: number): Promise<void> {
    const deadline = realClock.monotonic() + timeoutMs;
    let quiet = 0;
    let last = -1;
    for (let turn = 0; quiet < QUIET_TURNS; turn++) {
      await nextTurn();
      const [revision, cursors] = this.#view();
      const busy = [...cursors, ...this.#activities].filter((activity) => !activity.idle());
      quiet = busy.length === 0 && revision === last ? quiet + 1 : 0;
      last = revision;
      if (quiet > 0) continue;
      if (realClock.monotonic() > deadline) {
        throw new Error(`not settled after ${timeoutMs} ms: ${busy.map((activity) => activity.name).join(", ") || "writes go on"}`);
      }
      if (turn > BUSY_TURNS_BEFORE_PAUSE) await sleep(realClock, 1);
    }
  }
}
