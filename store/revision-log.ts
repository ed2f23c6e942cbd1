// The bounded log of changes, one per resource: what watches and old lists are read from.
// Upstream: etcd's MVCC history and the watch cache's ring. Below the horizon there is a typed failure, never a silent gap.
import { expired } from "../model/errors.ts";
import type { KubeObject, ObjectKey } from "../model/object.ts";

export interface LogEntry<T extends KubeObject = KubeObject> {
  readonly revision: number;
  readonly key: ObjectKey;
  /** The object after the change; on a deletion its last state with the deletion's resourceVersion. */
  readonly object: T;
  readonly deleted: boolean;
  readonly previous: T | undefined;
}

export class RevisionLog<T extends KubeObject = KubeObject> {
  readonly #limit: number;
  #entries: LogEntry<T>[] = [];
  /** Index in #entries of the oldest entry kept. */
  #first = 0;
  #horizon: number;

  /** Keeps at least `limit` entries; `start` is the revision before the first entry. */
  constructor(start: number, limit: number) {
    this.#horizon = start;
    this.#limit = limit;
  }
  /** Changes after this revision are all here. */
  get horizon(): number {
    return this.#horizon;
  }
  append(entry: LogEntry<T>): void {
    this.#entries.push(entry);
    if (this.#entries.length - this.#first <= this.#limit) return;
    this.#horizon = this.#entries[this.#first]?.revision ?? this.#horizon;
    this.#first++;
    if (this.#first > this.#limit) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
  /** Forgets all entries up to `revision`. */
  compact(revision: number): void {
    const at = this.#indexAfter(revision);
    this.#horizon = Math.max(this.#horizon, revision);
    this.#entries = this.#entries.slice(at);
    this.#first = 0;
  }
  /** Entries after `revision`, oldest first; throws 410 Expired when some of them are gone. */
  after(revision: number): readonly LogEntry<T>[] {
    if (revision < this.#horizon) throw expired(`too old resource version: ${revision} (${this.#horizon})`);
    const at = this.#indexAfter(revision);
    return at === this.#entries.length ? [] : this.#entries.slice(at);
  }
  #indexAfter(revision: number): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
