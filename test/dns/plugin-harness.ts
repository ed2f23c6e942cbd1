// A DNS server as the tests use it: made of a Corefile over some objects, asked, its log read; what it forwards to; and Corefiles that are refused.
import type { Test } from "tap";
import { createChain } from "../../dns/chain.ts";
import type { Chain } from "../../dns/chain.ts";
import { CorefileError } from "../../dns/corefile.ts";
import { decodeQuery } from "../../dns/decode.ts";
import { encodeReply } from "../../dns/encode.ts";
import { emptyReply } from "../../dns/message.ts";
import type { Query, Reply } from "../../dns/message.ts";
import { Metrics } from "../../dns/metrics.ts";
import type { PluginEnv } from "../../dns/plugin.ts";
import { dataText, recordType, typeCode, zoneLine } from "../../dns/record.ts";
import { DnsServer } from "../../dns/server.ts";
import { compileZone } from "../../dns/zone.ts";
import type { Zone } from "../../dns/zone.ts";
import { VirtualClock } from "../../model/clock.ts";
import type { KubeObject } from "../../model/object.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";

export interface TestChain {
  readonly chain: Chain;
  readonly zone: Zone;
  readonly clock: VirtualClock;
  readonly metrics: Metrics;
  readonly lines: readonly string[];
  ask(name: string, type: string, options?: Partial<Query>): Promise<Reply>;
}

export interface ChainOptions {
  readonly clock?: VirtualClock;
  readonly serverIPs?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly zone?: Zone;
  readonly metrics?: Metrics;
  readonly exchange?: Exchange;
  readonly connect?: PluginEnv["connect"];
}

/** A chain of this Corefile over these objects, on a clock of its own; without `exchange` or `connect`, nobody can be forwarded to. */
export function testChain(corefile: string, objects: Iterable<KubeObject>, options: ChainOptions = {}): TestChain {
  const clock = options.clock ?? new VirtualClock();
  const zone = options.zone ?? compileZone(objects, 3000);
  const metrics = options.metrics ?? new Metrics();
  const lines: string[] = [];
  const chain = createChain(corefile, {
    zone,
    clock,
    random: seededRandom("dns-test"),
    serverIPs: options.serverIPs ?? ["127.244.0.2"],
    hostname: "coredns-0",
    metrics,
    connect: options.connect ?? connections(options.exchange ?? (() => Promise.reject(new Error("no network")))),
    readFile: (path) => options.files?.[path],
    log: (line) => void lines.push(line),
    fatal: (line) => void lines.push(line),
  });
  return { chain, zone, clock, metrics, lines, ask: async (name, type, more) => chain.serve(query(name, type, more)) };
}

/** The same behind a server, which is asked in bytes. */
export function testServer(corefile: string, objects: Iterable<KubeObject>, options: ChainOptions = {}): TestChain & { server: DnsServer } {
  const test = testChain(corefile, objects, options);
  const { chain, zone, clock, metrics } = test;
  return { ...test, server: new DnsServer({ chain, zone, clock, random: seededRandom("dns-server"), metrics }) };
}

export function query(name: string, type: string, more: Partial<Query> = {}): Query {
  return {
    id: 1,
    opcode: 0,
    recursionDesired: true,
    checkingDisabled: false,
    authenticData: false,
    question: { name, type: typeCode(type) ?? 0, class: 1 },
    name: name.toLowerCase(),
    edns: undefined,
    transport: "udp",
    client: { ip: "127.244.1.9", port: 40_000 },
    sizeBytes: 40,
    ...more,
  };
}

/** What a server that is forwarded to answers to a message, whatever the connection. */
export type Exchange = (server: SocketAddress, message: Buffer, how: { readonly tcp: boolean }) => Promise<Buffer>;

const connections =
  (exchange: Exchange): PluginEnv["connect"] =>
  async (server, { tcp }) => ({ ended: false, exchange: (message) => exchange(server, message, { tcp }), close: () => undefined });

/** Reads the query of a message to such a server. */
export function queryOf(message: Buffer, transport: "udp" | "tcp" = "udp", client: SocketAddress = { ip: "127.0.0.1", port: 1 }): Query {
  const decoded = decodeQuery(message, transport, client);
  if (decoded.type !== "query") throw new Error("not a query");
  return decoded.query;
}

/** Its answer in bytes: NOERROR without records, but for what is given. */
export function answerTo(query: Query, reply: Partial<Reply>): Buffer {
  return encodeReply(query, { ...emptyReply("NOERROR", "", ""), ...reply }).bytes;
}

/** A server that makes its answers so, or throws for none. */
export const answering =
  (reply: (query: Query) => Partial<Reply>): Exchange =>
  async (_server, message) => {
    const query = queryOf(message);
    return answerTo(query, reply(query));
  };

/** `rcode type data, type data`, sorted. */
export const answerData = ({ rcode, answers }: Reply): string =>
  `${rcode} ${[...answers.map((record) => `${recordType(record)} ${dataText(record)}`)].sort().join(", ")}`.trim();

/** `rcode owner ttl type data; …` */
export const answerLines = ({ rcode, answers }: Reply): string =>
  `${rcode} ${answers.map((record) => zoneLine(record).replace(" IN ", " ")).join("; ")}`.trim();

/** Why a Corefile is refused; "" when it is taken. */
export function faultOf(corefile: string, options: ChainOptions = {}): string {
  try {
    testChain(corefile, [], options).chain.close();
    return "";
  } catch (error) {
    if (error instanceof CorefileError) return error.message;
    throw error;
  }
}

/** Each of these is refused in a block, with these words. */
export function refuses(t: Test, rows: Iterable<readonly [stanza: string, message: string]>, options: ChainOptions = {}): void {
  for (const [stanza, message] of rows) {
    const fault = faultOf(`. {\n${stanza}\n}`, options);
    t.ok(fault.includes(message), `${stanza}: ${fault}`);
  }
}

/** Each of these is taken. */
export function takes(t: Test, stanzas: Iterable<string>): void {
  for (const stanza of stanzas) t.equal(faultOf(`. {\n${stanza}\n}`), "", stanza);
}
