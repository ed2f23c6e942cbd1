// Serve: messages in, messages out. Binds nothing: datagrams and frames are brought to it.
// Upstream: CoreDNS core/dnsserver server.go.
import type { Clock } from "../model/clock.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import type { Chain } from "./chain.ts";
import { decodeQuery } from "./decode.ts";
import { encodeReply, sizeLimit } from "./encode.ts";
import { KeptAnswers } from "./kept-answers.ts";
import type { KeptAnswer } from "./kept-answers.ts";
import { emptyReply } from "./message.ts";
import type { Query, Reply } from "./message.ts";
import { messageLength } from "./message-length.ts";
import type { Metrics } from "./metrics.ts";
import { plainQuery, readPlainQuestion } from "./plain-question.ts";
import type { PlainQuestion } from "./plain-question.ts";
import { QueryMetrics } from "./query-metrics.ts";
import type { Sizes } from "./query-metrics.ts";
import type { ResourceRecord } from "./record.ts";
import type { Zone } from "./zone.ts";

const TRANSFER_BYTES = 60_000;
export interface Transport {
  readonly transport: "udp" | "tcp";
  readonly client: SocketAddress;
  readonly port: number;
}

export class DnsServer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #zone: Zone;
  readonly #metrics: Metrics;
  #chain: Chain;
  #kept: KeptAnswers;
  #counts: QueryMetrics;

  constructor(options: {
    readonly chain: Chain;
    readonly zone: Zone;
    readonly clock: Clock;
    readonly random: Random;
    readonly metrics: Metrics;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#zone = options.zone;
    this.#metrics = options.metrics;
    this.#chain = options.chain;
    this.#counts = new QueryMetrics(options.metrics, options.chain);
    this.#kept = this.#keptFor(options.chain);
    this.#observe();
  }
  get chain(): Chain {
    return this.#chain;
  }
  /** Answers kept in encoded form. */
  get keptCount(): number {
    return this.#kept.size;
  }
  /** Puts a new configuration in the old one's place; queries in flight end on the old one. */
  replaceChain(chain: Chain): void {
    this.#chain.close();
    this.#chain = chain;
    this.#counts = new QueryMetrics(this.#metrics, chain);
    this.#kept = this.#keptFor(chain);
    this.#observe();
  }

  /** Serves one message; `reply` is called once, several times for a transfer, or never (responses, stubs of headers, what acl drops). */
  serve(bytes: Uint8Array, from: Transport, reply: (answer: Buffer) => void): void {
    const start = this.#clock.monotonic();
    const message = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const plain = readPlainQuestion(message, this.#chain.bufsize);
    const kept = plain && this.#kept.find(message, plain);
    const copy = kept && this.#kept.copy(kept, message, plain, from.transport);
    if (copy) {
      reply(copy);
      return this.#countKept(kept, from, message.length, plain.edns?.do === true, start);
    }
    const query = plain ? plainQuery(message, plain, from.transport, from.client) : this.#decoded(message, from, reply);
    if (!query) return;
    const replied = this.#ask(query, from.port);
    if (!(replied instanceof Promise)) return this.#write(message, from, query, plain, replied, reply, start);
    replied
      .then((answer) => this.#write(message, from, query, plain, answer, reply, start))
      .catch(() => reply(encodeReply(query, emptyReply("SERVFAIL", "server", "internal error")).bytes));
  }

  /** What is no plain question, through dns2; undefined once it has been rejected or dropped. */
  #decoded(message: Buffer, from: Transport, reply: (answer: Buffer) => void): Query | undefined {
    const decoded = decodeQuery(message, from.transport, from.client);
    if (decoded.type === "query") return this.#clamped(decoded.query);
    if (decoded.type === "reject") reply(decoded.answer);
    return undefined;
  }

  #ask(query: Query, port: number): Reply | Promise<Reply> {
    try {
      const reply = this.#chain.serve(query, port);
      return reply instanceof Promise ? reply.catch((error: unknown) => this.#failed(error)) : reply;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): Reply {
    this.#metrics.counter("coredns_panics_total", {}).value++;
    return { ...emptyReply("SERVFAIL", "server", error instanceof Error ? error.message : String(error)), outside: true };
  }

  #write(
    message: Buffer,
    from: Transport,
    query: Query,
    plain: PlainQuestion | undefined,
    answer: Reply,
    reply: (answer: Buffer) => void,
    start: number,
  ): void {
    if (answer.dropped) return this.#count(query, from, answer, { request: message.length, response: 0 }, start);
    const { type } = query.question;
    if ((type === 252 || type === 251) && answer.answers.length > 1) {
      let response = 0;
      for (const part of transferParts(answer)) {
        response += messageLength(query, part);
        reply(encodeReply(query, part).bytes);
      }
      return this.#count(query, from, answer, { request: message.length, response }, start);
    }
    const spelled = respell(query, answer);
    const limited = spelled.edns ? { ...query, edns: spelled.edns } : query;
    const encoded = encodeReply(limited, spelled, sizeLimit(limited, this.#chain.bufsize));
    const response = answer.unwritten ? 0 : messageLength(query, answer);
    if (plain) this.#kept.put(plain, query, spelled, encoded, response);
    reply(encoded.bytes);
    if (answer.rcode !== "BADVERS") this.#count(query, from, answer, { request: message.length, response }, start);
  }

  #observe(): void {
    this.#chain.observe((query, reply, port) => {
      const sizes = {
        request: messageLength(query, emptyReply("NOERROR", "", "")),
        response: reply.unwritten ? 0 : messageLength(query, reply),
      };
      this.#count(query, { transport: query.transport, client: query.client, port }, reply, sizes, this.#clock.monotonic());
    });
  }

  #clamped(query: Query): Query {
    const { bufsize } = this.#chain;
    return query.edns && query.edns.udpSize > bufsize ? { ...query, edns: { ...query.edns, udpSize: bufsize } } : query;
  }

  #keptFor(chain: Chain): KeptAnswers {
    const shuffle = chain.plugins.some((plugin) => plugin.name === "loadbalance");
    return new KeptAnswers({ clock: this.#clock, random: this.#random, zone: this.#zone, shuffle });
  }

  #count({ name, question, edns }: Query, from: Transport, answer: Reply, sizes: Sizes, start: number): void {
    const { port, transport, client } = from;
    const by = answer.outside ? "server" : answer.unwritten || answer.dropped ? "chain" : "plugin";
    const counted = this.#counts.of(name, { port, transport, family: familyOf(client.ip), type: question.type, rcode: answer.rcode, by });
    counted.count(sizes, edns?.do === true, (this.#clock.monotonic() - start) / 1000);
  }

  #countKept(kept: KeptAnswer, from: Transport, request: number, dnssec: boolean, start: number): void {
    const { port, transport, client } = from;
    const family = familyOf(client.ip);
    let { counted } = kept;
    if (!counted || counted.served.port !== port || counted.served.transport !== transport || counted.served.family !== family) {
      const { type, rcode } = kept;
      kept.counted = counted = this.#counts.of(kept.name, { port, transport, family, type, rcode, by: "plugin" });
    }
    counted.count({ request, response: kept.length }, dnssec, (this.#clock.monotonic() - start) / 1000);
  }
}

/** CoreDNS's label: "1" for IPv4, "2" for IPv6. */
function familyOf(ip: string): "1" | "2" {
  return ip.includes(":") ? "2" : "1";
}

/** Names of a reply that cache may have kept from another spelling, in this question's: the owner as asked, and the zone as asked. */
export function respell(query: Query, reply: Reply): Reply {
  const asked = query.question.name;
  if (reply.keepUntil === undefined) return reply;
  const isLower = (record: ResourceRecord): boolean => record.name === record.name.toLowerCase();
  if (asked === query.name && reply.answers.every(isLower) && reply.authorities.every(isLower)) return reply;
  const { zone } = reply;
  if (zone === undefined || !query.name.endsWith(zone)) return reply;
  const spelled = asked.slice(asked.length - zone.length);
  const name = (text: string): string => {
    const lower = text.toLowerCase();
    if (lower === query.name) return asked;
    return lower.endsWith(zone) ? lower.slice(0, lower.length - zone.length) + spelled : text;
  };
  const target = (text: string): string => {
    const lower = text.toLowerCase();
    return lower.endsWith(zone) ? lower.slice(0, lower.length - zone.length) + spelled : text;
  };
  const respelled = (records: Reply["answers"]): Reply["answers"] =>
    records.map((record) => {
      if (record.type === "SOA") return { ...record, name: name(record.name), mname: target(record.mname), rname: target(record.rname) };
      return record.type === "SRV" || record.type === "NS"
        ? { ...record, name: name(record.name), target: target(record.target) }
        : { ...record, name: name(record.name) };
    });
  return {
    ...reply,
    answers: respelled(reply.answers),
    authorities: respelled(reply.authorities),
    additionals: respelled(reply.additionals),
  };
}

/** A transfer in messages that fit TCP. */
function* transferParts(reply: Reply): Iterable<Reply> {
  const size = (record: ResourceRecord): number => record.name.length + 30 + ("target" in record ? record.target.length : 40);
  let part: ResourceRecord[] = [];
  let bytes = 0;
  for (const record of reply.answers) {
    if (bytes + size(record) > TRANSFER_BYTES) {
      yield { ...reply, answers: part };
      part = [];
      bytes = 0;
    }
    part.push(record);
    bytes += size(record);
  }
  yield { ...reply, answers: part };
}
