// Pods → subsets of an Endpoints object: addresses grouped by the ports they share, in a canonical order. Pure.
// Upstream: pkg/controller/endpoint/endpoints_controller.go, pkg/api/v1/endpoints/util.go RepackSubsets.
import type { EndpointAddress, EndpointPort, EndpointSubset, Pod, Service } from "../model/kinds/core-v1.ts";
import { ipFamily } from "../model/ip.ts";
import { isInEndpoints, isPodReady, podIp, publishedHostname, targetPortOf } from "./pod-endpoints.ts";

/** Most addresses that one Endpoints object holds. */
export const MAX_ENDPOINTS = 1000;

interface Group {
  readonly ports: readonly EndpointPort[];
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
}

const portText = (port: EndpointPort): string => `${port.name ?? ""} ${port.protocol ?? "TCP"} ${port.port}`;

/** The subsets of a Service, and whether addresses had to be left out. */
export function endpointSubsets(
  service: Service,
  pods: readonly Pod[],
): { readonly subsets: readonly EndpointSubset[]; readonly truncated: boolean } {
  const { spec = {} } = service;
  const publishNotReady = spec.publishNotReadyAddresses === true;
  const family = (spec.ipFamilies?.[0] === "IPv6" ? "IPv6" : undefined) ?? ipFamily(spec.clusterIP ?? "") ?? "IPv4";
  // For one address of one pod: all ports it has, so that addresses with equal sets meet in one subset.
  const byAddress = new Map<string, { readonly address: EndpointAddress; readonly ready: boolean; readonly ports: EndpointPort[] }>();
  for (const pod of pods) {
    const ip = podIp(pod, family);
    if (ip === undefined || !isInEndpoints(pod, publishNotReady)) continue;
    const ready = publishNotReady || isPodReady(pod);
    const entry = { address: addressOf(service, pod, ip), ready, ports: [] as EndpointPort[] };
    for (const port of spec.ports ?? []) {
      const number = targetPortOf(port, pod);
      if (number === undefined) continue;
      entry.ports.push({
        ...(port.name ? { name: port.name } : {}),
        port: number,
        protocol: port.protocol ?? "TCP",
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      });
    }
    const isPortless = (spec.ports?.length ?? 0) === 0 && spec.clusterIP === "None";
    if (entry.ports.length > 0 || isPortless) byAddress.set(`${ip} ${pod.metadata.uid ?? ""}`, entry);
  }
  const groups = new Map<string, Group>();
  for (const { address, ready, ports } of [...byAddress.values()].sort((a, b) => (a.address.ip < b.address.ip ? -1 : 1))) {
    const key = ports.map(portText).sort().join();
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, ready: [], notReady: [] }));
    (ready ? group.ready : group.notReady).push(address);
  }
  const truncated = byAddress.size > MAX_ENDPOINTS;
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  if (truncated) truncate(sorted.map(([, group]) => group));
  const subsets = sorted
    .map(([, { ports, ready, notReady }]): EndpointSubset => ({
      ...(ready.length > 0 ? { addresses: ready } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady } : {}),
      ...(ports.length > 0 ? { ports: ports.toSorted((a, b) => (portText(a) < portText(b) ? -1 : 1)) } : {}),
    }))
    .filter((subset) => (subset.addresses?.length ?? 0) + (subset.notReadyAddresses?.length ?? 0) > 0);
  return { subsets, truncated };
}

/** Keeps ready addresses first, each group its share. */
function truncate(groups: readonly Group[]): void {
  let room = MAX_ENDPOINTS;
  for (const kind of ["ready", "notReady"] as const) {
    const total = groups.reduce((sum, group) => sum + group[kind].length, 0);
    if (total === 0) continue;
    let used = 0;
    for (const group of groups) {
      const share = Math.min(group[kind].length, Math.ceil((group[kind].length / total) * room), room - used);
      group[kind].length = share;
      used += share;
    }
    room -= used;
  }
}

function addressOf(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = publishedHostname(service, pod);
  const { namespace = "", name, uid } = pod.metadata;
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: "Pod", namespace, name, ...(uid === undefined ? {} : { uid }) },
  };
}
