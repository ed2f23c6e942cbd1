// Compile: one Service, EndpointSlice or ServiceImport becomes a small frozen table with all that DNS asks of it. Memoised by object.
// Upstream: CoreDNS plugin/kubernetes/object.
import { canonicalIp } from "../model/ip.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { keyOf, namespaceOf, objectKey } from "../model/object.ts";
import type { KubeObject, ObjectKey } from "../model/object.ts";

type Labels = { readonly [key: string]: string } | undefined;

/** A port by name; number -1 stands for "has no ports". */
export interface TablePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

export interface ServiceTable {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly kind: "ClusterIP" | "Headless" | "ExternalName";
  readonly clusterIPs: readonly string[];
  /** Service.spec.externalIPs and load-balancer addresses or host names. */
  readonly externalIPs: readonly string[];
  readonly ports: readonly TablePort[];
  readonly externalName: string;
  readonly labels: Labels;
  /** For people: "Service default/web". */
  readonly title: string;
  /** With its addresses: "Service default/web (ClusterIP 127.96.0.12)". */
  readonly described: string;
}

export interface TableEndpoint {
  readonly ip: string;
  readonly hostname: string;
  readonly podName: string;
  readonly zone: string;
}

export interface SliceTable {
  readonly key: ObjectKey;
  /** Key of its Service (or ServiceImport). */
  readonly service: ObjectKey;
  readonly namespace: string;
  /** Source cluster of a multicluster slice, else "". */
  readonly cluster: string;
  readonly endpoints: readonly TableEndpoint[];
  /** Endpoints left out because they are not ready. */
  readonly notReady: number;
  readonly ports: readonly TablePort[];
  readonly labels: Labels;
}

/** multicluster.x-k8s.io ServiceImport, as far as DNS reads it. */
export interface ServiceImport extends KubeObject {
  readonly kind: "ServiceImport";
  readonly spec?: {
    readonly type?: string;
    readonly ips?: readonly string[];
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
}

const NO_PORT: readonly TablePort[] = [{ name: "", protocol: "", port: -1 }];
type Table = ServiceTable | SliceTable;
const tables = new WeakMap<KubeObject, Table>();

function tablePorts(
  ports: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[] | undefined,
): readonly TablePort[] {
  if (!ports || ports.length === 0) return NO_PORT;
  return ports.map(({ name = "", protocol = "TCP", port = -1 }) => ({ name: name.toLowerCase(), protocol: protocol.toLowerCase(), port }));
}

const addresses = (list: readonly string[]): readonly string[] => list.map((ip) => canonicalIp(ip) ?? ip);

function memoised<T extends Table>(object: KubeObject, isTable: (table: Table) => table is T, compile: () => T): T {
  const known = tables.get(object);
  if (known && isTable(known)) return known;
  const table = compile();
  Object.freeze(table);
  tables.set(object, table);
  return table;
}
const isService = (table: Table): table is ServiceTable => "clusterIPs" in table;
const isSlice = (table: Table): table is SliceTable => "endpoints" in table;

/** The table of a Service. */
export function compileService(service: Service): ServiceTable {
  return memoised(service, isService, () => {
    const { spec = {}, status } = service;
    const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""];
    const kind = spec.type === "ExternalName" ? "ExternalName" : clusterIPs[0] === "None" ? "Headless" : "ClusterIP";
    const ingress = (status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip || entry.hostname || "");
    const key = keyOf(service);
    const ips = kind === "ClusterIP" ? addresses(clusterIPs.filter((ip) => ip !== "")) : [];
    return {
      key,
      namespace: namespaceOf(service),
      name: service.metadata.name,
      kind,
      clusterIPs: ips,
      externalIPs: addresses([...(spec.externalIPs ?? []), ...ingress].filter((ip) => ip !== "")),
      ports: tablePorts(spec.ports),
      externalName: spec.externalName ?? "",
      labels: service.metadata.labels,
      title: `Service ${key}`,
      described: `Service ${key} (ClusterIP ${ips.join(", ")})`,
    };
  });
}

/** The table of a ServiceImport. */
export function compileImport(object: ServiceImport): ServiceTable {
  return memoised(object, isService, () => {
    const { spec = {} } = object;
    const headless = spec.type === "Headless" || (spec.ips ?? []).length === 0;
    const key = keyOf(object);
    const ips = headless ? [] : addresses(spec.ips ?? []);
    return {
      key,
      namespace: namespaceOf(object),
      name: object.metadata.name,
      kind: headless ? "Headless" : "ClusterIP",
      clusterIPs: ips,
      externalIPs: [],
      ports: tablePorts(spec.ports),
      externalName: "",
      labels: object.metadata.labels,
      title: `ServiceImport ${key}`,
      described: `ServiceImport ${key} (ClusterSetIP ${ips.join(", ")})`,
    };
  });
}

const MULTICLUSTER_NAME = "multicluster.kubernetes.io/service-name";

/** The table of an EndpointSlice: ready endpoints only, where an absent condition counts as ready. */
export function compileSlice(slice: EndpointSlice): SliceTable {
  return memoised(slice, isSlice, () => {
    const { labels } = slice.metadata;
    const namespace = namespaceOf(slice);
    const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false);
    return {
      key: keyOf(slice),
      service: objectKey(namespace, labels?.[MULTICLUSTER_NAME] ?? labels?.["kubernetes.io/service-name"] ?? ""),
      namespace,
      cluster: labels?.[MULTICLUSTER_NAME] === undefined ? "" : (labels["multicluster.kubernetes.io/source-cluster"] ?? ""),
      endpoints: ready.flatMap(({ addresses: ips, hostname = "", targetRef, zone = "" }) =>
        ips.map((ip) => ({ ip: canonicalIp(ip) ?? ip, hostname, podName: targetRef?.name ?? "", zone })),
      ),
      notReady: (slice.endpoints?.length ?? 0) - ready.length,
      ports: tablePorts(slice.ports),
      labels,
    };
  });
}

/** True for a slice of a ServiceImport. */
export function isMulticlusterSlice(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MULTICLUSTER_NAME] !== undefined;
}

/** The label under which an endpoint is found: its hostname, its pod's name when those are served, else its address with dashes. */
export function endpointLabel(endpoint: TableEndpoint, podNames: boolean): string {
  if (endpoint.hostname !== "") return endpoint.hostname.toLowerCase();
  if (podNames && endpoint.podName !== "" && endpoint.podName.length < 64) return endpoint.podName.toLowerCase();
  const dashed = endpoint.ip.replace(/[.:]/g, "-");
  return dashed.endsWith("-") ? `${dashed}0` : dashed;
}
