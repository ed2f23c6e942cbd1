// Encoded answers, kept: a question asked again is a copy with id, flags and letter case patched, TTLs aged and addresses shuffled.
// Upstream: none; CoreDNS packs every reply. Nothing truncated, and nothing that depends on more than the question, is kept.
import type { Clock } from "../model/clock.ts";
import type { Random } from "../model/random.ts";
import { MAX_TCP_BYTES, optLength, writeOpt } from "./encode.ts";
import type { Encoded } from "./encode.ts";
import type { Query, Reply } from "./message.ts";
import { sameName } from "./plain-question.ts";
import type { PlainQuestion } from "./plain-question.ts";
import type { CountedIn } from "./query-metrics.ts";
import type { Zone } from "./zone.ts";

const HEADER_BYTES = 12;
const TRUNCATED = 0x02;
const MAX_ENTRIES = 10_000;
const MAX_BYTES = 32 << 20;

/** A kept answer. */
export interface KeptAnswer {
  /** As first sent, without an OPT record; TTLs as last sent. */
  readonly bytes: Buffer;
  /** Additional records without the OPT. */
  readonly additionals: number;
  readonly questionEnd: number;
  readonly type: number;
  readonly class: number;
  readonly flags: number;
  /** True when the name has no capitals as it was first asked. */
  readonly lower: boolean;
  readonly ttlOffsets: readonly number[];
  readonly addressOffsets: readonly number[];
  readonly addressBytes: number;
  /** The addresses in words of 32 bits, as last shuffled: a shuffle of any order is a shuffle. */
  readonly shuffled: Uint32Array | undefined;
  /** In all TTLs of `bytes`; undefined while they are as first sent. */
  ttl: number | undefined;
  /** Names outside pointers repeat the question's letter case: only the same spelling may have this copy. */
  readonly caseBound: boolean;
  readonly keepUntil: number | undefined;
  readonly generation: number;
  readonly countHit: (() => void) | undefined;
  /** The name, in lower case. */
  readonly name: string;
  /** Without compression. */
  readonly length: number;
  readonly rcode: Reply["rcode"];
  /** Where the last use was counted: most are counted in one place. */
  counted: CountedIn | undefined;
}

export class KeptAnswers {
  /** By hash; of two questions with one hash the later is kept. */
  readonly #entries = new Map<number, KeptAnswer>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #zone: Zone;
  readonly #shuffle: boolean;
  #bytes = 0;

  constructor(options: { readonly clock: Clock; readonly random: Random; readonly zone: Zone; readonly shuffle: boolean }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#zone = options.zone;
    this.#shuffle = options.shuffle;
  }
  get size(): number {
    return this.#entries.size;
  }

  /** What is kept for this message and still holds. */
  find(message: Buffer, asked: PlainQuestion): KeptAnswer | undefined {
    const entry = this.#entries.get(asked.hash);
    if (!entry || entry.questionEnd !== asked.questionEnd) return undefined;
    if (entry.type !== asked.type || entry.class !== asked.class || entry.flags !== asked.flags) return undefined;
    if (!sameName(message, entry.bytes, asked.questionEnd)) return undefined;
    if (entry.keepUntil === undefined ? entry.generation !== this.#zone.generation : entry.keepUntil <= this.#clock.now()) {
      this.#drop(asked.hash, entry);
      return undefined;
    }
    if (entry.caseBound && message.compare(entry.bytes, HEADER_BYTES, entry.questionEnd, HEADER_BYTES, asked.questionEnd) !== 0)
      return undefined;
    return entry;
  }

  /** The answer to this message, ready to send; a plain list of addresses is cut to what fits, anything else that does not fit is undefined. */
  copy(entry: KeptAnswer, message: Buffer, asked: PlainQuestion, transport: "udp" | "tcp"): Buffer | undefined {
    const optBytes = asked.edns ? optLength(asked.edns) : 0;
    const limit = (transport === "tcp" ? MAX_TCP_BYTES : asked.udpSize) - optBytes;
    const { length } = entry.bytes;
    const whole = length <= limit;
    const fitting = whole ? entry.addressOffsets : fittingAddresses(entry, limit);
    if (!fitting) return undefined;
    const end = whole ? length : (fitting.at(-1) ?? 0) + entry.addressBytes;
    if (entry.keepUntil !== undefined) age(entry, Math.ceil((entry.keepUntil - this.#clock.now()) / 1000));
    const bytes = Buffer.allocUnsafe(end + optBytes);
    if (whole) bytes.set(entry.bytes);
    else entry.bytes.copy(bytes, 0, 0, end);
    bytes[0] = message[0] ?? 0;
    bytes[1] = message[1] ?? 0;
    bytes[2] = ((entry.bytes[2] ?? 0) & 0xfe) | ((message[2] ?? 0) & 0x01);
    bytes[3] = ((entry.bytes[3] ?? 0) & 0xef) | ((message[3] ?? 0) & 0x10);
    if (!asked.lower || !entry.lower) message.copy(bytes, HEADER_BYTES, HEADER_BYTES, asked.questionEnd);
    if (!whole) {
      bytes.writeUInt8(bytes.readUInt8(2) | TRUNCATED, 2);
      bytes.writeUInt16BE(fitting.length, 6);
    }
    if (entry.shuffled) shuffleAddresses(bytes, fitting, entry.shuffled, entry.addressBytes >> 2, this.#random);
    bytes.writeUInt16BE(entry.additionals + (asked.edns ? 1 : 0), 10);
    if (asked.edns) writeOpt(bytes, end, asked.edns);
    entry.countHit?.();
    return bytes;
  }

  /** Keeps an answer, unless it may not be, or is cache's first: most names are asked once. */
  put(asked: PlainQuestion, query: Query, reply: Reply, encoded: Encoded, length: number): void {
    if (encoded.truncated || reply.volatile || reply.ad || reply.repeated === false) return;
    if (reply.rcode !== "NOERROR" && reply.rcode !== "NXDOMAIN") return;
    if (reply.keepUntil === undefined && reply.zone === undefined) return;
    const { optBytes, questionEnd, ttlOffsets, addressOffsets, addressBytes } = encoded;
    // A copy: the answer itself may still be on its way when the TTLs change.
    const bytes = Buffer.from(encoded.bytes.subarray(0, encoded.bytes.length - optBytes));
    const old = this.#entries.get(asked.hash);
    if (old) this.#drop(asked.hash, old);
    this.#entries.set(asked.hash, {
      bytes,
      additionals: bytes.readUInt16BE(10) - (optBytes > 0 ? 1 : 0),
      questionEnd,
      type: asked.type,
      class: asked.class,
      flags: asked.flags,
      lower: asked.lower,
      ttlOffsets,
      addressOffsets,
      addressBytes,
      shuffled: this.#shuffle && addressOffsets.length > 1 ? wordsAt(bytes, addressOffsets, addressBytes) : undefined,
      ttl: undefined,
      caseBound: reply.answers.some((record) => record.type === "SRV" || record.type === "NS" || record.type === "CNAME"),
      keepUntil: reply.keepUntil,
      generation: this.#zone.generation,
      countHit: reply.countHit,
      name: query.name,
      length,
      rcode: reply.rcode,
      counted: undefined,
    });
    this.#bytes += bytes.length;
    if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) return;
    let count = MAX_ENTRIES >> 6;
    for (const [oldest, entry] of this.#entries) {
      this.#drop(oldest, entry);
      if (--count <= 0 && this.#bytes <= MAX_BYTES) break;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #drop(hash: number, entry: KeptAnswer): void {
    this.#entries.delete(hash);
    this.#bytes -= entry.bytes.length;
  }
}

/** Offsets of the addresses that fit, when the answer is nothing but addresses of one owner: it may then be cut after any of them. */
function fittingAddresses(entry: KeptAnswer, limit: number): readonly number[] | undefined {
  if (entry.addressOffsets.length === 0 || entry.additionals > 0 || entry.bytes.readUInt16BE(8) > 0) return undefined;
  return entry.addressOffsets.filter((offset) => offset + entry.addressBytes <= limit);
}

/** Gives the TTLs this value; once a second for all answers. */
function age(entry: KeptAnswer, ttl: number): void {
  if (entry.ttl === ttl) return;
  entry.ttl = ttl;
  for (const offset of entry.ttlOffsets) entry.bytes.writeUInt32BE(ttl, offset);
}

function wordsAt(bytes: Buffer, offsets: readonly number[], length: number): Uint32Array {
  const words = new Uint32Array((offsets.length * length) >> 2);
  let to = 0;
  for (const offset of offsets) for (let at = offset; at < offset + length; at += 4) words[to++] = bytes.readUInt32BE(at);
  return words;
}

/**
 * Gives each of these places one of the addresses, all equally likely and none twice. A thousand numbers of the seeded stream would take
 * as long as all the rest, so it gives a seed (xorshift32, Marsaglia 2003).
 */
function shuffleAddresses(bytes: Buffer, places: readonly number[], addresses: Uint32Array, words: number, random: Random): void {
  const count = addresses.length / words;
  let state = random.int(0xffff_ffff) + 1;
  for (let i = 0; i < places.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = i + Math.floor(((state >>> 0) / 0x1_0000_0000) * (count - i));
    let place = places[i] ?? 0;
    for (let word = 0; word < words; word++) {
      const [one, other] = [i * words + word, j * words + word];
      const chosen = addresses[other] ?? 0;
      addresses[other] = addresses[one] ?? 0;
      addresses[one] = chosen;
      bytes[place++] = chosen >>> 24;
      bytes[place++] = chosen >>> 16;
      bytes[place++] = chosen >>> 8;
      bytes[place++] = chosen;
    }
  }
}
