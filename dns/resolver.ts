// The pod's side: a stub resolver that walks search path and ndots as the C library does, over the cluster's network.
// Upstream: glibc resolv/ (res_query.c, res_send.c). Left out: rotate, sortlist, single-request.
import type { Clock } from "../model/clock.ts";
import { badRequest } from "../model/errors.ts";
import { canonicalIp } from "../model/ip.ts";
import type { DnsRecord, DnsStep, Network, Peer, Resolve, ResolvConf, SocketAddress } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { decodeReply } from "./decode.ts";
import type { DecodedReply } from "./decode.ts";
import { encodeQuery } from "./encode.ts";
import { connectTo } from "./connection.ts";
import { exchangeOnce } from "./exchange.ts";
import { fqdn, labelsOf } from "./name.ts";
import { toDnsRecord, typeCode } from "./record.ts";

const UDP_BYTES = 1232;

export interface ResolverOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** Ask for AAAA beside A in `lookup`; default true, as glibc with AF_UNSPEC. */
  readonly ipv6?: boolean;
}

type QueryOptions = NonNullable<Parameters<Resolve["query"]>[4]>;

/** Settings of resolv.conf's options line. */
interface Settings {
  readonly ndots: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly useTcp: boolean;
}

/** The names to ask in turn: with fewer dots than ndots the search path comes first, else last; a trailing dot means no search. */
export function searchNames(conf: ResolvConf, name: string): readonly string[] {
  if (name.endsWith(".")) return [name];
  const absolute = fqdn(name);
  const searched = conf.searches.map((search) => (search === "." ? absolute : `${name}.${fqdn(search)}`));
  const dots = labelsOf(absolute).length - 1;
  const names = dots >= settingsOf(conf).ndots ? [absolute, ...searched] : [...searched, absolute];
  return [...new Set(names)];
}

function settingsOf(conf: ResolvConf): Settings {
  const number = (key: string, fallback: number, max: number): number => {
    const value = Number(conf.options.find((option) => option.startsWith(`${key}:`))?.slice(key.length + 1));
    return Number.isInteger(value) && value >= 0 ? Math.min(value, max) : fallback;
  };
  return {
    ndots: number("ndots", 1, 15),
    timeoutMs: number("timeout", 5, 30) * 1000,
    attempts: Math.max(1, number("attempts", 2, 5)),
    useTcp: conf.options.includes("use-vc"),
  };
}

/** A resolver on this network. */
export function createResolver({ network, clock, random, ipv6 = true }: ResolverOptions): Resolve {
  const ask = async (from: Peer, conf: ResolvConf, name: string, type: string, options: QueryOptions): Promise<DnsStep> => {
    const settings = settingsOf(conf);
    const servers: readonly SocketAddress[] = options.server
      ? [options.server]
      : conf.nameservers.slice(0, 3).map((ip) => ({ ip, port: 53 }));
    let step = failedStep(name, type, "ECONNREFUSED", { ip: "", port: 53 }, 0);
    for (let attempt = 0; attempt < settings.attempts; attempt++) {
      for (const server of servers) {
        step = await askServer(from, server, name, type, settings, options);
        if (step.rcode === "NOERROR" || step.rcode === "NXDOMAIN") return step;
      }
    }
    return step;
  };

  const askServer = async (
    from: Peer,
    server: SocketAddress,
    name: string,
    type: string,
    settings: Settings,
    options: QueryOptions,
  ): Promise<DnsStep> => {
    const start = clock.monotonic();
    const id = random.int(65_536);
    const message = encodeQuery(id, name, typeCode(type) ?? 1, { udpSize: UDP_BYTES });
    const net = {
      dial: (ip: string, port: number, dial?: object) => network.dial(from, { ip, port }, dial),
      openDatagram: (onMessage: (message: Uint8Array, source: SocketAddress) => void) => network.openDatagram(from, onMessage),
    };
    const how = { timeoutMs: settings.timeoutMs, ...(options.signal ? { signal: options.signal } : {}) };
    let tcp = options.tcp ?? settings.useTcp;
    try {
      let bytes = await exchangeOnce(connectTo(net, clock, server, { ...how, tcp }), message, how);
      let reply = decodeReply(bytes);
      if (reply.truncated && !tcp) {
        tcp = true;
        bytes = await exchangeOnce(connectTo(net, clock, server, { ...how, tcp }), message, how);
        reply = decodeReply(bytes);
      }
      return answeredStep(name, type, server, reply, clock.monotonic() - start, bytes.length, tcp);
    } catch (error) {
      options.signal?.throwIfAborted();
      return failedStep(name, type, errorCode(error), server, clock.monotonic() - start);
    }
  };

  const query: Resolve["query"] = async (from, conf, name, type, options = {}) => {
    if (typeCode(type) === undefined) throw badRequest(`${JSON.stringify(type)} is no record type`);
    const names = options.search === false ? [fqdn(name)] : searchNames(conf, name);
    const steps: DnsStep[] = [];
    for (const candidate of names) {
      const step = await ask(from, conf, candidate, type, options);
      steps.push(step);
      if (step.rcode === "NOERROR" && step.answers.length > 0) break;
      if (step.rcode === "TIMEOUT" || step.rcode === "ECONNREFUSED") break;
    }
    return steps;
  };

  const lookup: Resolve["lookup"] = async (from, conf, host) => {
    const literal = canonicalIp(host);
    if (literal !== undefined) return [literal];
    if (!/^[\w.-]{1,254}$/.test(host)) throw lookupError("ENOTFOUND", host);
    let failed = false;
    for (const name of searchNames(conf, host)) {
      const types = ipv6 ? ["A", "AAAA"] : ["A"];
      const steps = await Promise.all(types.map((type) => ask(from, conf, name, type, {})));
      const addresses = steps.flatMap((step) => step.answers).filter((record) => record.type === "A" || record.type === "AAAA");
      if (addresses.length > 0) return [...new Set(addresses.map((record) => record.data))];
      failed ||= steps.some((step) => step.rcode !== "NOERROR" && step.rcode !== "NXDOMAIN");
      if (steps.every((step) => step.rcode === "TIMEOUT" || step.rcode === "ECONNREFUSED")) break;
    }
    throw lookupError(failed ? "EAI_AGAIN" : "ENOTFOUND", host);
  };
  return { query, lookup };
}

function lookupError(code: string, hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, syscall: "getaddrinfo", hostname });
}

function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ETIMEDOUT") return "TIMEOUT";
  return code === "" || code === "undefined" ? "FORMERR" : code;
}

function answeredStep(
  name: string,
  type: string,
  server: SocketAddress,
  reply: DecodedReply,
  durationMs: number,
  sizeBytes: number,
  tcp: boolean,
): DnsStep {
  const section = (records: DecodedReply["answers"]): readonly DnsRecord[] => records.map(toDnsRecord);
  return {
    name,
    type,
    rcode: reply.rcode,
    server: serverText(server),
    answers: section(reply.answers),
    authorities: section(reply.authorities),
    additionals: section(reply.additionals),
    flags: reply.flags,
    durationMs,
    sizeBytes,
    tcp,
  };
}

/** `ip:port`, an IPv6 address in brackets. */
const serverText = ({ ip, port }: SocketAddress): string => `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;

function failedStep(name: string, type: string, rcode: string, server: SocketAddress, durationMs: number): DnsStep {
  return {
    name,
    type,
    rcode,
    server: serverText(server),
    answers: [],
    authorities: [],
    additionals: [],
    flags: [],
    durationMs,
    sizeBytes: 0,
    tcp: false,
  };
}
