// How long a pod may take, whether another one is asked, and how often. Upstream: proxy_next_upstream* in nginx.tmpl; ngx_http_upstream_next.
import type { ProxyTimeouts } from "../annotations/proxy-timeouts.ts";
import type { Exchange } from "./exchange.ts";

export interface NextUpstream {
  readonly conditions: ReadonlySet<string>;
  /** 0: without an end. */
  readonly timeoutMs: number;
  readonly tries: number;
  /** The request may be sent again once a pod may have seen it. */
  readonly idempotent: boolean;
}

/** nginx's own, without an end to its tries but ours. */
const NGINX = { conditions: new Set(["error", "timeout"]), timeoutMs: 0, tries: 0 };

/** `error`: for an error's Service. The template has the directives for proxy_pass to the location's own pods alone. */
export function nextUpstream(exchange: Exchange, error = false): NextUpstream {
  const proxied = !error && !isGrpc(exchange) && !isFastCgi(exchange);
  const { conditions, timeoutMs, tries } = proxied ? exchange.location.settings.proxyNextUpstream : NGINX;
  const idempotent = !["POST", "LOCK", "PATCH"].includes(exchange.facts.method) || conditions.has("non_idempotent");
  return { conditions, timeoutMs, tries, idempotent };
}

/** nginx's own, where the template sets none. */
const NGINX_TIMEOUTS: ProxyTimeouts = { connectMs: 60_000, sendMs: 60_000, readMs: 60_000 };

/** The template has no fastcgi_*_timeout, and an error's location says nothing of its proxy. */
export function timeoutsOf({ location }: Exchange, error = false): ProxyTimeouts {
  const { backendProtocol, proxyTimeouts } = location.settings;
  return error || backendProtocol === "FCGI" ? NGINX_TIMEOUTS : proxyTimeouts;
}

export const isFastCgi = ({ location }: Exchange): boolean => location.settings.backendProtocol === "FCGI";

export function isGrpc({ location }: Exchange): boolean {
  return location.settings.backendProtocol === "GRPC" || location.settings.backendProtocol === "GRPCS";
}
