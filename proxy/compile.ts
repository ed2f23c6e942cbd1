// Objects → tables: one Service with its EndpointSlices becomes the ServicePorts that rules are made of.
// Upstream: pkg/proxy/servicechangetracker.go, serviceport.go.
import type { Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { Cidr, ipFamily, type IpFamily, isCidr, legacyIp, withoutLeadingZeros } from "../model/ip.ts";
import { type BarePort, setsOfEveryNode } from "./topology.ts";
import { keyOf } from "../model/object.ts";
import { hash32 } from "../model/random.ts";
import { ServiceEndpoints } from "./service-endpoints.ts";
import type { ServicePort, ServiceTable } from "./service-port.ts";

const SERVICE_PROXY_NAME = "service.kubernetes.io/service-proxy-name";
const HEADLESS = "service.kubernetes.io/headless";
const SERVICE_NAME = "kubernetes.io/service-name";
const BALANCER = "loopkube.dev/balancer";

/** False for Services that another proxy handles, headless ones and ExternalNames. */
export function isProxied(service: Service): boolean {
  const labels = service.metadata.labels ?? {};
  if (SERVICE_PROXY_NAME in labels || HEADLESS in labels) return false;
  const { type, clusterIP = "" } = service.spec ?? {};
  return type !== "ExternalName" && clusterIP !== "" && clusterIP !== "None";
}

/** `namespace/name` of the Service that a slice belongs to, undefined when it is not for this proxy. */
export function serviceOfSlice(slice: EndpointSlice): string | undefined {
  const labels = slice.metadata.labels ?? {};
  const name = labels[SERVICE_NAME];
  if (!name || SERVICE_PROXY_NAME in labels || HEADLESS in labels) return undefined;
  return `${slice.metadata.namespace ?? ""}/${name}`;
}

/** Compiles one Service with its slices. */
export function compileService(service: Service, slices: readonly EndpointSlice[]): ServiceTable {
  return compileTable(service, ServiceEndpoints.of(slices));
}

/** Compiles one Service; the table has no ports when the Service is not proxied. */
export function compileTable(service: Service, union: ServiceEndpoints): ServiceTable {
  const key = keyOf(service);
  if (!isProxied(service)) return { key, ports: [] };
  const { spec = {} } = service;
  const clusterIPs = spec.clusterIPs && spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec.clusterIP ?? ""];
  const ports: ServicePort[] = [];
  for (const text of clusterIPs) {
    const clusterIP = legacyIp(text);
    const family = clusterIP && ipFamily(clusterIP);
    if (!clusterIP || !family) continue;
    const shared = sharedFields(service, family);
    for (const port of spec.ports ?? []) {
      const portName = port.name ?? "";
      const protocol = port.protocol ?? "TCP";
      const endpoints = union.list(family, protocol, portName);
      const id = portName === "" ? key : `${key}:${portName}`;
      const portKey = `${id}/${protocol}/${family}`;
      const bare: BarePort = {
        hash: hash32(portKey),
        ...shared,
        id,
        key: portKey,
        portName,
        protocol,
        clusterIP,
        port: port.port,
        nodePort: spec.type === "ClusterIP" ? 0 : (port.nodePort ?? 0),
        endpoints,
        usable: endpoints.some((endpoint) => endpoint.ready || (endpoint.serving && endpoint.terminating)),
      };
      ports.push({ ...bare, sets: setsOfEveryNode(bare) });
    }
  }
  return { key, ports };
}

function sharedFields(service: Service, family: IpFamily) {
  const { spec = {}, status, metadata } = service;
  const ofFamily = (ips: readonly (string | undefined)[]): readonly string[] =>
    ips.flatMap((ip) => {
      const canonical = legacyIp(ip ?? "");
      return canonical && ipFamily(canonical) === family ? [canonical] : [];
    });
  const externalLocal = spec.externalTrafficPolicy === "Local";
  const captured = (status?.loadBalancer?.ingress ?? []).filter((ingress) => ingress.ipMode !== "Proxy");
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((range) => withoutLeadingZeros(range.trim())).filter(isCidr);
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    family,
    externalIPs: ofFamily(spec.externalIPs ?? []),
    loadBalancerIPs: ofFamily(captured.map((ingress) => ingress.ip)),
    sourceRanges: ranges.map((range) => new Cidr(range)).filter((range) => range.family === family),
    affinitySeconds: spec.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0,
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal,
    healthCheckNodePort: externalLocal && spec.type === "LoadBalancer" ? (spec.healthCheckNodePort ?? 0) : 0,
    balancer: metadata.annotations?.[BALANCER] ?? "",
  };
}
