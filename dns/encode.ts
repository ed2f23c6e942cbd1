// From a reply to bytes: name compression (SRV targets stay whole, RFC 2782), the OPT record last, truncation that keeps what fits.
// Upstream: miekg/dns msg.go, msg_truncate.go, CoreDNS request.Scrub. dns2's own writer is quadratic in the records.
import { expandIpv6, labelOctets, labelsOf } from "./name.ts";
import { RCODES } from "./message.ts";
import type { Edns, EdnsOption, Query, Reply } from "./message.ts";
import { codeOf } from "./record.ts";
import type { ResourceRecord } from "./record.ts";

/** Most that a TCP message can hold. */
export const MAX_TCP_BYTES = 65_535;
const HEADER_BYTES = 12;
const MAX_POINTER = 0x3fff;
const NO_BYTES = Buffer.alloc(0);
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

/** The OPT record that answers a query's: same size and DO bit, version 0, supported options unchanged. */
export function encodeOpt(edns: Edns, extendedRcode = 0): Buffer {
  const options = edns.options.filter((option) => ECHOED_OPTIONS.has(option.code));
  const length = options.reduce((sum, option) => sum + 4 + option.data.length, 0);
  const opt = Buffer.alloc(11 + length);
  opt.writeUInt16BE(41, 1);
  opt.writeUInt16BE(edns.udpSize, 3);
  opt.writeUInt8(extendedRcode, 5);
  opt.writeUInt16BE(edns.do ? 0x8000 : 0, 7);
  opt.writeUInt16BE(length, 9);
  let at = 11;
  for (const { code, data } of options satisfies readonly EdnsOption[]) {
    opt.writeUInt16BE(code, at);
    opt.writeUInt16BE(data.length, at + 2);
    opt.set(data, at + 4);
    at += 4 + data.length;
  }
  return opt;
}

/** Encodes a reply within `limit` bytes: records that do not fit are left out from the first that does not, and TC is set. */
export function encodeReply(query: Query, reply: Reply, limit = sizeLimit(query)): Encoded {
  const rcode = RCODES[reply.rcode];
  const opt = query.edns ? encodeOpt(query.edns, rcode >> 4) : NO_BYTES;
  const writer = new MessageWriter(query.question.name, limit - opt.length);
  const counts = writer.sections([reply.answers, reply.authorities, reply.additionals], query);
  const truncated = writer.full;
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (reply.aa ? 0x0400 : 0) |
    (truncated || reply.tc ? 0x0200 : 0) |
    (reply.ra ? 0x0080 : 0) |
    (rcode & 15) |
    (query.opcode === 0 ? (query.recursionDesired ? 0x0100 : 0) | (query.checkingDisabled ? 0x0010 : 0) : 0);
  const bytes = writer.finish(query.id, flags, counts, opt);
  return { bytes, optBytes: opt.length, truncated: truncated || reply.tc === true, ...writer.layout(reply.answers) };
}

/** Encodes a query: what resolvers and forwarders send. */
export function encodeQuery(
  id: number,
  name: string,
  type: number,
  options: { readonly udpSize?: number; readonly recursionDesired?: boolean; readonly class?: number } = {},
): Buffer {
  const opt = options.udpSize === undefined ? NO_BYTES : encodeOpt({ udpSize: options.udpSize, version: 0, do: false, options: [] });
  const writer = new MessageWriter(name, MAX_TCP_BYTES);
  writer.question(name, type, options.class ?? 1);
  return writer.finish(id, options.recursionDesired === false ? 0 : 0x0100, [0, 0, 0], opt);
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
  readonly #ttlOffsets: number[] = [];
  readonly #rdataOffsets: number[] = [];
  #questionEnd = HEADER_BYTES;
  full = false;

  constructor(questionName: string, limit: number) {
    this.#questionName = questionName;
    this.#limit = limit;
  }

  question(name: string, type: number, cls: number): void {
    for (const label of labelsOf(name)) this.#label(label);
    this.#room(5);
    this.#buffer[this.#at++] = 0;
    this.#u16(type);
    this.#u16(cls);
    this.#questionEnd = this.#at;
  }

  sections(sections: readonly (readonly ResourceRecord[])[], query: Query): readonly number[] {
    this.question(query.question.name, query.question.type, query.question.class);
    return sections.map((records) => {
      let written = 0;
      for (const record of records) {
        if (this.full || !this.#record(record)) break;
        written++;
      }
      return written;
    });
  }

  finish(id: number, flags: number, counts: readonly number[], opt: Buffer): Buffer {
    this.#room(opt.length);
    opt.copy(this.#buffer, this.#at);
    this.#at += opt.length;
    const end = this.#at;
    this.#at = 0;
    for (const value of [id, flags, 1, counts[0] ?? 0, counts[1] ?? 0, (counts[2] ?? 0) + (opt.length > 0 ? 1 : 0)]) this.#u16(value);
    const bytes = Buffer.allocUnsafe(end);
    this.#buffer.copy(bytes, 0, 0, end);
    return bytes;
  }

  layout(answers: readonly ResourceRecord[]): Pick<Encoded, "questionEnd" | "ttlOffsets" | "addressOffsets" | "addressBytes"> {
    const first = answers[0];
    const uniform =
      first &&
      (first.type === "A" || first.type === "AAAA") &&
      answers.every((record) => record.type === first.type && record.name === first.name);
    const addressOffsets = uniform ? this.#rdataOffsets.slice(0, answers.length) : [];
    return { questionEnd: this.#questionEnd, ttlOffsets: this.#ttlOffsets, addressOffsets, addressBytes: first?.type === "AAAA" ? 16 : 4 };
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
    this.#ttlOffsets.push(ttlOffset);
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

  #label(label: string): void {
    const octets = labelOctets(label).slice(0, 63);
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
