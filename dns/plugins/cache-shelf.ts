// Where cache keeps replies: by class, type and flags, then by name, the oldest going first when it is full.
// Upstream: CoreDNS plugin/pkg/cache and plugin/cache/freq. Upstream shards by hash and evicts at random within a shard.
import type { Query, Reply } from "../message.ts";

export class CacheItem {
  readonly reply: Reply;
  readonly storedMs: number;
  readonly seconds: number;
  /** Uses in a row that were close enough together to call it popular. */
  hits: number;
  lastHitMs: number;
  /** A refresh is under way. */
  refreshing = false;
  /** No refresh before this time, after one that failed. */
  retryAtMs = 0;

  constructor(reply: Reply, storedMs: number, seconds: number, before: CacheItem | undefined) {
    this.reply = reply;
    this.storedMs = storedMs;
    this.seconds = seconds;
    this.hits = before?.hits ?? 0;
    this.lastHitMs = before?.lastHitMs ?? 0;
  }
  /** Whole seconds to live; negative once it is over. */
  left(nowMs: number): number {
    return this.seconds - Math.floor((nowMs - this.storedMs) / 1000);
  }
  /** Counts a use; a pause longer than `windowMs` starts the count again. */
  use(nowMs: number, windowMs: number): void {
    this.hits = nowMs - this.lastHitMs > windowMs ? 1 : this.hits + 1;
    this.lastHitMs = nowMs;
  }
}

export class CacheShelf {
  readonly #capacity: number;
  readonly #byKind = new Map<number, Map<string, CacheItem>>();
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }
  get size(): number {
    return this.#size;
  }
  get(query: Query): CacheItem | undefined {
    return this.#size === 0 ? undefined : this.#byKind.get(kindOf(query))?.get(query.name);
  }
  /** True when older items had to go. */
  set(query: Query, item: CacheItem): boolean {
    const kind = kindOf(query);
    let items = this.#byKind.get(kind);
    if (!items) this.#byKind.set(kind, (items = new Map()));
    const before = items.size;
    items.set(query.name, item);
    this.#size += items.size - before;
    if (this.#size <= this.#capacity) return false;
    this.#evict(items);
    return true;
  }
  delete(query: Query): void {
    if (this.#byKind.get(kindOf(query))?.delete(query.name)) this.#size--;
  }
  /** Several at once: a Map steps over what was deleted at its front, so one at a time would be slow. */
  #evict(items: Map<string, CacheItem>): void {
    let count = Math.max(1, this.#capacity >> 6);
    for (const oldest of items.keys()) {
      items.delete(oldest);
      this.#size--;
      if (--count === 0) return;
    }
  }
}

function kindOf(query: Query): number {
  const { type, class: cls } = query.question;
  return (cls * 65_536 + type) * 4 + (query.edns?.do ? 1 : 0) + (query.checkingDisabled ? 2 : 0);
}
