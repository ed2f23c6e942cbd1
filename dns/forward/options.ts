// The stanza of forward: which names go where, and how.
// Upstream: CoreDNS plugin/forward/setup.go. The TLS options are read and have no effect.
import { canonicalIp, ipFamily } from "../../model/ip.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive, Token } from "../corefile.ts";
import { isRcode } from "../message.ts";
import type { Rcode } from "../message.ts";
import { fqdn, isDomainName } from "../name.ts";
import { argumentError, durationArgument, durationText, readInteger, unknownProperty, zonesNamed } from "../plugin.ts";
import type { PluginEnv } from "../plugin.ts";
import type { PoolOptions } from "./connection-pool.ts";

const MAX_SERVERS = 15;

export interface ForwardOptions extends PoolOptions {
  readonly from: string;
  readonly servers: readonly SocketAddress[];
  readonly except: readonly string[];
  readonly forceTcp: boolean;
  readonly preferUdp: boolean;
  readonly policy: "random" | "round_robin" | "sequential";
  readonly readTimeoutMs: number;
  /** 0: no limit. */
  readonly maxConcurrent: number;
  /** 0: servers are never taken for down, nor probed. */
  readonly maxFails: number;
  /** Attempts for one query; 0: no limit but the time. */
  readonly maxAttempts: number;
  readonly checkMs: number;
  readonly checkDomain: string;
  readonly checkRecursive: boolean;
  /** Codes after which the next server is asked, or the next forward of the block. */
  readonly failover: ReadonlySet<string>;
  readonly next: ReadonlySet<string>;
  readonly nextOnNodata: boolean;
  /** SERVFAIL at once while all servers are down. */
  readonly failFast: boolean;
}

/** Reads the stanza; throws CorefileError. */
export function readForward(stanza: Directive, env: PluginEnv): ForwardOptions {
  const [from, ...targets] = stanza.args;
  if (!from || targets.length === 0) argumentError(stanza);
  const [zone] = zonesNamed([from]);
  if (zone === undefined) throw new CorefileError(`unable to normalize '${from.text}'`, from);
  const servers = new Map(targets.flatMap((token) => serversOf(token, env)).map((server) => [`${server.ip} ${server.port}`, server]));
  if (servers.size === 0) throw new CorefileError("no valid upstream addresses found", stanza.name);
  if (servers.size > MAX_SERVERS) throw new CorefileError(`more than ${MAX_SERVERS} TOs configured: ${servers.size}`, stanza.name);
  let options: ForwardOptions = {
    from: zone,
    servers: [...servers.values()],
    except: [],
    forceTcp: false,
    preferUdp: false,
    policy: "random",
    readTimeoutMs: 2000,
    maxConcurrent: 0,
    maxFails: 2,
    maxAttempts: 2 * servers.size,
    checkMs: 500,
    checkDomain: ".",
    checkRecursive: true,
    failover: new Set(),
    next: new Set(),
    nextOnNodata: false,
    failFast: false,
    expireMs: 10_000,
    maxAgeMs: 0,
    maxIdleConns: 0,
  };
  for (const line of stanza.body) options = { ...options, ...readLine(line, options) };
  const { expireMs, maxAgeMs } = options;
  if (maxAgeMs > 0 && maxAgeMs < expireMs)
    throw new CorefileError(`max_age (${durationText(maxAgeMs)}) must not be less than expire (${durationText(expireMs)})`, stanza.name);
  return options;
}

function serversOf(token: Token, env: PluginEnv): readonly SocketAddress[] {
  const text = token.text.replace(/^dns:\/\//, "");
  if (/^[a-z]+:\/\//.test(text)) throw new CorefileError(`only plain DNS upstreams are supported: ${token.text}`, token);
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const ip = ipFamily(text) ? text : (match?.[1] ?? match?.[2] ?? "");
  const port = ipFamily(text) ? 53 : Number(match?.[3] ?? 53);
  if (ipFamily(ip)) {
    if (port < 1 || port > 65_535) throw new CorefileError(`not an IP address or file: "${token.text}"`, token);
    return [{ ip: canonicalIp(ip) ?? ip, port }];
  }
  const file = env.readFile(text);
  if (file !== undefined) return nameserversOf(file);
  if (!isDomainName(ip)) throw new CorefileError(`not an IP address, file, or valid domain: "${token.text}"`, token);
  throw new CorefileError(`failed to resolve "${ip}": lookup ${ip}: no such host`, token);
}

/** The addresses of a resolv.conf, their zones left out; there may be none. */
function nameserversOf(file: string): readonly SocketAddress[] {
  return [...file.matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, text = ""]) => {
    const ip = canonicalIp(text.replace(/%.*/, ""));
    return ip === undefined ? [] : [{ ip, port: 53 }];
  });
}

function readLine(line: Directive, before: ForwardOptions): Partial<ForwardOptions> {
  const [first, ...rest] = line.args;
  const none = (): void => void (line.args.length === 0 || argumentError(line));
  const duration = (): number => {
    const ms = durationArgument(first, line);
    // Upstream tells this one in nanoseconds.
    const text = line.name.text === "health_check" ? String(Math.round(ms * 1e6)) : durationText(ms);
    if (ms < 0 && line.name.text !== "read_timeout")
      throw new CorefileError(`${line.name.text} can't be negative: ${text}`, first ?? line.name);
    return ms;
  };
  const positive = (): number => (first ? readInteger(first, "ParseUint") : argumentError(line));
  const count = (): number => {
    const value = first ? readInteger(first) : argumentError(line);
    if (value < 0) throw new CorefileError(`${line.name.text} can't be negative: ${value}`, first ?? line.name);
    return value;
  };
  switch (line.name.text) {
    case "except":
      if (!first) argumentError(line);
      return { except: [...before.except, ...zonesNamed(line.args)] };
    case "force_tcp":
      none();
      return { forceTcp: true };
    case "prefer_udp":
      none();
      return { preferUdp: true };
    case "policy":
      return { policy: readPolicy(first, line) };
    case "read_timeout": {
      const readTimeoutMs = duration();
      if (readTimeoutMs <= 0) throw new CorefileError(`read_timeout must be positive: ${durationText(readTimeoutMs)}`, first ?? line.name);
      return { readTimeoutMs };
    }
    case "max_concurrent":
      return { maxConcurrent: count() };
    case "max_fails":
      return { maxFails: positive() };
    case "max_connect_attempts":
      return { maxAttempts: positive() };
    case "health_check":
      return { checkMs: duration(), checkDomain: ".", ...readCheck(line, rest) };
    case "failover":
      return { failover: new Set([...before.failover, ...readCodes(line, false)]) };
    case "next":
      return { next: new Set([...before.next, ...readCodes(line, true)]) };
    case "next_on_nodata":
      none();
      return { nextOnNodata: true };
    case "failfast_all_unhealthy_upstreams":
      none();
      return { failFast: true };
    case "expire":
      return { expireMs: duration() };
    case "max_age":
      return { maxAgeMs: duration() };
    case "max_idle_conns":
      return { maxIdleConns: count() };
    case "tls":
      if (line.args.length > 3) argumentError(line);
      return {};
    case "tls_servername":
      if (!first) argumentError(line);
      return {};
    default:
      return unknownProperty(line);
  }
}

function readPolicy(token: Token | undefined, line: Directive): ForwardOptions["policy"] {
  const text = token?.text;
  if (text === "random" || text === "round_robin" || text === "sequential") return text;
  if (!token) argumentError(line);
  throw new CorefileError(`unknown policy '${token.text}'`, token);
}

/** `[no_rec] [domain FQDN]` behind the interval. */
function readCheck(line: Directive, words: readonly Token[]): Partial<ForwardOptions> {
  let options: Partial<ForwardOptions> = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word?.text === "no_rec") options = { ...options, checkRecursive: false };
    else if (word?.text === "domain") {
      const domain = words[++i];
      if (!domain) argumentError({ ...line, args: [word] });
      if (!isDomainName(domain.text)) throw new CorefileError(`health_check: invalid domain name ${domain.text}`, domain);
      options = { ...options, checkDomain: fqdn(domain.text.toLowerCase()) };
    } else throw new CorefileError(`health_check: unknown option ${word?.text}`, word ?? line.name);
  }
  return options;
}

function readCodes(line: Directive, noerror: boolean): readonly Rcode[] {
  if (line.args.length === 0) argumentError(line);
  return line.args.map((token) => {
    const code = token.text.toUpperCase();
    if (!isRcode(code)) throw new CorefileError(`${token.text} is not a valid rcode`, token);
    if (code === "NOERROR" && !noerror) throw new CorefileError("NoError cannot be used in failover", token);
    return code;
  });
}
