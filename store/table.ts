// The present objects of one resource, by namespace and name, with the resource's log and the waiters for its next change.
import { compareText } from "../model/text.ts";
import { namespaceOf, type KubeObject, type ObjectKey, splitKey } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import { matchesFields } from "../model/selectors.ts";
import type { ListQuery } from "./contract.ts";
import { type LogEntry, RevisionLog } from "./revision-log.ts";

export class Table<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  readonly log: RevisionLog<T>;
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #sorted = new Map<string, readonly string[]>();
  #sortedNamespaces: readonly string[] | undefined;
  #latest: T | undefined;
  #waiters: (() => void)[] = [];

  constructor(type: ResourceType<T>, start: number, logLimit: number) {
    this.type = type;
    this.log = new RevisionLog(start, logLimit);
  }
  get(namespace: string, name: string): T | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }
  /** The object written last: the next one is often much like it. */
  get latest(): T | undefined {
    return this.#latest;
  }
  list(query: ListQuery = {}): readonly T[] {
    const namespaces = query.namespace === undefined ? this.#namespaceNames() : [query.namespace];
    const found: T[] = [];
    for (const namespace of namespaces) {
      const byName = this.#namespaces.get(namespace);
      for (const name of this.#names(namespace)) {
        const object = byName?.get(name);
        if (object && matchesQuery(object, query)) found.push(object);
      }
    }
    return found;
  }
  /** Applies one committed change and wakes the watches. */
  apply(entry: LogEntry<T>): void {
    const namespace = namespaceOf(entry.object);
    const name = entry.object.metadata.name;
    const byName = this.#namespaces.get(namespace);
    this.#latest = entry.object;
    if (entry.deleted) {
      byName?.delete(name);
      this.#sorted.delete(namespace);
      if (byName?.size === 0) {
        this.#namespaces.delete(namespace);
        this.#sortedNamespaces = undefined;
      }
    } else if (byName) {
      if (!byName.has(name)) this.#sorted.delete(namespace);
      byName.set(name, entry.object);
    } else {
      this.#namespaces.set(namespace, new Map([[name, entry.object]]));
      this.#sorted.delete(namespace);
      this.#sortedNamespaces = undefined;
    }
    this.log.append(entry);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
  /** Calls `wake` once, at the next change; returns how to stop waiting. */
  onNextChange(wake: () => void): () => void {
    this.#waiters.push(wake);
    return () => void (this.#waiters = this.#waiters.filter((other) => other !== wake));
  }
  /** The objects as they were at `revision`. Throws 410 Expired below the horizon. */
  listAt(revision: number, query: ListQuery): readonly T[] {
    const undo = new Map<ObjectKey, T | undefined>();
    for (const entry of this.log.after(revision)) {
      if (!undo.has(entry.key)) undo.set(entry.key, entry.previous);
    }
    return overlay(this.list(query), undo, query);
  }
  #namespaceNames(): readonly string[] {
    return (this.#sortedNamespaces ??= [...this.#namespaces.keys()].sort(compareText));
  }
  #names(namespace: string): readonly string[] {
    let names = this.#sorted.get(namespace);
    if (!names) this.#sorted.set(namespace, (names = [...(this.#namespaces.get(namespace)?.keys() ?? [])].sort(compareText)));
    return names;
  }
}

/** Replaces, removes and inserts the objects of `changes` in a sorted list that was filtered by `query`. */
export function overlay<T extends KubeObject>(
  present: readonly T[],
  changes: ReadonlyMap<ObjectKey, T | undefined>,
  query: ListQuery,
): readonly T[] {
  if (changes.size === 0) return present;
  const keyed = (object: T): ObjectKey =>
    namespaceOf(object) === "" ? object.metadata.name : `${namespaceOf(object)}/${object.metadata.name}`;
  const kept = present.filter((object) => !changes.has(keyed(object)));
  for (const [key, object] of changes) {
    if (!object) continue;
    if (query.namespace !== undefined && splitKey(key).namespace !== query.namespace) continue;
    if (matchesQuery(object, query)) kept.push(object);
  }
  return kept.sort((a, b) => compareText(namespaceOf(a), namespaceOf(b)) || compareText(a.metadata.name, b.metadata.name));
}

/** True when an object passes the label and field selectors of a query. */
export function matchesQuery(object: KubeObject, query: ListQuery): boolean {
  if (query.labels && !query.labels(object.metadata.labels)) return false;
  return !query.fields || matchesFields(object, query.fields);
}
