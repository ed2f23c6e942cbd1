// From bytes to queries and replies: dns2's Packet does the parsing; around it stand the checks that it leaves out.
// Upstream: miekg/dns acceptfunc.go and server.go. dns2 joins labels unescaped and drops the EDNS options it does not know: both are read here.
import { Packet } from "dns2";
import type DNS from "dns2";
import { ednsOptionsAt, readName, skipName } from "./wire-name.ts";
import { fqdn } from "./name.ts";
import { rcodeName } from "./message.ts";
import type { Edns, Query } from "./message.ts";
import type { ResourceRecord } from "./record.ts";
import type { SocketAddress } from "../model/ports.ts";

const OPT = 41;
const SOA = 6;
const HEADER_BYTES = 12;

/** What a datagram or frame turned out to be; `reject` carries the ready answer, `drop` deserves none. */
export type Decoded =
  | { readonly type: "query"; readonly query: Query }
  | { readonly type: "reject"; readonly answer: Buffer }
  | { readonly type: "drop" };

/** Decodes a query. Never throws: what cannot be read is FORMERR, an opcode that is not served NOTIMP, a response or a stub of a header nothing. */
export function decodeQuery(message: Buffer, transport: "udp" | "tcp", client: SocketAddress): Decoded {
  if (message.length < HEADER_BYTES || (message.readUInt8(2) & 0x80) !== 0) return { type: "drop" };
  const opcode = (message.readUInt8(2) >> 3) & 15;
  if (opcode !== 0 && opcode !== 4) return { type: "reject", answer: headerOnly(message, opcode, 4) };
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((offset) => message.readUInt16BE(offset));
  if (questions !== 1 || (answers ?? 0) > 1 || (authorities ?? 0) > 1 || (additionals ?? 0) > 2) return formatError(message);
  let packet: Packet;
  try {
    packet = Packet.parse(message);
    if (packet.errors.length > 0) return formatError(message);
    return { type: "query", query: queryOf(message, packet, opcode, transport, client) };
  } catch {
    return formatError(message);
  }
}

function queryOf(message: Buffer, packet: Packet, opcode: number, transport: "udp" | "tcp", client: SocketAddress): Query {
  const asked = packet.questions[0];
  if (!asked) throw new RangeError("no question");
  const { name, end } = readName(message, HEADER_BYTES);
  const authority = packet.authorities[0];
  const ixfrSerial = authority?.type === SOA ? authority.serial : undefined;
  const header = message.readUInt16BE(2);
  return {
    id: packet.header.id,
    opcode,
    recursionDesired: (header & 0x0100) !== 0,
    authenticData: (header & 0x0020) !== 0,
    checkingDisabled: (header & 0x0010) !== 0,
    question: { name, type: asked.type, class: asked.class },
    name: name.toLowerCase(),
    edns: ednsOf(message, packet, end + 4),
    transport,
    client,
    sizeBytes: message.length,
    ...(ixfrSerial === undefined ? {} : { ixfrSerial }),
  };
}

/** Where the RDLENGTH of the OPT record stands. */
function optRdataOffset(message: Buffer, start: number): number {
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  let offset = start;
  for (let i = 0; i < records; i++) {
    offset = skipName(message, offset);
    if (message.readUInt16BE(offset) === OPT) return offset + 8;
    offset += 10 + message.readUInt16BE(offset + 8);
  }
  throw new RangeError("no OPT record");
}

function formatError(message: Buffer): Decoded {
  return { type: "reject", answer: headerOnly(message, 0, 1) };
}

/** A reply of twelve bytes: what a server can say about a message that it could not read. */
function headerOnly(message: Buffer, opcode: number, rcode: number): Buffer {
  const answer = Buffer.alloc(HEADER_BYTES);
  message.copy(answer, 0, 0, 2);
  answer.writeUInt16BE(0x8000 | (opcode << 11) | (message.readUInt16BE(2) & 0x0110) | rcode, 2);
  return answer;
}

/** A decoded reply, as a client sees it. */
export interface DecodedReply {
  readonly id: number;
  readonly rcode: string;
  readonly flags: readonly string[];
  readonly truncated: boolean;
  readonly question: { readonly name: string; readonly type: number; readonly class: number } | undefined;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without the OPT record. */
  readonly additionals: readonly ResourceRecord[];
  /** The OPT record. */
  readonly edns: Edns | undefined;
}

/** Decodes a reply; throws when it cannot be read. Records that could not be decoded are left out. */
export function decodeReply(message: Uint8Array): DecodedReply {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const packet = Packet.parse(bytes);
  const { header } = packet;
  const bits = bytes.readUInt16BE(2);
  const names: readonly [number, string][] = [
    [0x8000, "qr"],
    [0x0400, "aa"],
    [0x0200, "tc"],
    [0x0100, "rd"],
    [0x0080, "ra"],
    [0x0020, "ad"],
    [0x0010, "cd"],
  ];
  const asked = packet.questions[0];
  const section = (records: readonly DNS.Packet.Resource[]): readonly ResourceRecord[] =>
    records.filter((record) => record.type !== OPT).map(recordOf);
  return {
    id: header.id,
    rcode: rcodeName(header.rcode),
    flags: names.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name),
    truncated: (bits & 0x0200) !== 0,
    question: asked && { name: fqdn(asked.name), type: asked.type, class: asked.class },
    answers: section(packet.answers),
    authorities: section(packet.authorities),
    additionals: section(packet.additionals),
    edns: ednsOf(bytes, packet, header.qdcount === 0 ? HEADER_BYTES : skipName(bytes, HEADER_BYTES) + 4),
  };
}

/** The OPT record of a message whose records begin here. */
function ednsOf(message: Buffer, { additionals }: Packet, start: number): Edns | undefined {
  const opt = additionals.find((record) => record.type === OPT);
  return (
    opt && {
      udpSize: opt.class,
      version: (opt.ttl >>> 16) & 255,
      do: (opt.ttl & 0x8000) !== 0,
      options: ednsOptionsAt(message, optRdataOffset(message, start)),
    }
  );
}

function recordOf(record: DNS.Packet.Resource): ResourceRecord {
  const base = { name: fqdn(record.name), ttl: record.ttl };
  switch (record.type) {
    case 1:
      return { ...base, type: "A", address: record.address ?? "" };
    case 28:
      return { ...base, type: "AAAA", address: record.address ?? "" };
    case 5:
      return { ...base, type: "CNAME", target: fqdn(record.domain ?? "") };
    case 12:
      return { ...base, type: "PTR", target: fqdn(record.domain ?? "") };
    case 2:
      return { ...base, type: "NS", target: fqdn(record.ns ?? "") };
    case 33: {
      const { priority = 0, weight = 0, port = 0, target = "" } = record;
      return { ...base, type: "SRV", priority, weight, port, target: fqdn(target) };
    }
    case 15:
      return { ...base, type: "MX", preference: record.priority ?? 0, exchange: fqdn(record.exchange ?? "") };
    case 16:
      return { ...base, type: "TXT", strings: [record.data ?? []].flat().map(String) };
    case 6: {
      const { primary = "", admin = "", serial = 0, refresh = 0, retry = 0, expiration = 0, minimum = 0 } = record;
      return {
        ...base,
        type: "SOA",
        mname: fqdn(primary),
        rname: fqdn(admin),
        serial,
        refresh,
        retry,
        expire: Number(expiration),
        minimum,
      };
    }
    default:
      return {
        ...base,
        type: "RAW",
        code: record.type,
        class: record.class,
        data: Buffer.isBuffer(record.data) ? record.data : new Uint8Array(),
      };
  }
}
