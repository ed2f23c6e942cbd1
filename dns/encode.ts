// From a reply to bytes: name compression (SRV targets stay whole, RFC 2782), the OPT record last, truncation that keeps what fits.
// Upstream: miekg/dns msg.go, msg_truncate.go, CoreDNS request.Scrub. dns2's own writer is quadratic in the records.
import { expandIpv6, labelOctets, labelsOf } from "./name.ts";
import { RCODES } from "./message.ts";
import type { Edns, Query, Reply } from "./message.ts";
import { codeOf } from "./record.ts";
import type { ResourceRecord } from "./record.ts";

/** Most that a TCP message can hold. */
export const MAX_TCP_BYTES = 65_535;
const HEADER_BYTES = 12;
const OPT_BYTES = 11;
const MAX_LABEL_BYTES = 63;
const [DOT, BACKSLASH] = [0x2e, 0x5c];
const MAX_POINTER = 0x3fff;
/** NSID, EXPIRE, COOKIE, TCP-KEEPALIVE, PADDING: the options that a server hands back as they came. */
const ECHOED_OPTIONS: ReadonlySet<number> = new Set([3, 9, 10, 11, 12]);

export interface Encoded {
  /** The message; its OPT record, if any, is the last `optBytes` of it. */
  readonly bytes: Buffer;
  readonly optBytes: number;
  readonly truncated: boolean;
  /** End of the question section. */
  readonly questionEnd: number;
  readonly ttlOffsets: readonly number[];
  /** Offsets of the RDATA of the answers' address records, when they all have one owner and type: they may be shuffled in place. */
  readonly addressOffsets: readonly number[];
  readonly addressBytes: number;
}

/** The size that an answer to this query may have. `bufsize` caps what a client advertises over UDP. */
export function sizeLimit(query: Query, bufsize = 65_535): number {
  return query.transport === "tcp" ? MAX_TCP_BYTES : Math.max(512, Math.min(query.edns?.udpSize ?? 512, bufsize));
}

/** Bytes of the OPT record that answers a query's. */
export function optLength(edns: Edns): number {
  let length = OPT_BYTES;
  for (const option of edns.options) if (isShown(edns, option.code)) length += 4 + option.data.length;
  return length;
}

function isShown(edns: Edns, code: number): boolean {
  return ECHOED_OPTIONS.has(code) || edns.shown?.has(code) === true;
}

/** Writes the OPT record that answers a query's: same size and DO bit, version 0, supported options unchanged. */
export function writeOpt(to: Buffer, offset: number, edns: Edns, extendedRcode = 0): void {
  to[offset] = 0;
  to.writeUInt16BE(41, offset + 1);
  to.writeUInt16BE(edns.udpSize, offset + 3);
  to[offset + 5] = extendedRcode;
  to[offset + 6] = 0;
  to.writeUInt16BE(edns.do ? 0x8000 : 0, offset + 7);
  to.writeUInt16BE(optLength(edns) - OPT_BYTES, offset + 9);
  let at = offset + OPT_BYTES;
  for (const { code, data } of edns.options) {
    if (!isShown(edns, code)) continue;
    to.writeUInt16BE(code, at);
    to.writeUInt16BE(data.length, at + 2);
    to.set(data, at + 4);
    at += 4 + data.length;
  }
}

/** Encodes a reply within `limit` bytes: records that do not fit are left out from the first that does not, and TC is set. */
export function encodeReply(query: Query, reply: Reply, limit = sizeLimit(query)): Encoded {
  const rcode = RCODES[reply.rcode];
  const edns = reply.edns ?? query.edns;
  const optBytes = edns ? optLength(edns) : 0;
  const writer = new MessageWriter(query.question.name, limit - optBytes);
  writer.question(query.question.name, query.question.type, query.question.class);
  const answers = writer.section(reply.answers);
  const authorities = writer.section(reply.authorities);
  const additionals = writer.section(reply.additionals);
  const truncated = writer.full;
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (reply.aa ? 0x0400 : 0) |
    (truncated || reply.tc ? 0x0200 : 0) |
    (reply.ra ? 0x0080 : 0) |
    (reply.ad ? 0x0020 : 0) |
    (rcode & 15) |
    (query.opcode === 0 ? ((reply.rd ?? query.recursionDesired) ? 0x0100 : 0) | (query.checkingDisabled ? 0x0010 : 0) : 0);
  const bytes = writer.finish(query.id, flags, answers, authorities, additionals, edns, rcode >> 4);
  return {
    bytes,
    optBytes,
    truncated: truncated || reply.tc === true,
    questionEnd: writer.questionEnd,
    ttlOffsets: writer.ttlOffsets,
    addressOffsets: writer.addressOffsets(reply.answers),
    addressBytes: reply.answers[0]?.type === "AAAA" ? 16 : 4,
  };
}

/** Encodes a query: what resolvers and forwarders send. `udpSize` adds an OPT record, `edns` is one whose options are all sent. */
export function encodeQuery(
  id: number,
  name: string,
  type: number,
  options: {
    readonly udpSize?: number;
    readonly edns?: Edns;
    readonly recursionDesired?: boolean;
    readonly checkingDisabled?: boolean;
    readonly authenticData?: boolean;
    readonly class?: number;
  } = {},
): Buffer {
  const { udpSize, edns = udpSize === undefined ? undefined : { udpSize, version: 0, do: false, options: [] } } = options;
  const writer = new MessageWriter(name, MAX_TCP_BYTES);
  writer.question(name, type, options.class ?? 1);
  const flags =
    (options.recursionDesired === false ? 0 : 0x0100) | (options.authenticData ? 0x0020 : 0) | (options.checkingDisabled ? 0x0010 : 0);
  return writer.finish(id, flags, 0, 0, 0, edns && { ...edns, shown: new Set(edns.options.map(({ code }) => code)) }, 0);
}

/** Every message is written here first: encoding never waits, so there is only one at a time. */
let scratch = Buffer.allocUnsafeSlow(8192);

class MessageWriter {
  #buffer = scratch;
  #at = HEADER_BYTES;
  /** Suffixes in their own spelling: case survives compression. Filled when the first name other than the question's is written. */
  #names: Map<string, number> | undefined;
  readonly #questionName: string;
  readonly #limit: number;
  readonly ttlOffsets: number[] = [];
  readonly #rdataOffsets: number[] = [];
  questionEnd = HEADER_BYTES;
  full = false;

  constructor(questionName: string, limit: number) {
    this.#questionName = questionName;
    this.#limit = limit;
  }

  question(name: string, type: number, cls: number): void {
    this.#labels(name);
    this.#room(5);
    this.#buffer[this.#at++] = 0;
    this.#u16(type);
    this.#u16(cls);
    this.questionEnd = this.#at;
  }

  /** Answers how many records fit. */
  section(records: readonly ResourceRecord[]): number {
    let written = 0;
    for (const record of records) {
      if (this.full || !this.#record(record)) break;
      written++;
    }
    return written;
  }

  finish(
    id: number,
    flags: number,
    answers: number,
    authorities: number,
    additionals: number,
    edns: Edns | undefined,
    extendedRcode: number,
  ): Buffer {
    const end = this.#at;
    this.#at = 0;
    this.#u16(id);
    this.#u16(flags);
    this.#u16(1);
    this.#u16(answers);
    this.#u16(authorities);
    this.#u16(additionals + (edns ? 1 : 0));
    const bytes = Buffer.allocUnsafe(end + (edns ? optLength(edns) : 0));
    this.#buffer.copy(bytes, 0, 0, end);
    if (edns) writeOpt(bytes, end, edns, extendedRcode);
    return bytes;
  }

  /** Where the addresses stand, when the answers are nothing but addresses of one owner and type. */
  addressOffsets(answers: readonly ResourceRecord[]): readonly number[] {
    const first = answers[0];
    if (!first || (first.type !== "A" && first.type !== "AAAA")) return [];
    for (const record of answers) if (record.type !== first.type || record.name !== first.name) return [];
    return answers.length === this.#rdataOffsets.length ? this.#rdataOffsets : this.#rdataOffsets.slice(0, answers.length);
  }

  /** False, and nothing written, when the record does not fit. */
  #record(record: ResourceRecord): boolean {
    const start = this.#at;
    this.#name(record.name, true);
    this.#u16(codeOf(record));
    this.#u16(record.type === "RAW" ? record.class : 1);
    const ttlOffset = this.#at;
    this.#u32(record.ttl);
    this.#u16(0);
    const rdata = this.#at;
    this.#rdata(record);
    if (this.#at > this.#limit) {
      this.#at = start;
      this.full = true;
      return false;
    }
    this.#buffer.writeUInt16BE(this.#at - rdata, rdata - 2);
    this.ttlOffsets.push(ttlOffset);
    this.#rdataOffsets.push(rdata);
    return true;
  }

  #rdata(record: ResourceRecord): void {
    switch (record.type) {
      case "A":
        this.#ipv4(record.address);
        break;
      case "AAAA":
        this.#bytes(Buffer.from(expandIpv6(record.address), "hex"));
        break;
      case "CNAME":
      case "PTR":
      case "NS":
        this.#name(record.target, true);
        break;
      case "SRV":
        this.#u16(record.priority);
        this.#u16(record.weight);
        this.#u16(record.port);
        this.#name(record.target, false);
        break;
      case "MX":
        this.#u16(record.preference);
        this.#name(record.exchange, true);
        break;
      case "TXT":
        for (const text of record.strings) {
          const octets = Buffer.from(text, "latin1").subarray(0, 255);
          this.#bytes(Buffer.from([octets.length]));
          this.#bytes(octets);
        }
        break;
      case "SOA":
        this.#name(record.mname, true);
        this.#name(record.rname, true);
        for (const value of [record.serial, record.refresh, record.retry, record.expire, record.minimum]) this.#u32(value);
        break;
      case "RAW":
        this.#bytes(record.data);
        break;
    }
  }

  #name(name: string, compress: boolean): void {
    if (compress && name === this.#questionName && name !== ".") return this.#u16(0xc000 | HEADER_BYTES);
    const names = (this.#names ??= this.#questionSuffixes());
    let rest = name;
    for (const label of labelsOf(name)) {
      const known = compress ? names.get(rest) : undefined;
      if (known !== undefined) return this.#u16(0xc000 | known);
      if (compress && this.#at <= MAX_POINTER && this.#at < this.#limit && !names.has(rest)) names.set(rest, this.#at);
      this.#label(label);
      rest = rest.slice(label.length + 1);
    }
    this.#room(1);
    this.#buffer[this.#at++] = 0;
  }

  #questionSuffixes(): Map<string, number> {
    const names = new Map<string, number>();
    let [rest, at] = [this.#questionName, HEADER_BYTES];
    for (const label of labelsOf(rest)) {
      names.set(rest, at);
      at += 1 + labelOctets(label).length;
      rest = rest.slice(label.length + 1);
    }
    return names;
  }

  /** The labels of a name without its end; straight from its characters where nothing is escaped. */
  #labels(name: string): void {
    if (name === ".") return;
    this.#room(name.length + 1);
    const start = this.#at;
    let lengthAt = start;
    let at = start + 1;
    for (let i = 0; i < name.length; i++) {
      const char = name.charCodeAt(i);
      if (char === DOT && at - lengthAt <= MAX_LABEL_BYTES + 1) {
        this.#buffer[lengthAt] = at - lengthAt - 1;
        lengthAt = at++;
      } else if (char === DOT || char === BACKSLASH || char > 0xff) {
        for (const label of labelsOf(name)) this.#label(label);
        return;
      } else this.#buffer[at++] = char;
    }
    this.#at = lengthAt;
  }

  #label(label: string): void {
    const octets = labelOctets(label).slice(0, MAX_LABEL_BYTES);
    this.#room(octets.length + 1);
    this.#buffer[this.#at++] = octets.length;
    for (let i = 0; i < octets.length; i++) this.#buffer[this.#at++] = octets.charCodeAt(i);
  }

  #ipv4(address: string): void {
    this.#room(4);
    let octet = 0;
    for (let i = 0; i < address.length; i++) {
      const char = address.charCodeAt(i);
      if (char !== 46) octet = octet * 10 + char - 48;
      else {
        this.#buffer[this.#at++] = octet;
        octet = 0;
      }
    }
    this.#buffer[this.#at++] = octet;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
    scratch = larger;
  }
  #bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }
  #u16(value: number): void {
    this.#room(2);
    this.#buffer[this.#at++] = value >>> 8;
    this.#buffer[this.#at++] = value;
  }
  #u32(value: number): void {
    this.#u16(value >>> 16);
    this.#u16(value & 0xffff);
  }
}
