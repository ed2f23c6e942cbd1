// Pods → endpoints of a Service: which pods count, their conditions, and named target ports resolved per pod.
// Upstream: endpointslice/utils.go, pkg/api/v1/endpoints, component-helpers ShouldPodBeInEndpoints.
import { canonicalIp, ipFamily, type IpFamily } from "../model/ip.ts";
import type { Node, Pod, Service, ServicePort } from "../model/kinds/core-v1.ts";
import type { Endpoint, EndpointPort } from "../model/kinds/discovery-v1.ts";

const ZONE = "topology.kubernetes.io/zone";

/** An endpoint with the ports that its pod has: endpoints of one port set share slices. */
export interface PodEndpoint {
  readonly endpoint: Endpoint;
  readonly ports: readonly EndpointPort[];
}

export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;
}

/** The pod's address of a family, in canonical form. */
export function podIp(pod: Pod, family: IpFamily): string | undefined {
  const ips = pod.status?.podIPs?.map((entry) => entry.ip) ?? [];
  const ip = [...ips, pod.status?.podIP].find((each) => each !== undefined && ipFamily(each) === family);
  return ip && canonicalIp(ip);
}

/** A pod that has an address and has not finished; terminating ones count when `withTerminating`. */
export function isInEndpoints(pod: Pod, withTerminating: boolean): boolean {
  const { phase, podIP, podIPs } = pod.status ?? {};
  if (phase === "Succeeded" || phase === "Failed") return false;
  if (!podIP && (podIPs?.length ?? 0) === 0) return false;
  return withTerminating || pod.metadata.deletionTimestamp === undefined;
}

/** The number behind a Service port's targetPort in one pod; undefined when the pod has no such named port. */
export function targetPortOf(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  if (/^\d+$/.test(target)) return Number(target);
  const restartable = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  for (const container of [...(pod.spec?.containers ?? []), ...restartable]) {
    for (const candidate of container.ports ?? []) {
      if (candidate.name === target && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP")) return candidate.containerPort;
    }
  }
  return undefined;
}

/** The Service's ports as this pod has them; unresolved names are left out. */
export function portsOf(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPortOf(port, pod);
    if (number === undefined) return [];
    const appProtocol = port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol };
    return [{ name: port.name ?? "", protocol: port.protocol ?? "TCP", port: number, ...appProtocol }];
  });
}

/** The hostname that DNS publishes: only for a pod whose subdomain is this Service. */
export function publishedHostname(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

/** The endpoint of one pod, without hints. */
export function podEndpoint(service: Service, pod: Pod, ip: string, node: Node | undefined): PodEndpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const zone = node?.metadata.labels?.[ZONE];
  const hostname = publishedHostname(service, pod);
  const { namespace = "", name, uid } = pod.metadata;
  return {
    ports: portsOf(service, pod),
    endpoint: {
      addresses: [ip],
      conditions: { ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
      ...(hostname === undefined ? {} : { hostname }),
      targetRef: { kind: "Pod", namespace, name, ...(uid === undefined ? {} : { uid }) },
      ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
      ...(zone ? { zone } : {}),
    },
  };
}
