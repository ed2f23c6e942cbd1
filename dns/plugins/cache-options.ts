// The stanza of cache: for how long what is kept, fetched before its time, or given past it.
// Upstream: CoreDNS plugin/cache/setup.go.
import { CorefileError } from "../corefile.ts";
import type { Directive, Token } from "../corefile.ts";
import { argumentError, durationArgument, integerArgument, positiveDuration, readInteger, zonesFrom } from "../plugin.ts";
import type { PluginEnv } from "../plugin.ts";

const CAPACITY = 9984;
const SHARDS = 256;
const MIN_CAPACITY = 1024;
const SERVFAIL_SECONDS = 5;
const MAX_SERVFAIL_MS = 300_000;
const MAX_RECHECK_MS = 300_000;
const [MAX_TTL, MAX_NEGATIVE_TTL, MIN_TTL] = [3600, 1800, 5];

interface Shelf {
  readonly capacity: number;
  readonly max: number;
  readonly min: number;
}

export interface CacheOptions {
  readonly zones: readonly string[];
  readonly success: Shelf;
  readonly denial: Shelf;
  readonly servfailSeconds: number;
  readonly except: { readonly success: readonly string[]; readonly denial: readonly string[] };
  readonly keepTtl: boolean;
  /** Items asked `amount` times without a pause of `windowMs` are fetched anew when `share` of their TTL is left. */
  readonly prefetch: { readonly amount: number; readonly windowMs: number; readonly share: number } | undefined;
  readonly stale: StaleOptions | undefined;
}

/** How expired items are given. */
export interface StaleOptions {
  /** How long past their time. */
  readonly seconds: number;
  /** The source is asked first, at most this long (0: as long as it takes). */
  readonly verify: boolean;
  readonly verifyTimeoutMs: number;
  /** TTL of what is given; 0 is 0. */
  readonly ttlSeconds: number;
  /** Pause after a refresh that failed. */
  readonly recheckMs: number;
  /** An answer is given before a denial. */
  readonly preferPositive: boolean;
}

/** Reads the stanza; throws CorefileError. */
export function readCache(stanza: Directive, env: PluginEnv): CacheOptions {
  const [first, ...rest] = stanza.args;
  const numeric = first && /^[+-]?\d+$/.test(first.text);
  if (numeric && Number(first.text) <= 0) throw new CorefileError(`cache TTL can not be zero or negative: ${first.text}`, first);
  const cap = (max: number): number => (numeric ? Number(first.text) : max);
  let options: CacheOptions = {
    zones: zonesFrom(numeric ? rest : stanza.args, env),
    success: { capacity: CAPACITY, max: cap(MAX_TTL), min: MIN_TTL },
    denial: { capacity: CAPACITY, max: cap(MAX_NEGATIVE_TTL), min: MIN_TTL },
    servfailSeconds: SERVFAIL_SECONDS,
    except: { success: [], denial: [] },
    keepTtl: false,
    prefetch: undefined,
    stale: undefined,
  };
  let policy: Directive | undefined;
  for (const line of stanza.body) {
    if (line.name.text === "serve_stale_policy") policy = readPolicy(line, policy);
    else options = { ...options, ...readLine(line, options, env) };
  }
  if (!policy) return options;
  if (!stanza.body.some((line) => line.name.text === "serve_stale"))
    throw new CorefileError("serve_stale_policy requires serve_stale", policy.name);
  return options.stale ? { ...options, stale: { ...options.stale, preferPositive: true } } : options;
}

function readPolicy(line: Directive, before: Directive | undefined): Directive {
  if (before) throw new CorefileError("serve_stale_policy can only be specified once", line.name);
  const [policy] = line.args;
  if (!policy || line.args.length !== 1) argumentError(line);
  if (policy.text.toLowerCase() !== "prefer_positive") throw new CorefileError(`invalid serve_stale_policy: ${policy.text}`, policy);
  return line;
}

function readLine(line: Directive, before: CacheOptions, env: PluginEnv): Partial<CacheOptions> {
  switch (line.name.text) {
    case "success":
      return { success: readShelf(line, before.success) };
    case "denial":
      return { denial: readShelf(line, before.denial) };
    case "servfail": {
      if (line.args.length !== 1) argumentError(line);
      const ms = positiveDuration(line.args[0], line, "ttl for servfail");
      if (ms > MAX_SERVFAIL_MS)
        throw new CorefileError("caching SERVFAIL responses over 5 minutes is not permitted", line.args[0] ?? line.name);
      return { servfailSeconds: Math.floor(ms / 1000) };
    }
    case "disable": {
      const [kind, ...zones] = line.args;
      if (!kind) argumentError(line);
      if (kind.text !== "success" && kind.text !== "denial")
        throw new CorefileError('cache type for disable must be "success" or "denial"', kind);
      return { except: { ...before.except, [kind.text]: zones.length === 0 ? ["."] : zonesFrom(zones, env) } };
    }
    case "keepttl":
      if (line.args.length > 0) argumentError(line);
      return { keepTtl: true };
    case "prefetch":
      return { prefetch: readPrefetch(line) };
    case "serve_stale":
      return { stale: readStale(line) };
    default:
      return argumentError({ ...line, args: [] });
  }
}

/** `CAPACITY [TTL] [MINTTL]`; upstream has 256 shards of at least four each. */
function readShelf(line: Directive, { max, min }: Shelf): Shelf {
  const [capacity, ttl, least] = line.args;
  const asked = integerArgument(capacity, line, -(2 ** 31), 2 ** 31);
  const seconds = ttl ? integerArgument(ttl, line, -(2 ** 31), 2 ** 31) : max;
  if (seconds <= 0) throw new CorefileError(`cache TTL can not be zero or negative: ${seconds}`, ttl ?? line.name);
  const minimum = least ? integerArgument(least, line, -(2 ** 31), 2 ** 31) : min;
  if (minimum < 0) throw new CorefileError(`cache min TTL can not be negative: ${minimum}`, least ?? line.name);
  return { capacity: Math.max(MIN_CAPACITY, Math.floor(asked / SHARDS) * SHARDS), max: seconds, min: minimum };
}

function readPrefetch(line: Directive): CacheOptions["prefetch"] {
  const [amount, window, share] = line.args;
  if (line.args.length > 3) argumentError(line);
  if (share && !share.text.endsWith("%"))
    throw new CorefileError(`last character of percentage should be \`%\`, but is: '${share.text.at(-1) ?? ""}'`, share);
  const percent = share ? readInteger({ ...share, text: share.text.slice(0, -1) }) : 10;
  if (!(percent >= 10 && percent <= 90))
    throw new CorefileError(`percentage should fall in range [10, 90]: ${share?.text.slice(0, -1)}`, share ?? line.name);
  const wanted = integerArgument(amount, line, -(2 ** 31), 2 ** 31);
  if (wanted < 0) throw new CorefileError(`prefetch amount should be positive: ${wanted}`, amount ?? line.name);
  const windowMs = window ? durationArgument(window, line) : 60_000;
  return wanted === 0 ? undefined : { amount: wanted, windowMs, share: percent / 100 };
}

/** `[DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]`. */
function readStale(line: Directive): CacheOptions["stale"] {
  const [duration, mode, ...rest] = line.args;
  const text = mode?.text.toLowerCase() ?? "immediate";
  if (text !== "immediate" && text !== "verify")
    throw new CorefileError(`invalid value for serve_stale refresh mode: ${text}`, mode ?? line.name);
  const verify = text === "verify";
  const timeout = verify ? rest.shift() : undefined;
  const [ttl, recheck, extra] = rest;
  if (extra) argumentError(line);
  const seconds = duration ? positiveDuration(duration, line, "duration for serve_stale") / 1000 : 3600;
  const stale = {
    seconds,
    verify,
    verifyTimeoutMs: timeout ? staleDuration(timeout, line, "timeout for serve_stale verify", "verify timeout") : 0,
    ttlSeconds: ttl ? readStaleTtl(ttl, line) : 0,
    recheckMs: recheck ? staleDuration(recheck, line, "failure recheck for serve_stale", "failure recheck") : 0,
    preferPositive: false,
  };
  if (stale.recheckMs > MAX_RECHECK_MS)
    throw new CorefileError("serve_stale failure recheck cannot exceed 5 minutes", recheck ?? line.name);
  return seconds === 0 ? undefined : stale;
}

function staleDuration(token: Token, line: Directive, negative: string, what: string): number {
  let ms = 0;
  try {
    ms = durationArgument(token, line);
  } catch {
    throw new CorefileError(`invalid serve_stale ${what}: time: invalid duration "${token.text}"`, token);
  }
  if (ms < 0) throw new CorefileError(`invalid negative ${negative}`, token);
  return ms;
}

function readStaleTtl(token: Token, line: Directive): number {
  const ms = staleDuration(token, line, "response TTL for serve_stale", "response TTL");
  if (ms % 1000 !== 0) throw new CorefileError("serve_stale response TTL must be a whole number of seconds", token);
  if (ms / 1000 > 2 ** 32 - 1) throw new CorefileError("serve_stale response TTL exceeds the DNS TTL range", token);
  return ms / 1000;
}
