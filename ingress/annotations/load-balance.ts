// load-balance: how the peers of an upstream take turns, unless a cookie or a hash says so.
// Upstream: internal/ingress/annotations/loadbalancing; unknown names mean round_robin.
import { annotationGroup, low } from "./annotation.ts";
import { oneOf } from "./validators.ts";

const ALGORITHMS = ["round_robin", "chash", "chashsubset", "sticky_balanced", "sticky_persistent", "ewma"];

export const loadBalance = annotationGroup<"round_robin" | "ewma">({
  upstream: "LoadBalancing",
  annotations: { "load-balance": low(oneOf(ALGORITHMS), "drop") },
  parse: (read) => ((read.text("load-balance") ?? read.config.text("load-balance", "round_robin")) === "ewma" ? "ewma" : "round_robin"),
});
