// limit-rate, limit-rate-after: how fast an answer is sent, and from which byte on.
// Upstream: internal/ingress/annotations/ratelimit; limit_rate of ngx_http_core_module. Per answer, in kB.
import { annotationGroup, low } from "./annotation.ts";
import { INTEGER } from "./validators.ts";

export interface LimitRate {
  /** Bytes per second; 0: none. */
  readonly rate: number;
  readonly after: number;
}

export const limitRate = annotationGroup<LimitRate>({
  upstream: "RateLimit",
  annotations: { "limit-rate": low(INTEGER), "limit-rate-after": low(INTEGER) },
  parse: (read) => ({
    rate: read.number("limit-rate", read.config.number("limit-rate", 0)) * 1024,
    after: read.number("limit-rate-after", read.config.number("limit-rate-after", 0)) * 1024,
  }),
});
