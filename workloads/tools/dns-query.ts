// Asking cluster DNS as this pod, and reading servers and names off the command lines of dig, nslookup and host.
import type { DnsStep, SocketAddress } from "../../model/ports.ts";
import { ipFamily, ipToBigInt } from "../../model/ip.ts";
import { orTerminated, type ToolIo } from "./tool.ts";

export interface Question {
  readonly name: string;
  readonly type: string;
  readonly search: boolean;
  readonly server?: SocketAddress;
  readonly tcp?: boolean;
}

const TYPES: ReadonlySet<string> = new Set(
  "A AAAA ANY AXFR CAA CNAME DNAME DNSKEY DS HINFO HTTPS LOC MX NAPTR NS NSEC NSEC3 NULL PTR RP RRSIG SOA SPF SRV SSHFP SVCB TLSA TXT URI".split(
    " ",
  ),
);

/** True for a record type that can be asked for, in any case: "aaaa", "TYPE65". */
export const isRecordType = (word: string): boolean => TYPES.has(word.toUpperCase()) || /^TYPE\d{1,5}$/i.test(word);

/** The steps of a question; the last is the answer. */
export async function ask(question: Question, io: ToolIo): Promise<readonly DnsStep[]> {
  const { context } = io;
  const options = {
    search: question.search,
    signal: io.signal,
    ...(question.server ? { server: question.server } : {}),
    ...(question.tcp === undefined ? {} : { tcp: question.tcp }),
  };
  return orTerminated(context.resolve.query(context.peer, context.resolvConf, question.name, question.type, options), io.signal);
}

/** The address of a server given by name or address, or undefined when it does not resolve. */
export async function serverAddress(text: string, port: number, io: ToolIo): Promise<SocketAddress | undefined> {
  if (ipFamily(text)) return { ip: text, port };
  try {
    const [ip] = await io.context.lookup(text);
    return ip === undefined ? undefined : { ip, port };
  } catch {
    return undefined;
  }
}

/** The in-addr.arpa or ip6.arpa name of an address, without the final dot. */
export function reverseName(ip: string): string {
  if (ipFamily(ip) === "IPv4") return `${ip.split(".").reverse().join(".")}.in-addr.arpa`;
  const digits = ipToBigInt(ip).toString(16).padStart(32, "0");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

/** A name without its final dot. */
export function relative(name: string): string {
  return name.endsWith(".") && name !== "." ? name.slice(0, -1) : name;
}

/** A name with its final dot. */
export function absolute(name: string): string {
  return name.endsWith(".") ? name : `${name}.`;
}

/** "ip#port" or "ip:port" of a step's server as an address. */
export function serverOf(step: DnsStep): SocketAddress {
  const match = /^\[?(.*?)\]?[#:](\d+)$/.exec(ipFamily(step.server) ? "" : step.server);
  return match ? { ip: match[1] ?? "", port: Number(match[2]) } : { ip: step.server, port: 53 };
}

/** True when no server answered. */
export function unanswered(step: DnsStep): boolean {
  return step.rcode === "TIMEOUT" || step.rcode === "ECONNREFUSED";
}
