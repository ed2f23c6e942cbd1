// A reader that sees the store late: what turns "correct" into "real". With no delay it reads the store as it is.
// A delayed cursor keeps, for each key with a change that is not due yet, the object that it still sees.
import { type Clock, nextTurn, type Timer } from "../model/clock.ts";
import { type KubeObject, namespaceOf, type ObjectKey, objectKey } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Activity, Change, Cursor, ListQuery } from "./contract.ts";
import type { LogEntry } from "./revision-log.ts";
import { overlay } from "./table.ts";

/** What a cursor reads through. */
export interface CursorSource {
  readonly revision: number;
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined;
  list<T extends KubeObject>(type: ResourceType<T>, query?: ListQuery): readonly T[];
}

interface Pending {
  readonly type: ResourceType;
  readonly entry: LogEntry;
  readonly dueAt: number;
}

export class StoreCursor implements Cursor, Activity {
  readonly name: string;
  readonly #source: CursorSource;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #onClose: (cursor: StoreCursor) => void;
  readonly #subscriptions = new Set<Subscription>();
  readonly #seen = new Map<ResourceType, Map<ObjectKey, KubeObject | undefined>>();
  #pending: Pending[] = [];
  #revision: number;
  #timer: Timer | undefined;

  constructor(options: { name: string; source: CursorSource; clock: Clock; delayMs: number; onClose: (cursor: StoreCursor) => void }) {
    this.name = options.name;
    this.#source = options.source;
    this.#clock = options.clock;
    this.#delayMs = options.delayMs;
    this.#onClose = options.onClose;
    this.#revision = options.source.revision;
  }
  get revision(): number {
    return this.#pending.length === 0 ? this.#source.revision : this.#revision;
  }
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined {
    const late = this.#seen.get(type);
    const key = objectKey(namespace, name);
    return late?.has(key) ? (late.get(key) as T | undefined) : this.#source.get(type, namespace, name);
  }
  list<T extends KubeObject>(type: ResourceType<T>, query: ListQuery = {}): readonly T[] {
    const late = this.#seen.get(type);
    const present = this.#source.list(type, query);
    return late ? overlay(present, late as ReadonlyMap<ObjectKey, T | undefined>, query) : present;
  }
  batches(types: readonly ResourceType[], signal?: AbortSignal): AsyncIterable<readonly Change[]> {
    const subscription = new Subscription();
    this.#subscriptions.add(subscription);
    return subscription.iterate(
      types,
      (type) => this.#present(type),
      signal,
      () => this.#subscriptions.delete(subscription),
    );
  }
  #present(type: ResourceType): readonly Change[] {
    return this.list(type).map((object) => ({
      type,
      key: objectKey(namespaceOf(object), object.metadata.name),
      object,
      previous: undefined,
    }));
  }
  close(): void {
    this.#timer?.cancel();
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
    this.#onClose(this);
  }
  idle(): boolean {
    return this.#pending.length === 0 && [...this.#subscriptions].every((subscription) => subscription.waiting);
  }
  /** Takes one committed change; the store calls it for every write. */
  accept(type: ResourceType, entry: LogEntry): void {
    if (this.#delayMs <= 0) return this.#show(type, entry);
    if (this.#pending.length === 0) this.#revision = entry.revision - 1;
    const late = this.#seen.get(type) ?? new Map<ObjectKey, KubeObject | undefined>();
    this.#seen.set(type, late);
    if (!late.has(entry.key)) late.set(entry.key, entry.previous);
    this.#pending.push({ type, entry, dueAt: this.#clock.now() + this.#delayMs });
    this.#arm();
  }
  #arm(): void {
    const next = this.#pending[0];
    if (this.#timer || !next) return;
    this.#timer = this.#clock.after(Math.max(0, next.dueAt - this.#clock.now()), () => this.#advance(), { background: true });
  }
  #advance(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    let count = 0;
    for (const { type, entry, dueAt } of this.#pending) {
      if (dueAt > now) break;
      count++;
      this.#revision = entry.revision;
      this.#seen.get(type)?.set(entry.key, entry.deleted ? undefined : entry.object);
      this.#show(type, entry);
    }
    const shown = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    const stillLate = new Map<ResourceType, Set<ObjectKey>>();
    for (const { type, entry } of this.#pending) stillLate.set(type, (stillLate.get(type) ?? new Set()).add(entry.key));
    for (const { type, entry } of shown) if (!stillLate.get(type)?.has(entry.key)) this.#seen.get(type)?.delete(entry.key);
    this.#arm();
  }
  #show(type: ResourceType, entry: LogEntry): void {
    const change = { type, key: entry.key, object: entry.deleted ? undefined : entry.object, previous: entry.previous };
    for (const subscription of this.#subscriptions) subscription.push(change);
  }
}

/** More objects of a type than this are a turn's work. */
const MANY = 1000;

/** One consumer's queue of coalesced changes, after a first batch with all that is there. */
class Subscription {
  /** Those that are in the first batch already: changes of the others will be part of it. */
  readonly #types = new Set<ResourceType>();
  #changes = new Map<string, Change>();
  #ready = false;
  #ended = false;
  #wake: (() => void) | undefined;

  /** True when the consumer has taken everything and asks for more. */
  get waiting(): boolean {
    return this.#wake !== undefined && !this.#ready;
  }
  push(change: Change): void {
    if (!this.#types.has(change.type)) return;
    const key = `${change.type.group}/${change.type.resource} ${change.key}`;
    const earlier = this.#changes.get(key);
    const merged = earlier ? { ...change, previous: earlier.previous } : change;
    if (merged.object === undefined && merged.previous === undefined) this.#changes.delete(key);
    else this.#changes.set(key, merged);
    if (this.#ready) return;
    this.#ready = true;
    // The next turn, not the next microtask: a burst of writes arrives as one batch.
    if (this.#wake) setImmediate(this.#wake);
  }
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
  async *iterate(
    types: readonly ResourceType[],
    present: (type: ResourceType) => readonly Change[],
    signal: AbortSignal | undefined,
    onEnd: () => void,
  ): AsyncGenerator<readonly Change[]> {
    const onAbort = (): void => this.end();
    if (signal?.aborted) this.#ended = true;
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (!this.#ended) yield await this.#first(types, present);
      while (!this.#ended) {
        if (this.#ready) {
          const batch = [...this.#changes.values()];
          this.#changes = new Map();
          this.#ready = false;
          yield batch;
          continue;
        }
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      onEnd();
    }
  }
  async #first(types: readonly ResourceType[], present: (type: ResourceType) => readonly Change[]): Promise<readonly Change[]> {
    let all: readonly Change[] = [];
    for (const [index, type] of types.entries()) {
      const some = present(type);
      this.#types.add(type);
      all = all.length === 0 ? some : some.length === 0 ? all : [...all, ...some];
      if (some.length > MANY && index < types.length - 1) await nextTurn();
    }
    return all;
  }
}
