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

export const upstreamHashBy = annotationGroup<UpstreamHashBy>({
  upstream: "UpstreamHashBy",
  annotations: {
    "upstream-hash-by": high(matching(/^[A-Za-z0-9\-_${}]*$/), "drop"),
    "upstream-hash-by-subset": low(BOOL, "drop"),
    "upstream-hash-by-subset-size": low(INTEGER, "drop"),
  },
  parse: (read) => ({
    expression: read.text("upstream-hash-by") ?? "",
    subset: read.flag("upstream-hash-by-subset", false),
    subsetSize: Math.max(1, read.number("upstream-hash-by-subset-size", 3) || 3),
  }),
});
