// The resolv.conf of a ClusterFirst pod; the host is treated as one of namespace default.
import type { Peer, ResolvConf } from "../model/ports.ts";

export function clusterFirst(peer: Peer, dnsIp: string, domain: string): ResolvConf {
  const namespace = peer.kind === "pod" ? peer.namespace : "default";
  return { nameservers: [dnsIp], searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain], options: ["ndots:5"] };
}
