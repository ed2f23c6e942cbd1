// cache: keeps replies for their TTL, on the server's clock: what makes answers stale after a roll-out.
// Upstream: CoreDNS plugin/cache.
import type { Query, Reply } from "../message.ts";
import { matchZone } from "../name.ts";
import type { Clock } from "../../model/clock.ts";
import type { DnsPlugin, Next, PluginEnv, PluginType } from "../plugin.ts";
import { codeOf, withTtl } from "../record.ts";
import type { ResourceRecord } from "../record.ts";
import { replyType } from "../reply-type.ts";
import type { ReplyType } from "../reply-type.ts";
import { readCache } from "./cache-options.ts";
import type { CacheOptions } from "./cache-options.ts";
import { CacheItem, CacheShelf } from "./cache-shelf.ts";

const MIN_TTL = 5;

/** How a reply is kept; undefined: it is not. */
export type Keep = "success" | "denial" | "servfail";

export const cachePlugin: PluginType = {
  name: "cache",
  setup: (stanza, env) => createCachePlugin(readCache(stanza, env), env),
};

function createCachePlugin(options: CacheOptions, env: PluginEnv): DnsPlugin {
  const shelves = { success: new CacheShelf(options.success.capacity), denial: new CacheShelf(options.denial.capacity) };
  const zones = options.zones.join(",");
  const labels = { server: env.server, zones, view: "" };
  const count = {
    requests: env.metrics.counter("coredns_cache_requests_total", labels),
    misses: env.metrics.counter("coredns_cache_misses_total", labels),
    success: env.metrics.counter("coredns_cache_hits_total", { ...labels, type: "success" }),
    denial: env.metrics.counter("coredns_cache_hits_total", { ...labels, type: "denial" }),
    entries: {
      success: env.metrics.counter("coredns_cache_entries", { ...labels, type: "success" }),
      denial: env.metrics.counter("coredns_cache_entries", { ...labels, type: "denial" }),
    },
  };
  const hits = {
    success: (): void => void (count.requests.value++, count.success.value++),
    denial: (): void => void (count.requests.value++, count.denial.value++),
  };
  const evictions = {
    success: env.metrics.counter("coredns_cache_evictions_total", { ...labels, type: "success" }),
    denial: env.metrics.counter("coredns_cache_evictions_total", { ...labels, type: "denial" }),
  };
  const extra = {
    prefetched: env.metrics.counter("coredns_cache_prefetch_total", labels),
    stale: env.metrics.counter("coredns_cache_served_stale_total", labels),
  };
  const { prefetch, stale, keepTtl } = options;
  const dynamic = keepTtl || prefetch !== undefined || stale !== undefined;

  const keep = (query: Query, reply: Reply, before?: CacheItem, unseen = false): Reply => {
    if (reply.unwritten) return reply;
    const how = cacheable(query, reply);
    const type = cacheType(query, reply);
    const kind = type === "NXDOMAIN" || type === "NODATA" || type === "SERVERERROR" ? "denial" : "success";
    const { min, max } = options[kind];
    const seconds = type === "SERVERERROR" ? options.servfailSeconds : Math.min(Math.max(minimumTtl(type, reply, max), min), max);
    // The OPT record is between two servers. What is not kept has the TTLs of what is.
    const { edns: _edns, ...message } = reply;
    const fixed = withTtls(message, seconds);
    const shown = asWanted(query, fixed);
    if (how === undefined || seconds <= 0) return shown;
    if (options.except[kind].length > 0 && matchZone(query.name, options.except[kind]) !== undefined) return shown;
    const now = env.clock.now();
    if (shelves[kind].set(query, new CacheItem(fixed, now, seconds, before))) evictions[kind].value++;
    if (kind === "success" && (stale?.preferPositive ? answersQuestion(query, fixed.answers) : unseen)) shelves.denial.delete(query);
    count.entries[kind].value = shelves[kind].size;
    const kept = { ...shown, keepUntil: now + seconds * 1000, countHit: hits[kind], repeated: false };
    return dynamic ? { ...kept, volatile: true } : kept;
  };
  /** One at a time for an item; a source that fails does not push out what is still there. */
  const refresh = async (query: Query, next: Next, before: CacheItem): Promise<Reply | undefined> => {
    before.refreshing = true;
    let fresh: Reply | undefined;
    try {
      const reply = await next(asking(query));
      const isExpired = before.left(env.clock.now()) <= 0;
      const isAnswer = reply.rcode === "NOERROR" && answersQuestion(query, reply.answers);
      const replaces = !reply.tc && (stale?.preferPositive && isExpired ? isAnswer : isDefinite(reply));
      // A client who waits for the answer leaves a denial where it is.
      const unseen = !stale?.verify || stale.verifyTimeoutMs > 0 || !isExpired;
      if (replaces) fresh = keep(query, reply, before, unseen);
      else if (stale?.preferPositive && cacheable(query, reply) !== "success") keep(query, reply, before);
    } finally {
      before.refreshing = false;
      before.retryAtMs = fresh || !stale ? 0 : env.clock.now() + stale.recheckMs;
    }
    return fresh;
  };
  const find = (query: Query, kind: "denial" | "success", now: number): CacheItem | undefined => {
    const item = shelves[kind].get(query);
    if (!item) return undefined;
    const left = item.left(now);
    if (left > 0 || (stale && -left < stale.seconds)) return item;
    shelves[kind].delete(query);
    count.entries[kind].value = shelves[kind].size;
    return undefined;
  };
  /** What to give: a denial before an answer, except that a failure never hides an answer, nor a denial when answers are preferred. */
  const choose = (query: Query, now: number): { readonly item: CacheItem; readonly kind: "denial" | "success" } | undefined => {
    const success = find(query, "success", now);
    if (success && stale?.preferPositive && answersQuestion(query, success.reply.answers)) return { item: success, kind: "success" };
    const denial = find(query, "denial", now);
    if (denial && !(success && denial.reply.rcode === "SERVFAIL")) return { item: denial, kind: "denial" };
    return success && { item: success, kind: "success" };
  };
  const ttlOf = (item: CacheItem, left: number): number => {
    if (left <= 0 && stale && stale.ttlSeconds > 0) return stale.ttlSeconds;
    return keepTtl ? item.seconds : Math.max(0, left);
  };
  const give = (query: Query, item: CacheItem, kind: "denial" | "success", left: number): Reply => ({
    ...asWanted(query, aged(item, ttlOf(item, left), kind, left)),
    countHit: hits[kind],
    repeated: true,
    ...(dynamic ? { volatile: true } : {}),
  });

  return {
    name: "cache",
    serve(query, next) {
      if (matchZone(query.name, options.zones) === undefined) return next(query);
      const now = env.clock.now();
      const chosen = choose(query, now);
      if (!chosen) {
        count.requests.value++;
        count.misses.value++;
        const reply = next(asking(query));
        return reply instanceof Promise ? reply.then((late) => keep(query, late)) : keep(query, reply);
      }
      const { item, kind } = chosen;
      hits[kind]();
      const left = item.left(now);
      if (left <= 0) {
        const mayAsk = stale?.verify && stale.recheckMs === 0 ? true : !item.refreshing && now >= item.retryAtMs;
        if (mayAsk && !stale?.verify) extra.prefetched.value++;
        const fresh = mayAsk ? refresh(query, next, item).catch(() => undefined) : undefined;
        if (stale?.verify && fresh) {
          return verified(fresh, stale.verifyTimeoutMs, env.clock).then((reply) => {
            if (reply) return reply;
            extra.stale.value++;
            return give(query, item, kind, 0);
          });
        }
        extra.stale.value++;
        return give(query, item, kind, 0);
      }
      if (prefetch) {
        item.use(now, prefetch.windowMs);
        if (item.hits >= prefetch.amount && left <= Math.ceil(prefetch.share * item.seconds) && !item.refreshing) {
          extra.prefetched.value++;
          refresh(query, next, item).catch(() => {});
        }
      }
      return give(query, item, kind, left);
    },
  };
}

/** What is kept serves clients who want to know of validation and those who do not. */
function asking(query: Query): Query {
  return query.authenticData ? query : { ...query, authenticData: true };
}

/** Only those who have asked learn that it was validated (RFC 6840 §5.7). */
function asWanted(query: Query, reply: Reply): Reply {
  return reply.ad && !query.authenticData && !query.edns?.do ? { ...reply, ad: false, volatile: true } : reply;
}

/** The fresh reply, if it comes within the time; 0 waits for it. */
function verified(fresh: Promise<Reply | undefined>, timeoutMs: number, clock: Clock): Promise<Reply | undefined> {
  if (timeoutMs <= 0) return fresh;
  return new Promise((resolve) => {
    const timer = clock.after(timeoutMs, () => resolve(undefined), { background: true });
    void fresh.then((reply) => {
      timer.cancel();
      resolve(reply);
    });
  });
}

/** The source has said what there is, or that there is nothing (RFC 8767 §4). */
function isDefinite({ rcode }: Reply): boolean {
  return rcode === "NOERROR" || rcode === "NXDOMAIN";
}

function aged(item: CacheItem, ttl: number, kind: string, left: number): Reply {
  const { failure: _failure, upstream: _upstream, ...reply } = item.reply;
  const text = left > 0 ? `${kind} kept for another ${left} s` : `${kind} has expired and is served stale`;
  return {
    ...withTtls(reply, ttl),
    aa: true,
    why: [{ plugin: "cache", text }, ...reply.why],
    keepUntil: item.storedMs + item.seconds * 1000,
  };
}

function withTtls(reply: Reply, ttl: number): Reply {
  if (hasTtl(reply.answers, ttl) && hasTtl(reply.authorities, ttl) && hasTtl(reply.additionals, ttl)) return reply;
  const all = (records: readonly ResourceRecord[]): readonly ResourceRecord[] =>
    hasTtl(records, ttl) ? records : records.map((record) => withTtl(record, ttl));
  return { ...reply, answers: all(reply.answers), authorities: all(reply.authorities), additionals: all(reply.additionals) };
}

function hasTtl(records: readonly ResourceRecord[], ttl: number): boolean {
  for (const record of records) if (record.ttl !== ttl) return false;
  return true;
}

/** As log's classes have it, except that a CNAME chain that leads nowhere is no answer. */
function cacheType(query: Query, reply: Reply): ReplyType {
  const type = replyType(query, reply);
  const isEmpty = type === "NOERROR" && reply.answers.length > 0 && !answersQuestion(query, reply.answers);
  return isEmpty && reply.authorities.some((record) => record.type === "SOA") ? "NODATA" : type;
}

/** Delegations, transfers and errors have the least. */
function minimumTtl(type: ReplyType, { answers, authorities, additionals }: Reply, max: number): number {
  if (type !== "NOERROR" && type !== "NXDOMAIN" && type !== "NODATA") return MIN_TTL;
  if (answers.length + authorities.length + additionals.length === 0) return MIN_TTL;
  let least = max;
  for (const record of answers) least = Math.min(least, record.ttl);
  for (const record of authorities) least = Math.min(least, record.ttl);
  for (const record of additionals) least = Math.min(least, record.ttl);
  return least;
}

/** Whether and as what a reply may be kept. */
export function cacheable(query: Query, reply: Reply): Keep | undefined {
  if (reply.tc || query.opcode !== 0 || query.question.type === 251 || query.question.type === 252) return undefined;
  const soa = reply.authorities.length > 0 && reply.authorities.some((record) => record.type === "SOA");
  switch (reply.rcode) {
    case "SERVFAIL":
    case "NOTIMP":
      return "servfail";
    case "NXDOMAIN":
      return soa && reply.answers.length === 0 ? "denial" : undefined;
    case "NOERROR":
      if (reply.answers.length === 0) return soa ? "denial" : "success";
      if (answersQuestion(query, reply.answers)) return "success";
      return soa ? "denial" : undefined;
    default:
      return undefined;
  }
}

/** True when the answer section holds what was asked, through any CNAMEs. */
function answersQuestion(query: Query, answers: readonly ResourceRecord[]): boolean {
  const { type } = query.question;
  const [first] = answers;
  if (answers.length === 1 && first && first.name === query.question.name && codeOf(first) === type) return true;
  const owned = (name: string): readonly ResourceRecord[] => answers.filter((record) => record.name.toLowerCase() === name);
  if (type === 255) return owned(query.name).length > 0;
  const seen = new Set<string>();
  for (let name = query.name; ;) {
    if (seen.has(name)) return false;
    seen.add(name);
    const targets = new Set(owned(name).flatMap((record) => (record.type === "CNAME" ? [record.target.toLowerCase()] : [])));
    if (targets.size > 1) return false;
    const [target] = targets;
    if (type === 5) return target !== undefined;
    if (target === undefined) return owned(name).some((record) => codeOf(record) === type);
    name = target;
  }
}
