// The reconcile loop: keys in, one at a time, retried with back-off on failure.
// Upstream: client-go util/workqueue and every controller's processNextWorkItem.
import type { Clock, Timer } from "../model/clock.ts";
import { isStatus } from "../model/errors.ts";
import { log } from "../model/log.ts";
import type { KubeObject, ObjectKey } from "../model/object.ts";
import type { Component } from "../model/ports.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Activity, Cursor, Store } from "./contract.ts";

/** Which keys to look at again when an object of `type` changes. */
export interface Watch<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  keys(object: T): readonly ObjectKey[];
}

export interface ControllerOptions {
  readonly name: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly watches: readonly Watch[];
  /** Makes the world match the object of this key (which may be gone). Returns when to look again on its own, if ever. */
  reconcile(key: ObjectKey): Promise<{ readonly requeueAfterMs?: number } | void>;
}

/** Typed watch: `on(Pods, pod => [keyOf(pod)])`. */
export function on<T extends KubeObject>(type: ResourceType<T>, keys: (object: T) => readonly ObjectKey[]): Watch {
  return { type, keys: keys as (object: KubeObject) => readonly ObjectKey[] };
}

const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 30_000;

/** A component that reconciles every key once at start, and again after each relevant change. */
export function createController(options: ControllerOptions): Component {
  return new Controller(options);
}

class Controller implements Component, Activity {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #abort = new AbortController();
  readonly #queue = new Set<ObjectKey>();
  readonly #failures = new Map<ObjectKey, number>();
  readonly #later = new Map<ObjectKey, Timer>();
  #tracking: Disposable | undefined;
  #cursor: Cursor | undefined;
  #working = false;
  #feeding: Promise<void> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
  }
  idle(): boolean {
    return this.#queue.size === 0 && !this.#working;
  }
  async start(): Promise<void> {
    const { store } = this.#options;
    this.#tracking = store.track(this);
    this.#cursor = store.cursor({ name: this.name });
    this.#feeding = this.#feed(this.#cursor);
  }
  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    for (const timer of this.#later.values()) timer.cancel();
    this.#queue.clear();
    this.#cursor?.close();
    await this.#feeding;
    await this.#work;
    this.#tracking?.[Symbol.dispose]();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
  async #feed(cursor: Cursor): Promise<void> {
    const { watches } = this.#options;
    for await (const batch of cursor.batches(
      watches.map((watch) => watch.type),
      this.#abort.signal,
    )) {
      for (const change of batch) {
        for (const watch of watches) {
          if (watch.type !== change.type) continue;
          for (const object of [change.previous, change.object]) {
            if (object) for (const key of watch.keys(object)) this.#queue.add(key);
          }
        }
      }
      this.#wake();
    }
  }
  #wake(): void {
    if (this.#working || this.#queue.size === 0 || this.#abort.signal.aborted) return;
    this.#working = true;
    this.#work = this.#drain();
  }
  async #drain(): Promise<void> {
    for (const key of this.#queue) {
      this.#queue.delete(key);
      await this.#reconcile(key);
      if (this.#abort.signal.aborted) break;
    }
    this.#working = false;
    this.#wake();
  }
  async #reconcile(key: ObjectKey): Promise<void> {
    try {
      const again = await this.#options.reconcile(key);
      this.#failures.delete(key);
      if (again?.requeueAfterMs !== undefined) this.#requeue(key, again.requeueAfterMs);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (!isStatus(error, "Conflict")) log("warn", `${this.name}: ${key} failed`, { error, failures });
      this.#requeue(key, Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)));
    }
  }
  #requeue(key: ObjectKey, delayMs: number): void {
    if (this.#abort.signal.aborted) return;
    this.#later.get(key)?.cancel();
    const timer = this.#options.clock.after(
      delayMs,
      () => {
        this.#later.delete(key);
        this.#queue.add(key);
        this.#wake();
      },
      { background: true },
    );
    this.#later.set(key, timer);
  }
}
