// The public face of cluster DNS.
import type { Clock } from "../model/clock.ts";
import type { Diagnostics, InlineImage, InlineProgram } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import type { Store } from "../store/index.ts";
import { dnsDiagnostics } from "./diagnostics.ts";
import { coredns } from "./coredns.ts";
import { dnsProgram } from "./program.ts";
import type { Serving } from "./program.ts";
import { ZoneFeed } from "./zone-feed.ts";

export { checkCorefile, createChain, type Chain } from "./chain.ts";
export { CorefileError, defaultCorefile } from "./corefile.ts";
export { parseCorefile, type CorefileFiles } from "./corefile-parser.ts";
export { decodeReply, type DecodedReply } from "./decode.ts";
export { encodeQuery } from "./encode.ts";
export { reverseOfAddress } from "./name.ts";
export { createResolver, searchNames, type ResolverOptions } from "./resolver.ts";
export { dataText, toDnsRecord, typeCode, typeName, zoneLine, type ResourceRecord } from "./record.ts";
export { compileZone, Zone } from "./zone.ts";
export { ZoneFeed } from "./zone-feed.ts";

export interface DnsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Propagation delay of the store's changes, default 0. */
  readonly delayMs?: number;
  /** Cluster domain, default "cluster.local". */
  readonly zone?: string;
}

export interface Dns {
  /** The image `coredns`. All its pods share one compiled zone. */
  readonly image: InlineImage;
  readonly diagnostics: Diagnostics;
}

/** Cluster DNS: the program of the coredns image and what can be asked about it. */
export function createDns({ store, clock, random, delayMs = 0, zone = "cluster.local" }: DnsOptions): Dns {
  const feed = new ZoneFeed({ store, clock, delayMs });
  const serving: Serving = { servers: new Set() };
  return {
    image: {
      runtime: "inline",
      entrypoint: ["/coredns"],
      program: dnsProgram({ feed, clock, random, zone }, serving),
      programs: { coredns },
    },
    diagnostics: dnsDiagnostics({ feed, clock, random, zone }, serving),
  };
}

/** The program alone. */
export function createDnsProgram(options: DnsOptions): InlineProgram {
  return createDns(options).image.program;
}

/** Diagnostics alone, read straight from the store. */
export function createDnsDiagnostics(options: DnsOptions): Diagnostics {
  return createDns(options).diagnostics;
}
