// Resource records as plain objects, their type codes, and the one place where they become zone-file text.
// Upstream: miekg/dns types.go. Types that cluster DNS never makes are carried raw.
import type { DnsRecord } from "../model/ports.ts";

interface Common {
  readonly name: string;
  readonly ttl: number;
}
export type ResourceRecord = Common &
  (
    | { readonly type: "A" | "AAAA"; readonly address: string }
    | { readonly type: "CNAME" | "PTR" | "NS"; readonly target: string }
    | { readonly type: "SRV"; readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
    | { readonly type: "MX"; readonly preference: number; readonly exchange: string }
    | { readonly type: "TXT"; readonly strings: readonly string[] }
    | {
        readonly type: "SOA";
        readonly mname: string;
        readonly rname: string;
        readonly serial: number;
        readonly refresh: number;
        readonly retry: number;
        readonly expire: number;
        readonly minimum: number;
      }
    | { readonly type: "RAW"; readonly code: number; readonly class: number; readonly data: Uint8Array }
  );

/** IANA codes of the types by name, as far as miekg/dns knows them. */
export const TYPE_CODES: Readonly<Record<string, number>> = Object.fromEntries(
  [
    "A=1 NS=2 MD=3 MF=4 CNAME=5 SOA=6 MB=7 MG=8 MR=9 NULL=10 PTR=12 HINFO=13 MINFO=14 MX=15 TXT=16 RP=17 AFSDB=18 X25=19 ISDN=20",
    "RT=21 NSAP-PTR=23 SIG=24 KEY=25 PX=26 GPOS=27 AAAA=28 LOC=29 NXT=30 EID=31 NIMLOC=32 SRV=33 ATMA=34 NAPTR=35 KX=36 CERT=37",
    "DNAME=39 OPT=41 APL=42 DS=43 SSHFP=44 IPSECKEY=45 RRSIG=46 NSEC=47 DNSKEY=48 DHCID=49 NSEC3=50 NSEC3PARAM=51 TLSA=52",
    "SMIMEA=53 HIP=55 NINFO=56 RKEY=57 TALINK=58 CDS=59 CDNSKEY=60 OPENPGPKEY=61 CSYNC=62 ZONEMD=63 SVCB=64 HTTPS=65 SPF=99",
    "UINFO=100 UID=101 GID=102 UNSPEC=103 NID=104 L32=105 L64=106 LP=107 EUI48=108 EUI64=109 NXNAME=128 TKEY=249 TSIG=250",
    "IXFR=251 AXFR=252 MAILB=253 MAILA=254 ANY=255 URI=256 CAA=257 AVC=258 AMTRELAY=260 RESINFO=261 TA=32768 DLV=32769",
  ]
    .flatMap((line) => line.split(" "))
    .map((entry) => entry.split("="))
    .map(([name, code]) => [name, Number(code)]),
);
const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(TYPE_CODES).map(([name, code]) => [code, name]));

/** "A", "HTTPS", or "TYPE65280" (RFC 3597). */
export function typeName(code: number): string {
  return TYPE_NAMES.get(code) ?? `TYPE${code}`;
}

/** The code of "aaaa" or "TYPE28"; undefined when it is no type. */
export function typeCode(name: string): number | undefined {
  const upper = name.toUpperCase();
  const generic = /^TYPE(\d{1,5})$/.exec(upper);
  if (generic) return Number(generic[1]) < 65536 ? Number(generic[1]) : undefined;
  return Object.hasOwn(TYPE_CODES, upper) ? TYPE_CODES[upper] : undefined;
}

const CLASS_NAMES: Readonly<Record<number, string>> = { 1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY" };

/** "IN", "CH", or "CLASS7". */
export function className(code: number): string {
  return CLASS_NAMES[code] ?? `CLASS${code}`;
}

/** The code of "ch"; undefined when it is no class. */
export function classCode(name: string): number | undefined {
  const code = Object.keys(CLASS_NAMES).find((each) => CLASS_NAMES[Number(each)] === name.toUpperCase());
  return code === undefined ? undefined : Number(code);
}

/** The record's type code on the wire. */
export function codeOf(record: ResourceRecord): number {
  return record.type === "RAW" ? record.code : (TYPE_CODES[record.type] ?? 0);
}

/** RDATA as in a zone file. */
export function dataText(record: ResourceRecord): string {
  switch (record.type) {
    case "A":
    case "AAAA":
      return record.address;
    case "CNAME":
    case "PTR":
    case "NS":
      return record.target;
    case "SRV":
      return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
    case "MX":
      return `${record.preference} ${record.exchange}`;
    case "TXT":
      return record.strings.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(" ");
    case "SOA":
      return `${record.mname} ${record.rname} ${record.serial} ${record.refresh} ${record.retry} ${record.expire} ${record.minimum}`;
    case "RAW":
      return `\\# ${record.data.length} ${Buffer.from(record.data).toString("hex")}`.trimEnd();
  }
}

/** Data of HINFO or TXT: each text with its length before it, at most 255 octets. */
export function characterStrings(...texts: readonly string[]): Uint8Array {
  const octets = texts.map((text) => Buffer.from(text).subarray(0, 255));
  return Buffer.concat(octets.flatMap((each) => [Buffer.from([each.length]), each]));
}

/** The record's type as text. */
export function recordType(record: ResourceRecord): string {
  return record.type === "RAW" ? typeName(record.code) : record.type;
}

/** One zone-file line: `web.default.svc.cluster.local. 5 IN A 127.96.0.12`. */
export function zoneLine(record: ResourceRecord): string {
  return `${record.name} ${record.ttl} ${record.type === "RAW" ? className(record.class) : "IN"} ${recordType(record)} ${dataText(record)}`;
}

/** The record as other features see it. */
export function toDnsRecord(record: ResourceRecord): DnsRecord {
  return { name: record.name, type: recordType(record), ttl: record.ttl, data: dataText(record) };
}

/** The same record with another TTL. */
export function withTtl<T extends ResourceRecord>(record: T, ttl: number): T {
  return record.ttl === ttl ? record : { ...record, ttl };
}
