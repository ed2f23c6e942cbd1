// What a query says about the cluster, as labels: for log formats and anything else that tells queries apart.
// Upstream: CoreDNS plugin/kubernetes/metadata.go.
import { canonicalIp } from "../model/ip.ts";
import type { Query } from "./message.ts";
import { matchZone } from "./name.ts";
import type { DnsPlugin } from "./plugin.ts";
import { parseQueryName } from "./query-name.ts";
import type { ZoneView } from "./view.ts";

/** True when the metadata plugin among these collects what plugins know of a query for this lower-case name. */
export function collectsMetadata(plugins: readonly DnsPlugin[], name: string): boolean {
  return plugins.some((plugin) => plugin.metadataZones !== undefined && matchZone(name, plugin.metadataZones) !== undefined);
}

/** Labels `kubernetes/…` of a query in one of the view's zones; none for other names, beyond who asks, which is known with `pods verified`. */
export function queryMetadata(view: ZoneView, query: Query): Readonly<Record<string, string>> {
  const ip = canonicalIp(query.client.ip);
  const client = ip === undefined || view.options.pods !== "verified" ? undefined : view.zone.podsAt(ip)[0];
  const labels: Record<string, string> = client
    ? { "kubernetes/client-namespace": client.namespace, "kubernetes/client-pod-name": client.name }
    : {};
  for (const [label, value] of Object.entries(client?.labels ?? {})) labels[`kubernetes/client-label/${label}`] = value;
  const zone = matchZone(query.name, view.options.zones);
  if (zone === undefined) return labels;
  const multicluster = view.isMulticluster(zone);
  const parsed = parseQueryName(query.name, zone, { multicluster, zonal: view.options.zonal });
  if (!parsed) return { ...labels, "kubernetes/parse-error": "invalid query name" };
  return {
    ...labels,
    "kubernetes/kind": parsed.kind,
    "kubernetes/namespace": parsed.namespace,
    "kubernetes/service": parsed.service,
    "kubernetes/endpoint": parsed.endpoint,
    "kubernetes/port-name": parsed.port,
    "kubernetes/protocol": parsed.protocol,
    ...(multicluster ? { "kubernetes/cluster": parsed.cluster } : {}),
    ...(view.options.zonal ? { "kubernetes/zone": parsed.topologyZone } : {}),
  };
}
