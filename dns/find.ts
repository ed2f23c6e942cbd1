// Which addresses stand behind a name of the zone, or why there are none: the question of every record type, before types come in.
// Upstream: CoreDNS plugin/kubernetes/kubernetes.go Services, Records, findServices, findPods.
import { canonicalIp, ipFamily } from "../model/ip.ts";
import { isReverse } from "./name.ts";
import { parseQueryName } from "./query-name.ts";
import type { QueryName } from "./query-name.ts";
import type { ServiceTable, TablePort } from "./service-table.ts";
import type { ZoneView } from "./view.ts";

/** One host behind a name: an address, or the target of an ExternalName. `owner` is its own name, without the zone. */
export interface Found {
  readonly host: string;
  readonly family: "IPv4" | "IPv6" | undefined;
  /** -1: no declared port. */
  readonly port: number;
  readonly owner: string;
}

/** `name`: such a name exists, with or without hosts. `missing`: it does not (NXDOMAIN). `from` is for people. */
export type Lookup =
  | { readonly type: "name"; readonly hosts: readonly Found[]; readonly from: string }
  | { readonly type: "missing"; readonly from: string };

/** Of a canonical address. */
const familyOf = (ip: string): "IPv4" | "IPv6" => (ip.includes(":") ? "IPv6" : "IPv4");
const missing = (from: string): Lookup => ({ type: "missing", from });

/** Looks a lower-case name up in `zone` (lower case). */
export function find(view: ZoneView, name: string, zone: string): Lookup {
  const asked = parseQueryName(name, zone, { multicluster: view.isMulticluster(zone), zonal: view.options.zonal });
  if (!asked) return missing("invalid query name: not of the form [[port.protocol|endpoint].]service.namespace.svc|pod");
  if (asked.kind === "") return { type: "name", hosts: [], from: `${name} is an empty name of the zone` };
  if (isReverse(name)) return missing("not an address's reverse name");
  const hidden = view.hidden(asked.namespace);
  if (hidden !== undefined) return missing(asked.namespace === "" ? "no namespace" : hidden);
  return asked.kind === "pod" ? findPods(view, asked) : findServices(view, asked, zone);
}

function findPods(view: ZoneView, { service: label, namespace }: QueryName): Lookup {
  const mode = view.options.pods;
  if (mode === "disabled") return missing("pod records are disabled (pods disabled)");
  if (label === "") return { type: "name", hosts: [], from: `namespace ${namespace} exists` };
  const fourParts = label.split("-").length === 4 && !label.includes("--");
  const ip = canonicalIp(label.replaceAll("-", fourParts ? "." : ":"));
  if (ip === undefined) return missing(`"${label}" is no address with dashes`);
  const pod = view.zone
    .podsAt(ip)
    .find((candidate) => candidate.namespace === namespace && (!view.options.labels || view.options.labels(candidate.labels)));
  if (mode === "verified" && !pod) return missing(`no pod in namespace ${namespace} has address ${ip} (pods verified)`);
  const host: Found = { host: ip, family: familyOf(ip), port: 0, owner: `${label}.${namespace}.pod` };
  return {
    type: "name",
    hosts: [host],
    from: mode === "verified" ? `pod with address ${ip} in ${namespace}` : `any address is answered (pods insecure)`,
  };
}

function findServices(view: ZoneView, asked: QueryName, zone: string): Lookup {
  if (asked.service === "") return { type: "name", hosts: [], from: `namespace ${asked.namespace} exists` };
  const index = view.index(zone);
  const service = view.service(index, asked.owner);
  if (!service) return missing(`Service ${asked.namespace}/${asked.service} does not exist`);
  const named = service.title;
  if (
    view.options.ignoreEmptyService &&
    service.kind === "ClusterIP" &&
    view.slices(index, service).every((slice) => slice.endpoints.length === 0)
  ) {
    return missing(`${named} has no ready endpoint (ignore empty_service)`);
  }
  if (asked.topologyZone !== "" && service.kind !== "Headless")
    return missing(`${named} is not headless: zone-scoped names are for headless Services`);
  const owner = `${service.name}.${service.namespace}.svc`;
  if (service.kind === "ExternalName") {
    if (asked.endpoint !== "" || asked.port !== "" || asked.protocol !== "")
      return missing(`${named} is of type ExternalName: nothing stands below it`);
    if (ipFamily(service.externalName) !== undefined) return missing(`${named} has an address as its externalName`);
    return { type: "name", hosts: [{ host: service.externalName, family: undefined, port: 0, owner }], from: `${named} (ExternalName)` };
  }
  if (service.kind === "Headless" || asked.endpoint !== "") return findEndpoints(view, asked, zone, service, named);
  const hosts: Found[] = [];
  let matched = false;
  for (const port of service.ports) {
    if (!portMatches(asked, port)) continue;
    matched = true;
    for (const host of service.clusterIPs) hosts.push({ host, family: familyOf(host), port: port.port, owner });
  }
  if (!matched) return missing(`${named} has no port named "${asked.port}" with protocol ${asked.protocol}`);
  return { type: "name", hosts, from: service.described };
}

function findEndpoints(view: ZoneView, asked: QueryName, zone: string, service: ServiceTable, named: string): Lookup {
  const slices = view.slices(view.index(zone), service);
  const multicluster = view.isMulticluster(zone);
  const collect = (topologyZone: string): Found[] => {
    const hosts: Found[] = [];
    for (const slice of slices) {
      if (asked.endpoint !== "" && multicluster && asked.cluster !== slice.cluster.toLowerCase()) continue;
      for (const endpoint of slice.endpoints) {
        if (topologyZone !== "" && endpoint.zone.toLowerCase() !== topologyZone) continue;
        const label = view.label(endpoint);
        if (asked.endpoint !== "" && asked.endpoint !== label) continue;
        const owner = `${label}.${slice.cluster === "" ? "" : `${slice.cluster}.`}${service.name}.${service.namespace}.svc`;
        for (const port of slice.ports)
          if (portMatches(asked, port)) hosts.push({ host: endpoint.ip, family: familyOf(endpoint.ip), port: port.port, owner });
      }
    }
    return hosts;
  };
  let hosts = collect(asked.topologyZone);
  if (hosts.length === 0 && asked.prefer) hosts = collect("");
  const ready = slices.reduce((sum, slice) => sum + slice.endpoints.length, 0);
  const notReady = slices.reduce((sum, slice) => sum + slice.notReady, 0);
  const count = `${ready} ready endpoint${ready === 1 ? "" : "s"}${notReady > 0 ? `, ${notReady} not ready` : ""}`;
  const from = `${named} (${service.kind === "Headless" ? "headless, " : ""}${count})`;
  if (hosts.length > 0 || asked.topologyZone !== "") return { type: "name", hosts, from };
  if (view.options.noEndpoints) return missing(`${named}: endpoints are not watched (noendpoints)`);
  if (asked.endpoint !== "") return missing(`${from} has no ready endpoint named "${asked.endpoint}"`);
  if (asked.port !== "" || asked.protocol !== "")
    return missing(`${from} has no port named "${asked.port}" with protocol ${asked.protocol}`);
  return missing(`${from}: none to list`);
}

function portMatches(asked: QueryName, port: TablePort): boolean {
  return (asked.port === "" || asked.port === port.name) && (asked.protocol === "" || asked.protocol === port.protocol);
}
