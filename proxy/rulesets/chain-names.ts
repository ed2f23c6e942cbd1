// Names of chains and sets as upstream's proxiers give them: hashes of the ServicePort, so that they fit the kernel's limits.
// Upstream: pkg/proxy/nftables/proxier.go hashAndTruncate, pkg/proxy/iptables/proxier.go portProtoHash.
import { createHash } from "node:crypto";
import type { ProxyEndpoint, ServicePort } from "../service-port.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** 256 less the longest prefix, `endpoint-` and the like. */
const NFT_BASE_LIMIT = 240;

/** RFC 4648 base 32, without padding. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31] ?? "";
    }
  }
  return bits > 0 ? text + (ALPHABET[(value << (5 - bits)) & 31] ?? "") : text;
}

const hash = (text: string, length: number): string => base32(createHash("sha256").update(text).digest()).slice(0, length);

/** `ULMVA6XW-ns1/svc1/tcp/p80`: what follows `service-`, `external-`, `local-`, `firewall-`, `endpoint-` or `affinity-`; cut at 240. */
export function nftChainBase(text: string): string {
  const name = `${hash(text, 8)}-${text}`;
  return name.length > NFT_BASE_LIMIT ? `${name.slice(0, NFT_BASE_LIMIT - 3)}...` : name;
}

const nftPort = (port: ServicePort): string => `${port.namespace}/${port.name}/${port.protocol.toLowerCase()}/${port.portName}`;

/** The base name of a ServicePort's chains. */
export function nftServiceChain(port: ServicePort): string {
  return nftChainBase(nftPort(port));
}

/** The base name of an endpoint's chain; the colons of IPv6 become dots. */
export function nftEndpointChain(port: ServicePort, endpoint: ProxyEndpoint): string {
  return nftChainBase(`${nftPort(port)}__${endpoint.ip.replaceAll(":", ".")}/${endpoint.port}`);
}

export type IptablesPrefix = "SVC" | "SVL" | "EXT" | "FW";

/** `KUBE-SVC-NPX46M4PTMTKRN6Y`. `port.id` is upstream's ServicePortName. */
export function iptablesServiceChain(prefix: IptablesPrefix, port: ServicePort): string {
  return `KUBE-${prefix}-${hash(port.id + port.protocol.toLowerCase(), 16)}`;
}

/** `KUBE-SEP-…` of one endpoint. */
export function iptablesEndpointChain(port: ServicePort, endpoint: ProxyEndpoint): string {
  return `KUBE-SEP-${hash(port.id + port.protocol.toLowerCase() + endpoint.id, 16)}`;
}
