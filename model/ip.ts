// IP addresses and blocks, on ipaddr.js: canonical text in and out, plus the counting and iteration that ipaddr.js lacks.
import ipaddr from "ipaddr.js";

export type IpFamily = "IPv4" | "IPv6";

/** IPv4 as it is nearly always written, which is canonical: told without parsing. */
const PLAIN_IPV4 = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/** The family of a strictly written address (four decimal parts, or RFC 4291 text), else undefined. */
export function ipFamily(text: string): IpFamily | undefined {
  if (PLAIN_IPV4.test(text)) return "IPv4";
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return "IPv4";
  return text.includes(":") && !text.includes("%") && ipaddr.IPv6.isValid(text) ? "IPv6" : undefined;
}

/** Canonical text (RFC 5952), or undefined when `text` is no address. IPv4-mapped addresses become IPv4. */
export function canonicalIp(text: string): string | undefined {
  if (PLAIN_IPV4.test(text)) return text;
  const family = ipFamily(text);
  return family && ipaddr.process(text).toString();
}

/** `canonicalIp`, but decimal numbers may have leading zeros (`1.2.3.004`), as old objects may have them. */
export function legacyIp(text: string): string | undefined {
  return canonicalIp(text) ?? canonicalIp(withoutLeadingZeros(text));
}

/** Leading zeros of decimal numbers left out, of an address or a block (`10.0.0.000/08`). */
export function withoutLeadingZeros(text: string): string {
  return text.includes(":") ? text.replace(/\/0+(?=\d)/, "/") : text.replace(/(^|[./])0+(?=\d)/g, "$1");
}

/** The address as a number, for arithmetic. */
export function ipToBigInt(ip: string): bigint {
  return ipaddr
    .parse(ip)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Text of a number in the given family. */
export function bigIntToIp(value: bigint, family: IpFamily): string {
  const bytes: number[] = [];
  for (let shift = family === "IPv4" ? 24n : 120n; shift >= 0n; shift -= 8n) bytes.push(Number((value >> shift) & 255n));
  return ipaddr.fromByteArray(bytes).toString();
}

/** A plainly written IPv4 address (no leading zeros) as a number; -1 for all else. Fast: it is asked of each flow. */
function ipv4Number(text: string): number {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit === -2 && part >= 0) {
      value = value * 256 + part;
      part = -1;
      parts++;
    } else if (digit >= 0 && digit <= 9 && part !== 0) {
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return -1;
    } else return -1;
  }
  return parts === 3 && part >= 0 ? value * 256 + part : -1;
}

/** An address block: `contains`, its size, and the address at an offset. */
export class Cidr {
  readonly family: IpFamily;
  readonly prefixLength: number;
  readonly #base: bigint;
  /** First and last IPv4 address as numbers; NaN for IPv6. */
  readonly #first: number;
  readonly #last: number;
  readonly #text: string;

  /** Parses `10.0.0.0/8`; throws RangeError when it is not a block. Host bits are cleared. */
  constructor(text: string) {
    const [address = "", prefix = ""] = text.split("/");
    const family = ipFamily(address);
    const bits = family === "IPv4" ? 32 : 128;
    if (!family || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) throw new RangeError(`invalid CIDR address: ${text}`);
    this.family = family;
    this.prefixLength = Number(prefix);
    const hostBits = BigInt(bits - this.prefixLength);
    this.#base = (ipToBigInt(address) >> hostBits) << hostBits;
    this.#first = family === "IPv4" ? Number(this.#base) : Number.NaN;
    this.#last = this.#first + Number(1n << hostBits) - 1;
    this.#text = `${bigIntToIp(this.#base, family)}/${this.prefixLength}`;
  }
  /** Number of addresses in the block. */
  get size(): bigint {
    return 1n << BigInt((this.family === "IPv4" ? 32 : 128) - this.prefixLength);
  }
  contains(ip: string): boolean {
    const number = ipv4Number(ip);
    if (number >= 0) return number >= this.#first && number <= this.#last;
    if (ipFamily(ip) !== this.family) return false;
    const value = ipToBigInt(ip);
    return value >= this.#base && value < this.#base + this.size;
  }
  /** The address `offset` places from the block's first. */
  at(offset: number | bigint): string {
    return bigIntToIp(this.#base + BigInt(offset), this.family);
  }
  /** How far `ip` is from the block's first address. */
  offsetOf(ip: string): bigint {
    return ipToBigInt(ip) - this.#base;
  }
  /** The `index`-th sub-block of the given prefix length. */
  subnet(index: number, prefixLength: number): Cidr {
    const bits = this.family === "IPv4" ? 32 : 128;
    return new Cidr(`${bigIntToIp(this.#base + (BigInt(index) << BigInt(bits - prefixLength)), this.family)}/${prefixLength}`);
  }
  toString(): string {
    return this.#text;
  }
}

/** True when `text` parses as a block. */
export function isCidr(text: string): boolean {
  try {
    return new Cidr(text).prefixLength >= 0;
  } catch {
    return false;
  }
}
