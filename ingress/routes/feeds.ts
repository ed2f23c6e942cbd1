// What the controllers of a cluster read of it: one feed for each command line.
import type { Clock } from "../../model/clock.ts";
import type { Store } from "../../store/index.ts";
import { CheckCounts } from "../report/check-counts.ts";
import { type ControllerFlags, DEFAULT_FLAGS } from "../config.ts";
import { RoutesFeed } from "./routes-feed.ts";
import { tellStreamProblems } from "../report/stream-events.ts";

/** Feeds by their flags: pods with equal flags share one. */
export class Feeds {
  readonly #feeds = new Map<string, RoutesFeed>();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #delayMs: number;
  /** What admission has decided, which the controllers tell. */
  readonly checks = new CheckCounts();
  #flags = DEFAULT_FLAGS;
  constructor(store: Store, clock: Clock, delayMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }
  of(flags: ControllerFlags): RoutesFeed {
    const key = JSON.stringify(flags);
    let feed = this.#feeds.get(key);
    if (!feed) {
      this.#feeds.set(key, (feed = new RoutesFeed(flags, this.#store, this.#clock, this.#delayMs)));
      tellStreamProblems(feed, this.#store, this.#clock);
    }
    return feed;
  }
  /** The command line of the controllers that run, else of the last that did. */
  get flags(): ControllerFlags {
    return (this.#flags = this.live.at(-1)?.flags ?? this.#flags);
  }
  /** Feeds that some pod holds now. */
  get live(): readonly RoutesFeed[] {
    return [...this.#feeds.values()].filter((feed) => feed.holders > 0);
  }
}
