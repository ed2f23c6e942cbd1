// denylist-source-range, whitelist-source-range (allowlist-source-range): 403 by client address. Deny is asked first.
// Upstream: internal/ingress/annotations/{ipdenylist,ipallowlist}.
import { page } from "../answer.ts";
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
    allow: cidrs(read, read.text("allowlist-source-range") === undefined ? "whitelist-source-range" : "allowlist-source-range", read.config.text("whitelist-source-range")),
  }),
  steps: ({ deny, allow }) => [
    ...(deny.length === 0
      ? []
      : [
          {
            phase: "access" as const,
            annotation: "denylist-source-range",
            run: ({ facts }: { readonly facts: { readonly clientIp: string } }) =>
              inAny(deny, facts.clientIp) ? page(403, `${facts.clientIp} is in denylist-source-range`) : undefined,
          },
        ]),
    ...(allow.length === 0
      ? []
      : [
          {
            phase: "access" as const,
            annotation: "whitelist-source-range",
            run: ({ facts }: { readonly facts: { readonly clientIp: string } }) =>
              inAny(allow, facts.clientIp) ? undefined : page(403, `${facts.clientIp} is not in whitelist-source-range`),
          },
        ]),
  ],
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
