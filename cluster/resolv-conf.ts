// The resolv.conf of a ClusterFirst pod; the host is treated as one of namespace default.
import { reverseOfAddress } from "../dns/index.ts";
import { canonicalIp } from "../model/ip.ts";
import type { Peer, ResolvConf } from "../model/ports.ts";

export function clusterFirst(peer: Peer, dnsIp: string, domain: string): ResolvConf {
  const namespace = peer.kind === "pod" ? peer.namespace : "default";
  return { nameservers: [dnsIp], searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain], options: ["ndots:5"] };
}

/** An address with type PTR is asked by its reverse name. */
export function questionName(name: string, type: string): string {
  const ip = type === "PTR" ? canonicalIp(name) : undefined;
  return ip === undefined ? name : reverseOfAddress(ip);
}
