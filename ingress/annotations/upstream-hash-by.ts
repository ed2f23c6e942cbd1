// upstream-hash-by: requests with the same value of an expression go to the same peer, or to the same subset of peers.
// Upstream: internal/ingress/annotations/upstreamhashby; lua/balancer/chash*.lua.
import { annotationGroup, high, low } from "./annotation.ts";
import { BOOL, INTEGER, matching } from "./validators.ts";

export interface UpstreamHashBy {
  /** An expression with nginx variables; "" is none. */
  readonly expression: string;
  readonly subset: boolean;
  readonly subsetSize: number;
}

const NAMES = ["upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size"] as const;

export const upstreamHashBy = annotationGroup<UpstreamHashBy>({
  upstream: "UpstreamHashBy",
  annotations: {
    "upstream-hash-by": high(matching(/^[A-Za-z0-9\-_${}]*$/), "drop"),
    "upstream-hash-by-subset": low(BOOL, "drop"),
    "upstream-hash-by-subset-size": low(INTEGER, "drop"),
  },
  parse: (read) => ({
    // One that is there without a value undoes the group.
    expression: NAMES.some((name) => read.blank(name)) ? "" : (read.text("upstream-hash-by") ?? ""),
    subset: read.flag("upstream-hash-by-subset", false),
    subsetSize: Math.max(1, read.number("upstream-hash-by-subset-size", 3) || 3),
  }),
});
