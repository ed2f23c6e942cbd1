// cache: keeps replies for their TTL, on the server's clock: what makes answers stale after a roll-out.
// Upstream: CoreDNS plugin/cache. Left out: prefetch, serve_stale and verify.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import type { Query, Reply } from "../message.ts";
import { then } from "../message.ts";
import { matchZone } from "../name.ts";
import { argumentError, integerArgument, unknownProperty, zonesFrom } from "../plugin.ts";
import type { DnsPlugin, PluginEnv, PluginType } from "../plugin.ts";
import { codeOf, withTtl } from "../record.ts";
import type { ResourceRecord } from "../record.ts";

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
}

/** How a reply is kept; undefined: it is not. */
export type Keep = "success" | "denial" | "servfail";

export const cachePlugin: PluginType = {
  name: "cache",
  setup: (stanza, env) => createCachePlugin(readStanza(stanza, env), env),
};

interface Item {
  readonly reply: Reply;
  readonly stored: number;
  readonly seconds: number;
}

function createCachePlugin(options: Options, env: PluginEnv): DnsPlugin {
  const stores = { success: new Map<string, Item>(), denial: new Map<string, Item>() };
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
  return {
    name: "cache",
    serve(query, next) {
      if (matchZone(query.name, options.zones) === undefined) return next(query);
      const key = `${query.edns?.do ? 1 : 0}${query.checkingDisabled ? 1 : 0} ${query.question.type} ${query.question.class} ${query.name}`;
      const now = env.clock.now();
      for (const kind of ["denial", "success"] as const) {
        const item = stores[kind].get(key);
        if (!item) continue;
        const left = item.seconds - Math.floor((now - item.stored) / 1000);
        if (left <= 0) {
          stores[kind].delete(key);
          count.entries[kind].value = stores[kind].size;
          continue;
        }
        hits[kind]();
        return {
          ...aged(item, options.keepTtl ? item.seconds : left, kind, left),
          countHit: hits[kind],
          ...(options.keepTtl ? { volatile: true } : {}),
        };
      }
      count.requests.value++;
      count.misses.value++;
      return then(next(query), (reply) => {
        const keep = reply.volatile ? undefined : cacheable(query, reply);
        const bounds = keep === "success" ? options.success : options.denial;
        const kind = keep === "success" ? "success" : "denial";
        const seconds =
          keep === "servfail" ? options.servfailSeconds : Math.min(Math.max(minimumTtl(reply, bounds.max), bounds.min), bounds.max);
        const fixed = reply.rcode === "SERVFAIL" && keep === undefined ? reply : withTtls(reply, seconds);
        if (keep === undefined || seconds <= 0 || matchZone(query.name, options.except[kind]) !== undefined) return fixed;
        const item = { reply: fixed, stored: now, seconds };
        const store = stores[kind];
        store.set(key, item);
        if (store.size > bounds.capacity)
          for (const oldest of store.keys()) {
            store.delete(oldest);
            break;
          }
        count.entries[kind].value = store.size;
        return options.keepTtl ? { ...fixed, volatile: true } : { ...fixed, keepUntil: now + seconds * 1000, countHit: hits[kind] };
      });
    },
  };
}

function aged(item: Item, ttl: number, kind: string, left: number): Reply {
  const { reply } = item;
  const why = [{ plugin: "cache", text: `${kind} kept for another ${left} s` }, ...reply.why];
  return { ...withTtls(reply, ttl), aa: true, why, keepUntil: item.stored + item.seconds * 1000 };
}

function withTtls(reply: Reply, ttl: number): Reply {
  const all = (records: readonly ResourceRecord[]): readonly ResourceRecord[] =>
    records.every((record) => record.ttl === ttl) ? records : records.map((record) => withTtl(record, ttl));
  return { ...reply, answers: all(reply.answers), authorities: all(reply.authorities), additionals: all(reply.additionals) };
}

function minimumTtl(reply: Reply, max: number): number {
  const records = [...reply.answers, ...reply.authorities, ...reply.additionals];
  return records.length === 0 ? MIN_TTL : records.reduce((least, record) => Math.min(least, record.ttl), max);
}

/** Whether and as what a reply may be kept. */
export function cacheable(query: Query, reply: Reply): Keep | undefined {
  if (reply.tc || query.opcode !== 0 || query.question.type === 251 || query.question.type === 252) return undefined;
  const soa = reply.authorities.some((record) => record.type === "SOA");
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
    else unknownProperty(line);
  }
  return options;
}
