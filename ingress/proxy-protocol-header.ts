// use-proxy-protocol with use-forwarded-headers: whom the request is taken to be from goes by way of a header, which pods see, too.
// Upstream: nginx.tmpl's $forwarded_for_proxy_protocol.
import type { Exchange } from "./request/exchange.ts";
import { isTrustedProxy } from "./request/real-ip.ts";

/** forwarded-for-header of a balancer that proxy-real-ip-cidr trusts, else the address in the balancer's PROXY header. */
export function tellForwardedFor(exchange: Exchange): void {
  const { facts, forwarded, proxied } = exchange;
  if (!forwarded || proxied === undefined) return;
  const { config } = exchange.table;
  const source = proxied?.sourceIp ?? "";
  const trusted = source !== "" && isTrustedProxy(source, config);
  const sent = facts.headers[config.text("forwarded-for-header", "X-Forwarded-For").toLowerCase()];
  const told = trusted ? (typeof sent === "string" ? sent : "") : source;
  exchange.setUpstream(config.text("forwarded-for-proxy-protocol-header", "X-Forwarded-For-Proxy-Protocol"), told);
}
