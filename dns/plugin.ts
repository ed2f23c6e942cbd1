// What a plugin is: something that answers a query or passes it on, set up from one stanza of the Corefile.
// Upstream: CoreDNS plugin/plugin.go. Serving is synchronous unless a plugin has to wait.
import type { Clock } from "../model/clock.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { DnsConnection } from "./connection.ts";
import type { Random } from "../model/random.ts";
import { CorefileError, zonesOf } from "./corefile.ts";
import type { Directive, Token } from "./corefile.ts";
import type { Query, Reply } from "./message.ts";
import type { Metrics } from "./metrics.ts";
import { isDomainName, isWithin } from "./name.ts";
import type { ResourceRecord } from "./record.ts";
import type { Zone } from "./zone.ts";

export type MaybeReply = Reply | Promise<Reply>;

/** Asks the rest of the chain. */
export type Next = (query: Query) => MaybeReply;

/** A page that a plugin serves over HTTP on the pod's address. */
export interface PluginPage {
  readonly port: number;
  readonly path: string;
  respond(): { readonly status: number; readonly type: string; readonly body: string };
}

export interface DnsPlugin {
  readonly name: string;
  serve?(query: Query, next: Next): MaybeReply;
  readonly page?: PluginPage;
  /** False while the plugin cannot serve yet: what `ready` asks. */
  ready?(): boolean;
  /** All records of a zone, SOA first and last, or only the SOA when `serial` is current; undefined when the zone is another's. */
  transfer?(zone: string, serial: number): readonly ResourceRecord[] | undefined;
  /** Fails when the plugins beside it, all set up by then, are not what it needs. */
  check?(): void;
  /** The Corefile is live. */
  started?(): void;
  /** For whose names the plugins tell what they know, to `log` and `rewrite`. */
  readonly metadataZones?: readonly string[];
  /** Search path for a client, for autopath. */
  searchPath?(query: Query): readonly string[];
  close?(): void;
}

/** What a plugin may use. */
export interface PluginEnv {
  readonly zone: Zone;
  readonly clock: Clock;
  readonly random: Random;
  /** The server's own addresses. */
  readonly serverIPs: readonly string[];
  /** The pod's. */
  readonly hostname: string;
  /** Zones of the server block. */
  readonly blockZones: readonly string[];
  /** The server block's port. */
  readonly port: number;
  /** The server block's name in metrics: "dns://:53". */
  readonly server: string;
  /** Whether what is said at level debug is logged. */
  readonly debug: boolean;
  readonly metrics: Metrics;
  /** Asks the whole server again, as a new query: CNAME targets outside a zone. */
  ask(query: Query): MaybeReply;
  /** The plugins of this block, in order; complete once all are set up. */
  plugins(): readonly DnsPlugin[];
  /** A connection to another DNS server, over the pod's own network. */
  connect(server: SocketAddress, options: { readonly tcp: boolean; readonly timeoutMs: number }): Promise<DnsConnection>;
  readFile(path: string): string | undefined;
  log(line: string): void;
  /** Ends the server with exit code 1. */
  fatal(message: string): void;
}

export interface PluginType {
  readonly name: string;
  /** Reads one stanza; throws CorefileError. `all` are the block's stanzas of this plugin. */
  setup(stanza: Directive, env: PluginEnv, all: readonly Directive[]): DnsPlugin;
  /** How often it may stand in a block: once (the default), once for each stanza, or with all stanzas in one plugin. */
  readonly stanzas?: "once" | "each" | "together";
}

/** Zones given as arguments, else those of the server block. */
export function zonesFrom(args: readonly Token[], env: PluginEnv): readonly string[] {
  return args.length === 0 ? env.blockZones : zonesNamed(args);
}

/** Zones as they may stand in keys of blocks too, with a transport before and a port behind them; what names none is left out. */
export function zonesNamed(args: readonly Token[]): readonly string[] {
  return args.flatMap(({ text }) => {
    const host = text.replace(/^(?:dns|tls|quic|grpc|https3?):\/\//, "");
    const zones = host.endsWith(":") ? [] : zonesOf(host.replace(/:\d+$/, ""));
    return zones.every(isDomainName) ? zones : [];
  });
}

/** True when `zones` (of a fallthrough option) cover the name; undefined zones: no fallthrough. */
export function fallsThrough(zones: readonly string[] | undefined, name: string): boolean {
  return zones?.some((zone) => isWithin(name, zone)) ?? false;
}

/** Zones of a `fallthrough [ZONES…]` line: all when none is named. */
export function fallthroughZones(line: Directive): readonly string[] {
  return line.args.length === 0 ? ["."] : zonesNamed(line.args);
}

/** Fails like caddy's ArgErr. */
export function argumentError(line: Directive): never {
  throw new CorefileError(`Wrong argument count or unexpected line ending after '${line.args.at(-1)?.text ?? line.name.text}'`, line.name);
}

/** Fails on a line that the plugin does not know. */
export function unknownProperty(line: Directive): never {
  throw new CorefileError(`unknown property '${line.name.text}'`, line.name);
}

/** Refuses arguments and a block. */
export function takesNothing(stanza: Directive): void {
  if (stanza.args.length > 0) argumentError(stanza);
  for (const line of stanza.body) unknownProperty(line);
}

/** An integer argument within bounds. */
export function integerArgument(token: Token | undefined, line: Directive, min: number, max: number): number {
  if (!token) argumentError(line);
  const value = readInteger(token);
  if (value < min || value > max) throw new CorefileError(`${line.name.text} must be in range [${min}, ${max}]: ${value}`, token);
  return value;
}

/** An integer; fails as Go's strconv does, whose functions are named in its errors. */
export function readInteger(token: Token, by = "Atoi"): number {
  const signed = by === "Atoi" ? /^[+-]?\d+$/ : /^\d+$/;
  if (!signed.test(token.text)) throw new CorefileError(`strconv.${by}: parsing "${token.text}": invalid syntax`, token);
  const value = Number(token.text);
  const [least, most] = by === "Atoi" ? [-(2 ** 63), 2 ** 63] : [0, 2 ** 32 - 1];
  if (value < least || value > most) throw new CorefileError(`strconv.${by}: parsing "${token.text}": value out of range`, token);
  return value;
}

/** A Go duration ("5s", "1m30s", "500ms", "0") in milliseconds, negative ones too. */
export function durationArgument(token: Token | undefined, line: Directive): number {
  if (!token) argumentError(line);
  if (/^[+-]?0$/.test(token.text)) return 0;
  const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/s.exec(token.text) ?? [];
  const parts = [...rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== rest)
    throw new CorefileError(`time: invalid duration "${token.text}"`, token);
  const sum = parts.reduce((total, part) => total + Number(part[1]) * (units[part[2] ?? "s"] ?? 0), 0);
  return sign === "-" ? -sum : sum;
}

/** A duration as Go writes it: "5m0s", "1.5s", "300ms". */
export function durationText(ms: number): string {
  const sign = ms < 0 ? "-" : "";
  const left = Math.abs(ms);
  if (left === 0) return "0s";
  if (left < 1e-3) return `${sign}${Math.round(left * 1e6)}ns`;
  if (left < 1) return `${sign}${Number((left * 1e3).toFixed(3))}µs`;
  if (left < 1000) return `${sign}${Number(left.toFixed(6))}ms`;
  const [hours, minutes] = [Math.floor(left / 3_600_000), Math.floor((left % 3_600_000) / 60_000)];
  const seconds = `${Number(((left % 60_000) / 1000).toFixed(9))}s`;
  return sign + (hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "") + seconds;
}

/** A duration that is not negative. */
export function positiveDuration(token: Token | undefined, line: Directive, what: string): number {
  const ms = durationArgument(token, line);
  if (ms < 0) throw new CorefileError(`invalid negative ${what}`, token ?? line.name);
  return ms;
}

/** The port of ":8080" or "host:8080". */
export function portArgument(token: Token | undefined, fallback: number): number {
  if (!token) return fallback;
  const { text } = token;
  const [, host = "", digits = ""] = /^(\[[^\]]*\]|.*):([^:]*)$/.exec(text) ?? [];
  if (!text.includes(":")) throw new CorefileError(`address ${text}: missing port in address`, token);
  if (host.includes(":") && !host.startsWith("[")) throw new CorefileError(`address ${text}: too many colons in address`, token);
  const port = Number(digits);
  if (!/^\d+$/.test(digits) || port < 1 || port > 65_535) throw new CorefileError(`address ${text}: invalid port`, token);
  return port;
}
