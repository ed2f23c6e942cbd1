// All records of a zone, in the order of a transfer: name servers, then Services by name. The zone file that `dump zone` prints is made of it.
// Upstream: CoreDNS plugin/kubernetes/xfr.go. Pods and reverse names are not transferred.
import type { ResourceRecord } from "./record.ts";
import { fqdn } from "./name.ts";
import type { ServiceTable, SliceTable } from "./service-table.ts";
import type { ZoneView } from "./view.ts";

const address = (name: string, ttl: number, ip: string): ResourceRecord => ({
  name,
  type: ip.includes(":") ? "AAAA" : "A",
  ttl,
  address: ip,
});

/** Records between the two SOAs. */
export function* transferRecords(view: ZoneView, zone: string): Iterable<ResourceRecord> {
  const { ttl } = view.options;
  const servers = view.nameServers(zone);
  for (const target of new Set(servers.map((server) => server.name))) yield { name: zone, type: "NS", ttl, target };
  for (const server of servers) yield address(server.name, ttl, server.ip);
  const index = view.index(zone);
  const services = [...index.services.values()].filter((service) => view.selects(service) && view.hidden(service.namespace) === undefined);
  for (const service of inOrder(services)) yield* serviceRecords(view, service, zone);
}

/** By name, then namespace, sorted as they are taken: the first takes a pass over all of them and not a whole sort, which others would wait for. */
function* inOrder(services: readonly ServiceTable[]): Iterable<ServiceTable> {
  const pivot = services[services.length >> 1];
  if (!pivot) return;
  const [before, after]: [ServiceTable[], ServiceTable[]] = [[], []];
  for (const service of services) if (service !== pivot) (isBefore(service, pivot) ? before : after).push(service);
  yield* inOrder(before);
  yield pivot;
  yield* inOrder(after);
}

const isBefore = (a: ServiceTable, b: ServiceTable): boolean => (a.name === b.name ? a.namespace < b.namespace : a.name < b.name);

/** Records of one Service. */
export function* serviceRecords(view: ZoneView, service: ServiceTable, zone: string): Iterable<ResourceRecord> {
  const { ttl } = view.options;
  const owner = `${service.name}.${service.namespace}.svc.${zone}`;
  const srv = (name: string, weight: number, port: number, target: string): ResourceRecord => ({
    name,
    type: "SRV",
    ttl,
    priority: 0,
    weight,
    port,
    target,
  });
  switch (service.kind) {
    case "ExternalName":
      yield { name: owner, type: "CNAME", ttl, target: fqdn(service.externalName) };
      return;
    case "ClusterIP":
      for (const ip of service.clusterIPs) yield address(owner, ttl, ip);
      for (const { name, protocol, port } of service.ports) {
        if (port === -1) continue;
        yield srv(owner, 100, port, owner);
        if (name !== "") yield srv(`_${name}._${protocol}.${owner}`, 100, port, owner);
      }
      return;
    case "Headless":
      yield* endpointRecords(view, view.slices(view.index(zone), service), owner, srv);
  }
}

function* endpointRecords(
  view: ZoneView,
  slices: readonly SliceTable[],
  owner: string,
  srv: (name: string, weight: number, port: number, target: string) => ResourceRecord,
): Iterable<ResourceRecord> {
  const total = slices.reduce((sum, slice) => sum + slice.endpoints.length, 0);
  const weight = Math.max(1, Math.floor(100 / Math.max(1, total)));
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      const target = `${view.label(endpoint)}.${owner}`;
      yield address(owner, view.options.ttl, endpoint.ip);
      yield address(target, view.options.ttl, endpoint.ip);
      for (const { name, protocol, port } of slice.ports)
        if (name !== "") yield srv(`_${name}._${protocol}.${owner}`, weight, port, target);
    }
  }
}
