// The common shape of a query, read in one pass without a decoder: one question of class and type any, opcode QUERY, at most an OPT of version 0.
// Upstream: none. Everything else (other opcodes, escapes in labels, further records) is decode.ts's, which reads these the same way.
import type { Edns, Query } from "./message.ts";
import { ednsOptionsAt, readName } from "./wire-name.ts";
import type { SocketAddress } from "../model/ports.ts";

const HEADER_BYTES = 12;
const OPT_BYTES = 11;
const MAX_NAME_BYTES = 255;
const NO_OPTIONS: Edns["options"] = [];

/** Octets that stand in a name as they are, in lower case; 0 for the rest. */
const LOWER = new Uint8Array(256);
for (let octet = 0x21; octet < 0x7f; octet++) LOWER[octet] = '."\\();@$'.includes(String.fromCharCode(octet)) ? 0 : octet;
for (let octet = 0x41; octet <= 0x5a; octet++) LOWER[octet] = octet + 32;

export interface PlainQuestion {
  /** Of name in lower case, type, class, DO and CD: equal for questions that may share an answer, and seldom for others. */
  readonly hash: number;
  readonly type: number;
  readonly class: number;
  /** DO and CD, as bits that tell questions apart. */
  readonly flags: number;
  /** True when the name has no capitals. */
  readonly lower: boolean;
  readonly questionEnd: number;
  /** With the advertised size lowered to bufsize. */
  readonly edns: Edns | undefined;
  /** What the answer may measure over UDP. */
  readonly udpSize: number;
}

const scratch = Buffer.allocUnsafeSlow(MAX_NAME_BYTES);
const [FNV_OFFSET, FNV_PRIME] = [0x811c9dc5, 0x01000193];

/** Reads a plain query; undefined for everything else, malformed messages among them. */
export function readPlainQuestion(message: Buffer, bufsize: number): PlainQuestion | undefined {
  const { length } = message;
  if (length < HEADER_BYTES + 5) return undefined;
  // QR, opcode and TC clear; one question; no answer and authority; at most one additional.
  if (((message[2] ?? 0) & 0xfa) !== 0 || message[4] !== 0 || message[5] !== 1) return undefined;
  if (message[6] !== 0 || message[7] !== 0 || message[8] !== 0 || message[9] !== 0 || message[10] !== 0) return undefined;
  let at = HEADER_BYTES;
  let hash = FNV_OFFSET;
  let capitals = 0;
  for (let label = message[at] ?? 0xff; label !== 0; label = message[at] ?? 0xff) {
    if (label > 63 || at + label - HEADER_BYTES >= MAX_NAME_BYTES) return undefined;
    const end = at + label;
    hash = Math.imul(hash ^ label, FNV_PRIME);
    while (at < end) {
      const octet = message[++at] ?? 0;
      const lower = LOWER[octet] ?? 0;
      if (lower === 0) return undefined;
      capitals |= octet ^ lower;
      hash = Math.imul(hash ^ lower, FNV_PRIME);
    }
    at++;
  }
  if (at === HEADER_BYTES || at - HEADER_BYTES >= MAX_NAME_BYTES) return undefined;
  const questionEnd = at + 5;
  if (questionEnd > length) return undefined;
  const edns = message[11] === 0 ? undefined : readOpt(message, questionEnd, bufsize);
  if (edns === undefined && (message[11] !== 0 || questionEnd !== length)) return undefined;
  for (let i = 1; i <= 4; i++) hash = Math.imul(hash ^ (message[at + i] ?? 0), FNV_PRIME);
  const flags = (edns?.do ? 1 : 0) | ((message[3] ?? 0) & 0x10);
  return {
    // A small integer, which Maps find without allocating.
    hash: (Math.imul(hash ^ flags, FNV_PRIME) >>> 2) | 0,
    type: ((message[at + 1] ?? 0) << 8) | (message[at + 2] ?? 0),
    class: ((message[at + 3] ?? 0) << 8) | (message[at + 4] ?? 0),
    flags,
    lower: capitals === 0,
    questionEnd,
    edns,
    udpSize: edns === undefined ? 512 : Math.max(512, edns.udpSize),
  };
}

/** True when the names at the start of both questions differ at most in letter case. */
export function sameName(message: Buffer, other: Buffer, questionEnd: number): boolean {
  for (let at = HEADER_BYTES; at < questionEnd - 5; at++) {
    const [one, two] = [message[at] ?? 0, other[at] ?? 0];
    if (one === two) continue;
    const lower = LOWER[one] ?? 0;
    if (lower === 0 || lower !== LOWER[two]) return false;
  }
  return true;
}

/** The name of a plain question, in lower case. */
function plainName(message: Buffer): string {
  let to = 0;
  let at = HEADER_BYTES;
  for (let label = message[at] ?? 0; label !== 0; label = message[++at] ?? 0) {
    const end = at + label;
    while (at < end) scratch[to++] = LOWER[message[++at] ?? 0] ?? 0;
    scratch[to++] = 0x2e;
  }
  return scratch.toString("latin1", 0, to);
}

function readOpt(message: Buffer, at: number, bufsize: number): Edns | undefined {
  if (message[11] !== 1 || at + OPT_BYTES > message.length) return undefined;
  if (message[at] !== 0 || message[at + 1] !== 0 || message[at + 2] !== 41 || message[at + 6] !== 0) return undefined;
  const optionBytes = message.readUInt16BE(at + 9);
  if (at + OPT_BYTES + optionBytes !== message.length) return undefined;
  let options = NO_OPTIONS;
  if (optionBytes > 0) {
    try {
      options = ednsOptionsAt(message, at + 9);
    } catch {
      return undefined;
    }
  }
  return { udpSize: Math.min(message.readUInt16BE(at + 3), bufsize), version: 0, do: ((message[at + 7] ?? 0) & 0x80) !== 0, options };
}

/** The query that a plain question is. */
export function plainQuery(message: Buffer, plain: PlainQuestion, transport: "udp" | "tcp", client: SocketAddress): Query {
  const name = plainName(message);
  const flags = message[3] ?? 0;
  return {
    id: message.readUInt16BE(0),
    opcode: 0,
    recursionDesired: ((message[2] ?? 0) & 0x01) !== 0,
    authenticData: (flags & 0x20) !== 0,
    checkingDisabled: (flags & 0x10) !== 0,
    question: { name: plain.lower ? name : readName(message, HEADER_BYTES).name, type: plain.type, class: plain.class },
    name,
    edns: plain.edns,
    transport,
    client,
    sizeBytes: message.length,
  };
}
