// One reader of the store for many holders, who share what is made of its changes. It reads while somebody holds it.
// Upstream: a SharedIndexInformer. Left out: resync and handlers per holder.
import { nextTurn } from "../model/clock.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Change, Cursor, Store } from "./contract.ts";

/** What is made of the changes of one run, from the first holder to the last. */
export interface FeedRun {
  take(change: Change): void;
  /** After each batch; the first makes the feed synced. May take turns of the event loop. */
  taken?(): void | Promise<void>;
}

export interface SharedFeedOptions {
  readonly store: Store;
  /** The cursor's name. */
  readonly name: string;
  /** Propagation delay of the store's changes. */
  readonly delayMs: number;
  /** Kinds to read, in this order at the start. */
  types(): readonly ResourceType[];
  /** Changes taken in one turn of the event loop. */
  readonly chunk: number;
  /** Begins anew, with the present state to come as changes: what was deleted while nobody read is not told. */
  begin(cursor: Cursor): FeedRun;
  /** The last holder has gone, and nothing is read any more. */
  end?(): void;
}

export class SharedFeed {
  readonly #options: SharedFeedOptions;
  #holders = 0;
  #running: { readonly abort: AbortController; readonly cursor: Cursor; readonly done: Promise<void> } | undefined;
  #synced: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: SharedFeedOptions) {
    this.#options = options;
  }
  /** Resolves once the present state has been read. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }
  get holders(): number {
    return this.#holders;
  }
  /** Starts reading for the first holder, and stops with the last. */
  acquire(): AsyncDisposable {
    if (this.#holders++ === 0) this.#start();
    let released = false;
    return {
      [Symbol.asyncDispose]: async () => {
        if (released) return;
        released = true;
        if (--this.#holders > 0) return;
        const running = this.#running;
        this.#running = undefined;
        running?.abort.abort();
        running?.cursor.close();
        await running?.done;
        if (this.#running === undefined) this.#options.end?.();
      },
    };
  }

  #start(): void {
    const { store, name, delayMs } = this.#options;
    const abort = new AbortController();
    const cursor = store.cursor({ name, delayMs });
    this.#synced = Promise.withResolvers();
    const run = this.#options.begin(cursor);
    this.#running = { abort, cursor, done: this.#read(cursor, run, this.#synced, abort.signal) };
  }
  /** Once aborted it takes nothing more, not even the rest of a batch: another run may have begun. */
  async #read(cursor: Cursor, run: FeedRun, synced: PromiseWithResolvers<void>, signal: AbortSignal): Promise<void> {
    const { types, chunk } = this.#options;
    for await (const batch of cursor.batches(types(), signal)) {
      for (const [index, change] of batch.entries()) {
        if (index > 0 && index % chunk === 0) await nextTurn();
        if (signal.aborted) return;
        run.take(change);
      }
      await run.taken?.();
      synced.resolve();
    }
  }
}
