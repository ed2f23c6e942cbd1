// What a kube-proxy is set to. Upstream: KubeProxyConfiguration.
import type { Cidr } from "../model/ip.ts";

export type ProxyMode = "iptables" | "nftables" | "ipvs" | "userspace";
export const PROXY_MODES: readonly ProxyMode[] = ["iptables", "nftables", "ipvs", "userspace"];

export interface ProxyConfig {
  readonly mode: ProxyMode;
  readonly serviceCIDRs: readonly Cidr[];
  /** Pod blocks (--cluster-cidr): only rulesets print them, flows carry their identity. */
  readonly clusterCIDRs: readonly Cidr[];
  /** Blocks on whose addresses of the node NodePorts answer, or `primary`: the first of each family; undefined: all (nftables: primary). */
  readonly nodePortAddresses: readonly Cidr[] | "primary" | undefined;
  readonly masqueradeAll: boolean;
  /** The proxy can tell pods from others (upstream: --cluster-cidr and the like). */
  readonly localDetector: boolean;
  /** iptables mode, IPv4: NodePorts also on 127.0.0.1. */
  readonly localhostNodePorts: boolean;
}
