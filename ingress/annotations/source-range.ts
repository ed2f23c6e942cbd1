// denylist-source-range, whitelist-source-range (allowlist-source-range): 403 by client address. Deny is asked first. The step is in access.ts.
// Upstream: internal/ingress/annotations/{ipdenylist,ipallowlist}.
import { splitList } from "../config.ts";
import { Cidr, isCidr, canonicalIp, ipFamily } from "../../model/ip.ts";
import { annotationGroup, type AnnotationReader, LocationDenied } from "./annotation.ts";

export interface SourceRange {
  readonly deny: readonly Cidr[];
  /** Empty: everybody. */
  readonly allow: readonly Cidr[];
}

export const sourceRange = annotationGroup<SourceRange>({
  name: "sourceRange",
  annotations: ["denylist-source-range", "whitelist-source-range", "allowlist-source-range"],
  parse: (read) => ({
    deny: cidrs(read, "denylist-source-range", ""),
    allow: cidrs(
      read,
      read.text("allowlist-source-range") === undefined ? "whitelist-source-range" : "allowlist-source-range",
      read.config.text("whitelist-source-range"),
    ),
  }),
});

/** CIDRs and single addresses; throws LocationDenied for what is neither. */
function cidrs(read: AnnotationReader, name: string, fallback: string): readonly Cidr[] {
  return splitList(read.text(name) ?? fallback).map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new LocationDenied(`${name}: ${text} is not a CIDR`);
    return cidr;
  });
}

/** A CIDR, or an address as a CIDR of one. */
export function parseCidr(text: string): Cidr | undefined {
  if (isCidr(text)) return new Cidr(text);
  const ip = canonicalIp(text);
  return ip === undefined ? undefined : new Cidr(`${ip}/${ipFamily(ip) === "IPv4" ? 32 : 128}`);
}

export const inAny = (cidrsOf: readonly Cidr[], ip: string): boolean => cidrsOf.some((cidr) => cidr.contains(ip));
