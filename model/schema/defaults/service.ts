// Defaults of Services, Endpoints and EndpointSlices.
// Upstream: pkg/apis/core/v1/defaults.go, pkg/apis/discovery/v1/defaults.go. Left out: what allocators fill in.
import type { Endpoints, Service } from "../../kinds/core-v1.ts";
import type { EndpointSlice } from "../../kinds/discovery-v1.ts";
import type { Draft } from "../../object.ts";

const AFFINITY_TIMEOUT_SECONDS = 10_800;

export const defaultServices = {
  "core/v1.Service": (service: Draft<Service>): void => {
    const { spec } = service;
    spec.sessionAffinity ??= "None";
    if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
    if (spec.sessionAffinity === "ClientIP") {
      const clientIP = ((spec.sessionAffinityConfig ??= {}).clientIP ??= {});
      clientIP.timeoutSeconds ??= AFFINITY_TIMEOUT_SECONDS;
    }
    spec.type ??= "ClusterIP";
    for (const port of spec.ports ?? []) {
      port.protocol ??= "TCP";
      if (!port.targetPort) port.targetPort = port.port;
    }
    const external = spec.type === "NodePort" || spec.type === "LoadBalancer";
    if (external || (spec.type === "ClusterIP" && spec.externalIPs?.length)) spec.externalTrafficPolicy ??= "Cluster";
    if (external || spec.type === "ClusterIP") spec.internalTrafficPolicy ??= "Cluster";
    if (spec.type !== "LoadBalancer") return;
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= "VIP";
  },
  "core/v1.Endpoints": (endpoints: Draft<Endpoints>): void => {
    for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ??= "TCP";
  },
  "discovery/v1.EndpointSlice": (slice: Draft<EndpointSlice>): void => {
    for (const port of slice.ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
};
