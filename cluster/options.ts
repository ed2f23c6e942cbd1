// What a cluster can be told, with the defaults.
import type { Clock } from "../model/clock.ts";
import type { IpFamily } from "../model/ip.ts";
import type { Image } from "../model/ports.ts";

export type ProxyMode = "iptables" | "nftables" | "ipvs" | "userspace";
export const PROXY_MODES: readonly ProxyMode[] = ["iptables", "nftables", "ipvs", "userspace"];
/** Of proxy mode ipvs, by ipvsadm's names. */
export const IPVS_SCHEDULERS: readonly string[] = ["rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "lblc", "mh"];

export interface ClusterOptions {
  /** Prefix of node names; the kubeconfig entry is `loopkube` for the default name, else `loopkube-<name>`. Default "loopkube". */
  readonly name?: string;
  /** Number of nodes, the first of which is the control plane; default 3. */
  readonly nodes?: number;
  /** Seed of every random choice; default: taken from the clock, and printed. */
  readonly seed?: string | number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: direct on Linux and Windows, mapped on macOS and for dual-stack. */
  readonly addressPlan?: "direct" | "mapped";
  /** Default ["IPv4"]; ["IPv4", "IPv6"] is dual-stack, which needs the mapped plan. */
  readonly ipFamilies?: readonly IpFamily[];
  /** Default 127.(96+k).0.0/16. */
  readonly serviceCidr?: string;
  /** Default 127.(244-k).0.0/16. */
  readonly podCidr?: string;
  /** How late nodes, DNS and ingress see the store, in milliseconds; default 0. */
  readonly propagationDelayMs?: number;
  /** Default "iptables". */
  readonly proxyMode?: ProxyMode;
  /** Blocks of node addresses at which NodePorts answer, or `primary` alone; default all of a node's (mode nftables: primary), as kube-proxy's --nodeport-addresses. */
  readonly nodePortAddresses?: readonly string[];
  /** Default 30000-32767, as the API server's --service-node-port-range. */
  readonly nodePortRange?: { readonly first: number; readonly last: number };
  /** Modes of single nodes, by name, where they differ from `proxyMode`. */
  readonly nodeProxyModes?: Readonly<Record<string, ProxyMode>>;
  /** Of proxyMode ipvs: rr (default), wrr, lc, wlc, sed, nq, sh, dh, lblc, mh. */
  readonly ipvsScheduler?: string;
  /** Image name → what stands in for it, before the built-in ones. */
  readonly images?: Readonly<Record<string, Image>>;
  /** Unknown images fail with ErrImagePull instead of answering as an echo server; default false. */
  readonly strictImages?: boolean;
  /** Ports on 127.0.0.1; each is the first one tried. Default: free ports for the library, the well-known ones for the command. */
  readonly ports?: Partial<HostPorts>;
  /** Sockets that connections may hold at one time; default the process's descriptor limit less 256. */
  readonly descriptorBudget?: number;
  /** coredns replicas; default 2. */
  readonly dnsReplicas?: number;
  /** A Corefile; default: kubeadm's, without forwarding. */
  readonly corefile?: string;
  /** Files that the Corefile imports, by name: they stand beside it in the ConfigMap. */
  readonly corefileImports?: Readonly<Record<string, string>>;
}

/** Ports on 127.0.0.1. 0 takes a free one. */
export interface HostPorts {
  readonly api: number;
  readonly gateway: number;
  readonly dns: number;
  readonly http: number;
  readonly https: number;
}

/** What `loopkube up` asks for. */
export const WELL_KNOWN_PORTS: HostPorts = { api: 6443, gateway: 1080, dns: 10053, http: 8080, https: 8443 };

/** What the library asks for, so that many clusters can live side by side. */
export const FREE_PORTS: HostPorts = { api: 0, gateway: 0, dns: 0, http: 0, https: 0 };
