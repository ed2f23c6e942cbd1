// cache: keeps replies for their TTL, on the server's clock: what makes answers stale after a roll-out.
// Upstream: CoreDNS plugin/cache.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import type { Query, Reply } from "../message.ts";
import { matchZone } from "../name.ts";
import { argumentError, durationArgument, integerArgument, unknownProperty, zonesFrom } from "../plugin.ts";
import type { DnsPlugin, Next, PluginEnv, PluginType } from "../plugin.ts";
import { codeOf, withTtl } from "../record.ts";
import type { ResourceRecord } from "../record.ts";
import { CacheItem, CacheShelf } from "./cache-shelf.ts";

const CAPACITY = 9984;
const SERVFAIL_SECONDS = 5;
const [MAX_TTL, MAX_NEGATIVE_TTL, MIN_TTL] = [3600, 1800, 5];

interface Options {
  readonly zones: readonly string[];
  readonly success: { readonly capacity: number; readonly max: number; readonly min: number };
  readonly denial: { readonly capacity: number; readonly max: number; readonly min: number };
  readonly servfailSeconds: number;
  readonly except: { readonly success: readonly string[]; readonly denial: readonly string[] };
  readonly keepTtl: boolean;
  /** Items asked `amount` times without a pause of `windowMs` are fetched anew when `share` of their TTL is left. */
  readonly prefetch: { readonly amount: number; readonly windowMs: number; readonly share: number } | undefined;
  /** How long expired items may still be given, and whether the source is asked first. */
  readonly stale: { readonly seconds: number; readonly verify: boolean } | undefined;
}

/** How a reply is kept; undefined: it is not. */
export type Keep = "success" | "denial" | "servfail";

export const cachePlugin: PluginType = {
  name: "cache",
  setup: (stanza, env) => createCachePlugin(readStanza(stanza, env), env),
};

function createCachePlugin(options: Options, env: PluginEnv): DnsPlugin {
  const shelves = { success: new CacheShelf(options.success.capacity), denial: new CacheShelf(options.denial.capacity) };
  const zones = options.zones.join(",");
  const labels = { server: "dns://:53", zones, view: "" };
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
  const extra = {
    prefetched: env.metrics.counter("coredns_cache_prefetch_total", labels),
    stale: env.metrics.counter("coredns_cache_served_stale_total", labels),
  };
  const { prefetch, stale, keepTtl } = options;
  const dynamic = keepTtl || prefetch !== undefined || stale !== undefined;

  const keep = (query: Query, reply: Reply, before: CacheItem | undefined): Reply => {
    const how = reply.volatile ? undefined : cacheable(query, reply);
    const kind = how === "success" ? "success" : "denial";
    const bounds = options[kind];
    const seconds =
      how === "servfail" ? options.servfailSeconds : Math.min(Math.max(minimumTtl(reply, bounds.max), bounds.min), bounds.max);
    const fixed = reply.rcode === "SERVFAIL" && how === undefined ? reply : withTtls(reply, seconds);
    if (how === undefined || seconds <= 0) return fixed;
    if (options.except[kind].length > 0 && matchZone(query.name, options.except[kind]) !== undefined) return fixed;
    const now = env.clock.now();
    shelves[kind].set(query, new CacheItem(fixed, now, seconds, before));
    if (before && kind === "success") shelves.denial.delete(query);
    count.entries[kind].value = shelves[kind].size;
    const kept = { ...fixed, keepUntil: now + seconds * 1000, countHit: hits[kind], repeated: false };
    return dynamic ? { ...kept, volatile: true } : kept;
  };
  /** A source that fails does not push out what is still there. */
  const refresh = async (query: Query, next: Next, before: CacheItem): Promise<Reply> => {
    const reply = await next(query);
    return reply.rcode === "SERVFAIL" ? reply : keep(query, reply, before);
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
  const give = (item: CacheItem, kind: "denial" | "success", left: number): Reply => ({
    ...aged(item, keepTtl && left > 0 ? item.seconds : Math.max(0, left), kind, left),
    countHit: hits[kind],
    repeated: true,
    ...(dynamic ? { volatile: true } : {}),
  });

  return {
    name: "cache",
    serve(query, next) {
      if (matchZone(query.name, options.zones) === undefined) return next(query);
      const now = env.clock.now();
      const denied = find(query, "denial", now);
      const item = denied ?? find(query, "success", now);
      if (!item) {
        count.requests.value++;
        count.misses.value++;
        const reply = next(query);
        return reply instanceof Promise ? reply.then((late) => keep(query, late, undefined)) : keep(query, reply, undefined);
      }
      const kind = denied ? "denial" : "success";
      hits[kind]();
      const left = item.left(now);
      if (left <= 0) {
        extra.stale.value++;
        const fresh = refresh(query, next, item);
        if (stale?.verify)
          return fresh.then(
            (reply) => (reply.rcode === "NOERROR" || reply.rcode === "NXDOMAIN" ? reply : give(item, kind, 0)),
            () => give(item, kind, 0),
          );
        fresh.catch(() => {});
        return give(item, kind, 0);
      }
      if (prefetch) {
        item.use(now, prefetch.windowMs);
        if (item.hits >= prefetch.amount && left <= Math.ceil(prefetch.share * item.seconds)) {
          extra.prefetched.value++;
          refresh(query, next, item).catch(() => {});
        }
      }
      return give(item, kind, left);
    },
  };
}

function aged(item: CacheItem, ttl: number, kind: string, left: number): Reply {
  const { reply } = item;
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

function minimumTtl({ answers, authorities, additionals }: Reply, max: number): number {
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

function readStanza(stanza: Directive, env: PluginEnv): Options {
  const [first, ...rest] = stanza.args;
  const numeric = first && /^-?\d+$/.test(first.text);
  if (numeric && Number(first.text) <= 0) throw new CorefileError(`cache TTL can not be zero or negative: ${first.text}`, first);
  const cap = (max: number): number => (numeric ? Number(first.text) : max);
  const options = {
    zones: zonesFrom(numeric ? rest : stanza.args, env),
    success: { capacity: CAPACITY, max: cap(MAX_TTL), min: MIN_TTL },
    denial: { capacity: CAPACITY, max: cap(MAX_NEGATIVE_TTL), min: MIN_TTL },
    servfailSeconds: SERVFAIL_SECONDS,
    except: { success: [] as readonly string[], denial: [] as readonly string[] },
    keepTtl: false,
    prefetch: undefined as Options["prefetch"],
    stale: undefined as Options["stale"],
  };
  for (const line of stanza.body) {
    const word = line.name.text;
    if (word === "success" || word === "denial") {
      const { max, min } = options[word];
      options[word] = {
        capacity: integerArgument(line.args[0], line, 0, 10_000_000),
        max: line.args[1] ? integerArgument(line.args[1], line, 1, 2 ** 31) : max,
        min: line.args[2] ? integerArgument(line.args[2], line, 0, 2 ** 31) : min,
      };
    } else if (word === "servfail") {
      const seconds = Number(/^(\d+)s?$/.exec(line.args[0]?.text ?? "")?.[1]);
      if (!(seconds >= 0 && seconds <= 300))
        throw new CorefileError("caching SERVFAIL responses over 5 minutes is not permitted", line.name);
      options.servfailSeconds = seconds;
    } else if (word === "disable") {
      const kind = line.args[0]?.text;
      if (kind !== "success" && kind !== "denial") argumentError(line);
      options.except = { ...options.except, [kind]: line.args.length === 1 ? ["."] : zonesFrom(line.args.slice(1), env) };
    } else if (word === "keepttl") options.keepTtl = true;
    else if (word === "prefetch") options.prefetch = readPrefetch(line);
    else if (word === "serve_stale") options.stale = readStale(line);
    else unknownProperty(line);
  }
  return options;
}

function readPrefetch(line: Directive): Options["prefetch"] {
  const [amount, window, share] = line.args;
  if (line.args.length > 3) argumentError(line);
  const percent = share ? Number(/^(\d+)%$/.exec(share.text)?.[1]) : 10;
  if (share && !share.text.endsWith("%"))
    throw new CorefileError("last character of percentage should be `%`, but is: " + JSON.stringify(share.text.at(-1)), share);
  if (!(percent >= 10 && percent <= 90))
    throw new CorefileError(`percentage should fall in range [10, 90]: ${share?.text.slice(0, -1)}`, share ?? line.name);
  const wanted = integerArgument(amount, line, 0, 2 ** 31);
  return wanted === 0 ? undefined : { amount: wanted, windowMs: window ? durationArgument(window, line) : 60_000, share: percent / 100 };
}

function readStale(line: Directive): Options["stale"] {
  const [duration, mode] = line.args;
  if (line.args.length > 2) argumentError(line);
  const text = mode?.text.toLowerCase() ?? "immediate";
  if (text !== "immediate" && text !== "verify")
    throw new CorefileError(`invalid value for serve_stale refresh mode: ${text}`, mode ?? line.name);
  return { seconds: duration ? durationArgument(duration, line) / 1000 : 3600, verify: text === "verify" };
}
