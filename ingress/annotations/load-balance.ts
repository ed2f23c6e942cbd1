// load-balance, upstream-hash-by: which peer of an upstream gets a request, unless a cookie says so.
// Upstream: internal/ingress/annotations/{loadbalancing,upstreamhashby}; unknown names mean round_robin.
import { annotationGroup } from "./annotation.ts";

export interface LoadBalance {
  readonly algorithm: "round_robin" | "ewma";
  /** An expression with nginx variables; "" is none. */
  readonly hashBy: string;
  readonly subset: boolean;
  readonly subsetSize: number;
}

export const loadBalance = annotationGroup<LoadBalance>({
  name: "loadBalance",
  annotations: ["load-balance", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size"],
  parse: (read) => ({
    algorithm: (read.text("load-balance") ?? read.config.text("load-balance", "round_robin")) === "ewma" ? "ewma" : "round_robin",
    hashBy: read.text("upstream-hash-by") ?? "",
    subset: read.flag("upstream-hash-by-subset", false),
    subsetSize: Math.max(1, read.number("upstream-hash-by-subset-size", 3)),
  }),
});
