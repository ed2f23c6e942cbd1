// A zone through the options of one `kubernetes` stanza: what of it is exposed, and how endpoints are named.
// Upstream: CoreDNS plugin/kubernetes/{kubernetes,namespace,ns}.go.
import type { LabelMatcher } from "../model/selectors.ts";
import { isWithin } from "./name.ts";
import { endpointLabel } from "./service-table.ts";
import type { ServiceTable, SliceTable, TableEndpoint } from "./service-table.ts";
import type { ServiceIndex, Zone } from "./zone.ts";

/** The options of the `kubernetes` plugin. Zones are lower case and fully qualified. */
export interface KubernetesOptions {
  readonly zones: readonly string[];
  readonly namespaces: ReadonlySet<string>;
  readonly pods: "disabled" | "insecure" | "verified";
  readonly endpointPodNames: boolean;
  readonly ttl: number;
  readonly noEndpoints: boolean;
  readonly ignoreEmptyService: boolean;
  readonly zonal: boolean;
  readonly multiclusterZones: readonly string[];
  readonly labels?: LabelMatcher;
  readonly namespaceLabels?: LabelMatcher;
}

/** Upstream's defaults for one zone. */
export function defaultKubernetesOptions(zones: readonly string[]): KubernetesOptions {
  return {
    zones,
    namespaces: new Set(),
    pods: "disabled",
    endpointPodNames: false,
    ttl: 5,
    noEndpoints: false,
    ignoreEmptyService: false,
    zonal: false,
    multiclusterZones: [],
  };
}

export class ZoneView {
  readonly zone: Zone;
  readonly options: KubernetesOptions;
  /** The server's own addresses, for NS. */
  readonly serverIPs: readonly string[];

  constructor(zone: Zone, options: KubernetesOptions, serverIPs: readonly string[]) {
    this.zone = zone;
    this.options = options;
    this.serverIPs = serverIPs;
  }

  isMulticluster(zone: string): boolean {
    return this.options.multiclusterZones.some((multicluster) => isWithin(zone, multicluster));
  }
  index(zone: string): ServiceIndex {
    return this.isMulticluster(zone) ? this.zone.imported : this.zone.local;
  }
  /** Undefined when exposed, else why not. */
  hidden(namespace: string): string | undefined {
    const { namespaces, namespaceLabels } = this.options;
    if (namespaces.size > 0 && !namespaces.has(namespace)) return `namespace "${namespace}" is not exposed by the namespaces option`;
    if (!this.zone.namespaces.has(namespace)) return `namespace "${namespace}" does not exist`;
    if (namespaceLabels && !namespaceLabels(this.zone.namespaces.get(namespace)))
      return `namespace "${namespace}" does not match namespace_labels`;
    return undefined;
  }
  /** By `service.namespace`. */
  service(index: ServiceIndex, owner: string): ServiceTable | undefined {
    const table = index.named(owner);
    return table && this.selects(table) ? table : undefined;
  }
  slices(index: ServiceIndex, service: ServiceTable): readonly SliceTable[] {
    return this.options.noEndpoints ? [] : index.slicesOf(service.key).filter((slice) => this.selects(slice));
  }
  selects(table: ServiceTable | SliceTable): boolean {
    return !this.options.labels || this.options.labels(table.labels);
  }
  label(endpoint: TableEndpoint): string {
    return endpointLabel(endpoint, this.options.endpointPodNames);
  }
  /** The zone in which reverse names point. */
  get primaryZone(): string {
    return this.options.zones.find((zone) => !zone.endsWith(".arpa.")) ?? "cluster.local.";
  }

  /** Names and addresses of this server: the Services that its own addresses are endpoints of, else `ns.dns.<zone>`. */
  nameServers(zone: string): readonly { readonly name: string; readonly ip: string }[] {
    const found: { name: string; ip: string }[] = [];
    let isEndpoint = false;
    const { local } = this.zone;
    for (const ip of this.serverIPs) {
      for (const slice of this.options.noEndpoints ? [] : local.slicesAt(ip)) {
        isEndpoint = true;
        const service = local.services.get(slice.service);
        if (!service || !this.selects(service)) continue;
        const owner = `${service.name}.${service.namespace}.svc.${zone}`;
        if (service.kind === "Headless")
          found.push(...slice.endpoints.map((endpoint) => ({ name: `${this.label(endpoint)}.${owner}`, ip: endpoint.ip })));
        else found.push(...service.clusterIPs.map((clusterIp) => ({ name: owner, ip: clusterIp })));
      }
    }
    return isEndpoint ? found : this.serverIPs.map((ip) => ({ name: `ns.dns.${zone}`, ip }));
  }
}
