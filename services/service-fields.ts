// Which fields a Service of a type has: what defaulting, allocation and validation all ask.
// Upstream: pkg/api/service/util.go, pkg/registry/core/service/strategy.go.
import type { Service } from "../model/kinds/core-v1.ts";
import type { Draft } from "../model/object.ts";

type AnyService = Service | Draft<Service>;

export function needsClusterIP({ spec }: AnyService): boolean {
  return spec?.type !== "ExternalName";
}
export function isHeadless({ spec }: AnyService): boolean {
  return spec?.clusterIP === "None" || spec?.clusterIPs?.[0] === "None";
}
export function needsNodePorts({ spec }: AnyService): boolean {
  return spec?.type === "NodePort" || spec?.type === "LoadBalancer";
}
/** New NodePorts are allocated, unless a LoadBalancer opted out. */
export function allocatesNodePorts(service: AnyService): boolean {
  return needsNodePorts(service) && !(service.spec?.type === "LoadBalancer" && service.spec.allocateLoadBalancerNodePorts === false);
}
export function needsHealthCheckNodePort({ spec }: AnyService): boolean {
  return spec?.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}
export function externallyAccessible({ spec }: AnyService): boolean {
  return spec?.type === "LoadBalancer" || spec?.type === "NodePort" || (spec?.type === "ClusterIP" && (spec.externalIPs?.length ?? 0) > 0);
}
/** All NodePorts that a Service holds, its health check's included. */
export function heldNodePorts({ spec }: AnyService): readonly number[] {
  const ports = (spec?.ports ?? []).map((port) => port.nodePort ?? 0);
  return [...new Set([...ports, spec?.healthCheckNodePort ?? 0])].filter((port) => port !== 0);
}
/** All ClusterIPs that a Service holds. */
export function heldClusterIPs({ spec }: AnyService): readonly string[] {
  if (!spec || spec.type === "ExternalName") return [];
  const ips = spec.clusterIPs && spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec.clusterIP ?? ""];
  return ips.filter((ip) => ip !== "" && ip !== "None");
}
