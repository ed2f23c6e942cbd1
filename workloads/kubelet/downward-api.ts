// The downward API: a pod's own fields and its containers' resources as text.
// Upstream: pkg/fieldpath/fieldpath.go, pkg/api/v1/resource/helpers.go.
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from "../../model/kinds/core-v1.ts";
import type { Peer } from "../../model/ports.ts";
import { quantityValue } from "../scheduling/quantity.ts";

/** What of a pod its status does not tell yet while its containers are being made. */
export interface PodAddresses {
  readonly podIP: string;
  /** Of each family; default `podIP` alone. */
  readonly podIPs?: readonly string[];
  readonly hostIP: string;
  /** Of each family; default `hostIP` alone. */
  readonly hostIPs?: readonly string[];
}

/** Every address of a peer, the first family first. */
export const ipsOf = (peer: Peer): readonly string[] => (peer.kind === "host" ? undefined : peer.ips) ?? [peer.ip];

/** The addresses of a pod on its node. */
export function addressesOf(pod: Peer, node: Peer): PodAddresses {
  return { podIP: pod.ip, podIPs: ipsOf(pod), hostIP: node.ip, hostIPs: ipsOf(node) };
}

/** The text of `metadata.labels['app']`, `status.podIP`, …; undefined for a path that cannot be referred to. */
export function podField(pod: Pod, { fieldPath }: ObjectFieldSelector, addresses: PodAddresses): string | undefined {
  const subscript = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (subscript) return (subscript[1] === "labels" ? pod.metadata.labels : pod.metadata.annotations)?.[subscript[2] ?? ""] ?? "";
  switch (fieldPath) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace ?? "";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "metadata.labels":
      return formatMap(pod.metadata.labels);
    case "metadata.annotations":
      return formatMap(pod.metadata.annotations);
    case "spec.nodeName":
      return pod.spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec.serviceAccountName ?? "";
    case "status.podIP":
      return addresses.podIP;
    case "status.podIPs":
      return addresses.podIPs?.join(",") ?? addresses.podIP;
    case "status.hostIP":
      return addresses.hostIP;
    case "status.hostIPs":
      return addresses.hostIPs?.join(",") ?? addresses.hostIP;
    default:
      return undefined;
  }
}

function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    .join("");
}

/** The text of `limits.cpu`, `requests.memory`, …, divided by the divisor and rounded up; without a limit, what the node has. */
export function containerResource(
  container: Container,
  { resource, divisor }: ResourceFieldSelector,
  allocatable: Readonly<Record<string, string>>,
): string | undefined {
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (!match) return undefined;
  const name = match[2] ?? "";
  const declared = match[1] === "limits" ? container.resources?.limits?.[name] : (container.resources?.requests?.[name] ?? "0");
  const unit = divisor === undefined || divisor === "0" ? 1 : quantityValue(divisor) || 1;
  return String(Math.ceil(quantityValue(declared ?? allocatable[name]) / unit - 1e-9));
}
