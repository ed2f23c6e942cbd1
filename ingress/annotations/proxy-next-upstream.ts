// proxy-next-upstream, -timeout, -tries: when another pod is asked, for how long and how often.
// Upstream: internal/ingress/annotations/proxy; ngx_http_upstream_next. Statuses are asked of the pod's answer before it is passed on.
import { annotationGroup, low, medium } from "./annotation.ts";
import { INTEGER, matching } from "./validators.ts";

export interface ProxyNextUpstream {
  /** Words of proxy_next_upstream. */
  readonly conditions: ReadonlySet<string>;
  /** 0: no limit. */
  readonly timeoutMs: number;
  /** 0: no limit. */
  readonly tries: number;
}

const WORDS =
  /^(?:(?:error|timeout|invalid_header|http_500|http_502|http_503|http_504|http_403|http_404|http_429|non_idempotent|off)\s?)+$/;

export const proxyNextUpstream = annotationGroup<ProxyNextUpstream>({
  upstream: "Proxy",
  annotations: {
    "proxy-next-upstream": medium(matching(WORDS, "keep")),
    "proxy-next-upstream-timeout": low(INTEGER),
    "proxy-next-upstream-tries": low(INTEGER),
  },
  parse(read) {
    const { config } = read;
    const conditions = new Set((read.text("proxy-next-upstream") ?? config.text("proxy-next-upstream", "error timeout")).split(/\s+/));
    if (config.flag("retry-non-idempotent", false)) conditions.add("non_idempotent");
    return {
      conditions,
      timeoutMs: read.number("proxy-next-upstream-timeout", config.number("proxy-next-upstream-timeout", 0)) * 1000,
      tries: read.number("proxy-next-upstream-tries", config.number("proxy-next-upstream-tries", 3)),
    };
  },
});
