// A pod's names: hostname, /etc/resolv.conf and /etc/hosts.
// Upstream: pkg/kubelet/network/dns/dns.go, pkg/kubelet/kubelet_pods.go (hosts file, GeneratePodHostNameAndDomain).
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { ResolvConf } from "../../model/ports.ts";

export interface ClusterDns {
  /** Address of Service kube-dns. */
  readonly ip: string;
  /** `cluster.local`. */
  readonly domain: string;
}

const MAX_HOSTNAME = 63;

/** spec.hostname, else the pod's name, cut to what a hostname may be. */
export function podHostname(pod: Pod): string {
  return (pod.spec.hostname || pod.metadata.name).slice(0, MAX_HOSTNAME).replace(/[-.]+$/, "");
}

/** `host.subdomain.namespace.svc.cluster.local` of a pod with a subdomain. */
export function podFqdn(pod: Pod, domain: string): string | undefined {
  return pod.spec.subdomain ? `${podHostname(pod)}.${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${domain}` : undefined;
}

/**
 * By dnsPolicy and dnsConfig. Policy Default has no cluster names; a machine's own resolver is not on a loopback cluster, so the
 * node's address stands in for it and refuses.
 */
export function podResolvConf(pod: Pod, dns: ClusterDns, nodeIp: string): ResolvConf {
  const { dnsConfig, hostNetwork } = pod.spec;
  const policy = pod.spec.dnsPolicy === "ClusterFirst" && hostNetwork ? "Default" : (pod.spec.dnsPolicy ?? "ClusterFirst");
  const clusterSearches = [`${pod.metadata.namespace}.svc.${dns.domain}`, `svc.${dns.domain}`, dns.domain];
  const base: ResolvConf =
    policy === "None"
      ? { nameservers: [], searches: [], options: [] }
      : policy === "Default"
        ? { nameservers: [nodeIp], searches: [], options: [] }
        : { nameservers: [dns.ip], searches: clusterSearches, options: ["ndots:5"] };
  const options = new Map(base.options.map((option) => [option.split(":")[0] ?? "", option]));
  for (const { name = "", value } of dnsConfig?.options ?? [])
    options.set(name, value === undefined || value === "" ? name : `${name}:${value}`);
  return {
    nameservers: [...new Set([...base.nameservers, ...(dnsConfig?.nameservers ?? [])])],
    searches: [...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])],
    options: [...options.values()],
  };
}

/** /etc/resolv.conf. */
export function resolvConfText({ nameservers, searches, options }: ResolvConf): string {
  return [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((nameserver) => `nameserver ${nameserver}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/** /etc/hosts. */
export function hostsText(pod: Pod, ips: readonly string[], domain: string): string {
  const fqdn = podFqdn(pod, domain);
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...ips.map((ip) => [ip, ...(fqdn === undefined ? [] : [fqdn]), podHostname(pod)].join("\t")),
  ];
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length > 0) lines.push("", "# Entries added by HostAliases.");
  for (const alias of aliases) lines.push([alias.ip, ...(alias.hostnames ?? [])].join("\t"));
  return lines.map((line) => `${line}\n`).join("");
}

/** Addresses that a hosts file gives a name. */
export function hostsLookup(text: string, host: string): readonly string[] {
  const wanted = host.toLowerCase().replace(/\.$/, "");
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .filter(([, ...names]) => names.some((name) => name.toLowerCase() === wanted))
    .map(([ip = ""]) => ip);
}
