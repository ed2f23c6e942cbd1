// A node-side reader of the store: takes batch after batch through a cursor of its own, the whole present state first.
import { log } from "../model/log.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Change, Cursor, Store } from "./contract.ts";

export interface FollowerOptions {
  readonly store: Store;
  /** Of the cursor. */
  readonly name: string;
  /** How late it follows. Default 0. */
  readonly delayMs?: number;
  readonly types: readonly ResourceType[];
  /** Takes one batch; the next one waits for it. */
  readonly take: (batch: readonly Change[], cursor: Cursor) => Promise<void>;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }
  /** Resolves when the present state has been taken; rejects with what `take` throws until then. */
  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#running = this.#follow(resolve);
    this.#running.then(resolve, reject);
    await promise;
  }
  /** Resolves when the last batch has been taken; rejects with what ended the following before. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }
  async #follow(onTaken: () => void): Promise<void> {
    const { store, name, delayMs = 0, types, take } = this.#options;
    const cursor = store.cursor({ name, delayMs });
    try {
      for await (const batch of cursor.batches(types, this.#abort.signal)) {
        await take(batch, cursor);
        onTaken();
      }
    } catch (error) {
      log("error", `${name} no longer follows the store`, { error });
      throw error;
    } finally {
      cursor.close();
    }
  }
}
