// A watch: a position in a resource's log, not a list of callbacks. A slow reader holds nothing but its position.
// Upstream: apiserver pkg/storage/cacher; selectors turn changes into ADDED and DELETED at their edge.
import type { Clock } from "../model/clock.ts";
import { splitKey, type KubeObject } from "../model/object.ts";
import type { WatchEvent, WatchOptions } from "./contract.ts";
import type { LogEntry } from "./revision-log.ts";
import { matchesQuery, type Table } from "./table.ts";

const BOOKMARK_INTERVAL_MS = 60_000;

export async function* watchTable<T extends KubeObject>(
  table: Table<T>,
  currentRevision: () => number,
  clock: Clock,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { signal, bookmarks = false } = options;
  let position = options.from ?? 0;
  if (position === 0) {
    position = currentRevision();
    for (const object of table.list(options)) yield { type: "ADDED", object };
    if (bookmarks) yield { type: "BOOKMARK", revision: position, initial: true };
  } else table.log.after(position);
  while (!signal?.aborted) {
    const entries = table.log.after(position);
    for (const entry of entries) {
      position = entry.revision;
      const event = eventOf(entry, options);
      if (event) yield event;
      if (signal?.aborted) return;
    }
    if (entries.length > 0) continue;
    position = Math.max(position, currentRevision());
    const woken = await nextChange(table, clock, bookmarks, signal);
    if (woken === "bookmark") yield { type: "BOOKMARK", revision: currentRevision(), initial: false };
  }
}

function eventOf<T extends KubeObject>(entry: LogEntry<T>, query: WatchOptions): WatchEvent<T> | undefined {
  if (query.namespace !== undefined && splitKey(entry.key).namespace !== query.namespace) return undefined;
  const before = entry.previous !== undefined && matchesQuery(entry.previous, query);
  const after = !entry.deleted && matchesQuery(entry.object, query);
  if (before && after) return { type: "MODIFIED", object: entry.object };
  if (after) return { type: "ADDED", object: entry.object };
  return before ? { type: "DELETED", object: entry.object } : undefined;
}

function nextChange<T extends KubeObject>(
  table: Table<T>,
  clock: Clock,
  bookmarks: boolean,
  signal: AbortSignal | undefined,
): Promise<"change" | "bookmark"> {
  return new Promise((resolve) => {
    const finish = (result: "change" | "bookmark"): void => {
      forget();
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
      resolve(result);
    };
    const onAbort = (): void => finish("change");
    const forget = table.onNextChange(() => finish("change"));
    const timer = bookmarks ? clock.after(BOOKMARK_INTERVAL_MS, () => finish("bookmark"), { background: true }) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
