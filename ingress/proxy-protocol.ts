// PROXY protocol: who the client of a load balancer is, told at the start of a connection. Versions 1 and 2 read, version 1 written.
// Source: HAProxy doc/proxy-protocol.txt; ngx_proxy_protocol.c, which reads no more of it than this. Leaves out TLVs.
import { canonicalIp, ipFamily } from "../model/ip.ts";

/** A connection as the load balancer took it. */
export interface ProxiedConnection {
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly destinationIp: string;
  readonly destinationPort: number;
}

export type ProxyHeader =
  /** What is there so far is the beginning of one. */
  | { readonly type: "more" }
  /** `size` bytes long. `connection` is undefined where it names none: UNKNOWN, LOCAL, other transports and families. */
  | { readonly type: "header"; readonly size: number; readonly connection: ProxiedConnection | undefined }
  /** It begins otherwise. */
  | { readonly type: "none" }
  /** It begins as one, and is not well formed. */
  | { readonly type: "broken"; readonly reason: string };

/** Bytes of a header: version 1 by its specification, version 2 as nginx allows. */
const V1_LIMIT = 107;
const V2_LIMIT = 4096;

const V1_START = Buffer.from("PROXY ");
const V2_START = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

const MORE: ProxyHeader = { type: "more" };
const broken = (reason: string): ProxyHeader => ({ type: "broken", reason });

/** Reads the beginning of a connection. Never throws. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return MORE;
  for (const [start, parse] of [
    [V1_START, parseVersion1],
    [V2_START, parseVersion2],
  ] as const) {
    const compared = Math.min(bytes.length, start.length);
    if (start.compare(bytes, 0, compared, 0, compared) === 0) return compared < start.length ? MORE : parse(bytes);
  }
  return { type: "none" };
}

/** `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n` */
function parseVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_LIMIT).indexOf("\r\n");
  if (end < 0) return bytes.length < V1_LIMIT ? MORE : broken(`no end of line within ${V1_LIMIT} bytes`);
  const size = end + 2;
  const words = bytes.toString("latin1", 0, end).split(" ");
  const [, protocol, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  if (protocol === "UNKNOWN") return { type: "header", size, connection: undefined };
  if (protocol !== "TCP4" && protocol !== "TCP6") return broken(`unknown protocol ${JSON.stringify(protocol)}`);
  if (words.length !== 6) return broken(`${words.length} words instead of 6`);
  const family = protocol === "TCP4" ? "IPv4" : "IPv6";
  const [sourceIp, destinationIp] = [source, destination].map((text) => (ipFamily(text) === family ? canonicalIp(text) : undefined));
  if (sourceIp === undefined || destinationIp === undefined) return broken(`${source} and ${destination} are not ${family} addresses`);
  if (!isPort(sourcePort) || !isPort(destinationPort)) return broken(`${sourcePort} and ${destinationPort} are not ports`);
  const connection = { sourceIp, sourcePort: Number(sourcePort), destinationIp, destinationPort: Number(destinationPort) };
  return { type: "header", size, connection };
}

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65_535;

/** Address bytes of a family in version 2. */
const ADDRESS_BYTES = new Map([
  [1, 4],
  [2, 16],
]);

function parseVersion2(bytes: Buffer): ProxyHeader {
  if (bytes.length < 16) return MORE;
  const versionCommand = bytes.readUInt8(12);
  const familyTransport = bytes.readUInt8(13);
  if (versionCommand >> 4 !== 2) return broken(`version ${versionCommand >> 4}`);
  const size = 16 + bytes.readUInt16BE(14);
  if (size > V2_LIMIT) return broken(`${size} bytes long`);
  if (bytes.length < size) return MORE;
  const addressBytes = ADDRESS_BYTES.get(familyTransport >> 4);
  // LOCAL (health checks of the balancer itself), datagrams and Unix sockets say nothing about a client.
  if ((versionCommand & 15) !== 1 || (familyTransport & 15) !== 1 || addressBytes === undefined)
    return { type: "header", size, connection: undefined };
  if (size < 16 + 2 * addressBytes + 4) return broken("addresses are cut off");
  const ports = 16 + 2 * addressBytes;
  const connection = {
    sourceIp: ipText(bytes.subarray(16, 16 + addressBytes)),
    sourcePort: bytes.readUInt16BE(ports),
    destinationIp: ipText(bytes.subarray(16 + addressBytes, ports)),
    destinationPort: bytes.readUInt16BE(ports + 2),
  };
  return { type: "header", size, connection };
}

function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return canonicalIp(groups.join(":")) ?? "::";
}

/** Version 1, as nginx writes it towards a server. */
export function proxyHeader({ sourceIp, sourcePort, destinationIp, destinationPort }: ProxiedConnection): string {
  const family = ipFamily(sourceIp);
  if (family === undefined || ipFamily(destinationIp) === undefined) return "PROXY UNKNOWN\r\n";
  return `PROXY ${family === "IPv4" ? "TCP4" : "TCP6"} ${sourceIp} ${destinationIp} ${sourcePort} ${destinationPort}\r\n`;
}
