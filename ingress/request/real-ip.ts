// Who the client is, as far as those between may say so. Upstream: ngx_http_realip_module, the template's set_real_ip_from.
import { canonicalIp, type Cidr } from "../../model/ip.ts";
import { inAny, parseCidr } from "../annotations/source-range.ts";
import type { ControllerConfig } from "../config.ts";
import type { RequestFacts } from "./exchange.ts";
import type { ProxiedConnection } from "../proxy-protocol.ts";

/** Who a request says it came from. */
interface ArrivalAddresses {
  readonly peerIp: string;
  readonly proxied?: ProxiedConnection | null | undefined;
}

/**
 * The client as far as the ConfigMap trusts what it is told: PROXY protocol's source, or the rightmost address of X-Forwarded-For that
 * no trusted proxy holds (real_ip_recursive). With both, the header counts where the source is a trusted proxy.
 */
export function realIp(headers: RequestFacts["headers"], { peerIp, proxied }: ArrivalAddresses, config: ControllerConfig): string {
  const proxyProtocol = proxied !== undefined && config.flag("use-proxy-protocol", false);
  const forwarded = config.flag("use-forwarded-headers", false);
  if (!proxyProtocol && !forwarded && !config.flag("enable-real-ip", false)) return peerIp;
  if (!isTrustedProxy(peerIp, config)) return peerIp;
  if (proxyProtocol && (!proxied || !forwarded || !isTrustedProxy(proxied.sourceIp, config))) return proxied?.sourceIp ?? peerIp;
  const name = config.text("forwarded-for-header", "X-Forwarded-For").toLowerCase();
  const sent = headers[name];
  if (typeof sent !== "string") return peerIp;
  const addresses = sent.split(",").map((text) => text.trim());
  let client = peerIp;
  for (const address of addresses.reverse()) {
    const ip = canonicalIp(address) ?? canonicalIp(withoutPort(address));
    if (ip === undefined) break;
    client = ip;
    if (!isTrustedProxy(ip, config)) break;
  }
  return client;
}

/** nginx takes an address with its port, too. */
const withoutPort = (text: string): string => /^(?:([\d.]+)|\[([^\]]+)\])(?::\d{1,5})?$/.exec(text)?.slice(1).find(Boolean) ?? "";

/** proxy-real-ip-cidr holds the address. */
export const isTrustedProxy = (ip: string, config: ControllerConfig): boolean =>
  inAny(trustedProxies(config.text("proxy-real-ip-cidr", "0.0.0.0/0")), ip);

let lastText = "";
let lastCidrs: readonly Cidr[] = [];

/** Read once per text. */
function trustedProxies(text: string): readonly Cidr[] {
  if (text !== lastText) {
    lastText = text;
    lastCidrs = text.split(",").flatMap((item) => parseCidr(item.trim()) ?? []);
  }
  return lastCidrs;
}
