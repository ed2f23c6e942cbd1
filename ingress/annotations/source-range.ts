// Lists of client addresses in annotations and ConfigMap keys: CIDRs and single addresses.
// Upstream: internal/net/ipnet.go.
import { canonicalIp, Cidr, ipFamily, isCidr } from "../../model/ip.ts";
import { splitList } from "../config.ts";

/** A CIDR, or an address as a CIDR of one. */
export function parseCidr(text: string): Cidr | undefined {
  if (isCidr(text)) return new Cidr(text);
  const ip = canonicalIp(text);
  return ip === undefined ? undefined : new Cidr(`${ip}/${ipFamily(ip) === "IPv4" ? 32 : 128}`);
}

/** Those of a comma-separated list; what is neither is left out. */
export const cidrsOf = (text: string): readonly Cidr[] => splitList(text).flatMap((item) => parseCidr(item) ?? []);

export const inAny = (cidrs: readonly Cidr[], ip: string): boolean => cidrs.some((cidr) => cidr.contains(ip));
