// Fast membership of addresses in blocks, for the path of every flow. model/ip.ts is the general arithmetic.
import type { Cidr } from "../model/ip.ts";

/** The 32-bit number of a dotted IPv4 address, or -1 when `text` is none. */
export function ipv4Number(text: string): number {
  let value = 0;
  let part = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (part < 0 || ++dots > 3) return -1;
      value = value * 256 + part;
      part = -1;
    } else {
      if (code < 48 || code > 57) return -1;
      part = (part < 0 ? 0 : part * 10) + code - 48;
      if (part > 255) return -1;
    }
  }
  return dots === 3 && part >= 0 ? value * 256 + part : -1;
}

/** A membership test of one block. */
export function blockTest(cidr: Cidr): (ip: string) => boolean {
  if (cidr.family === "IPv6") return (ip) => ip.includes(":") && cidr.contains(ip);
  const first = ipv4Number(cidr.at(0));
  const last = first + Number(cidr.size) - 1;
  return (ip) => {
    const value = ipv4Number(ip);
    return value >= first && value <= last;
  };
}

/** True for 127.0.0.0/8 and ::1: an address that never leaves the machine. */
export function isLoopback(ip: string): boolean {
  return ip === "::1" || (ip.startsWith("127.") && ipv4Number(ip) >= 0);
}
