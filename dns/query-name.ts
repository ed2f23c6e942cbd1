// What a name below the zone asks for: port, protocol, endpoint, service, namespace.
// Upstream: CoreDNS plugin/kubernetes/parse.go, zone-scoped names as in its `zonal` option.
import { labelsOf, trimZone } from "./name.ts";

export interface QueryName {
  readonly port: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly cluster: string;
  readonly service: string;
  readonly namespace: string;
  /** `service.namespace`, "" without a service. */
  readonly owner: string;
  /** "" at the apex. */
  readonly kind: "" | "svc" | "pod";
  /** Topology zone of a zone-scoped name; `prefer` falls back to all endpoints. */
  readonly topologyZone: string;
  readonly prefer: boolean;
}

const EMPTY: QueryName = {
  port: "",
  protocol: "",
  endpoint: "",
  cluster: "",
  service: "",
  namespace: "",
  owner: "",
  kind: "",
  topologyZone: "",
  prefer: false,
};
const bare = (label: string): string => (label.startsWith("_") ? label.slice(1) : label);

/** Parses a lower-case name within `zone`; undefined when no such name can exist. */
export function parseQueryName(
  name: string,
  zone: string,
  options: { readonly multicluster: boolean; readonly zonal: boolean },
): QueryName | undefined {
  const base = trimZone(name, zone);
  if (base === "" || base === "svc" || base === "pod") return EMPTY;
  const kindAt = base.length - 3;
  const kind = base.endsWith("svc") ? "svc" : base.endsWith("pod") ? "pod" : undefined;
  if (kind === undefined || base[kindAt - 1] !== "." || base[kindAt - 2] === "\\") return undefined;
  const serviceAt = base.indexOf(".");
  if (serviceAt > 0 && base.indexOf(".", serviceAt + 1) === kindAt - 1 && !base.includes("\\")) {
    const [service, namespace] = [base.slice(0, serviceAt), base.slice(serviceAt + 1, kindAt - 1)];
    return { ...EMPTY, service, namespace, owner: base.slice(0, kindAt - 1), kind };
  }
  const labels = labelsOf(base);
  const [namespace = "", service = ""] = [labels.at(-2), labels.at(-3)];
  const parsed = { ...EMPTY, kind, namespace, service, owner: service === "" ? "" : `${service}.${namespace}` } as const;
  const left = labels.slice(0, -3);
  const [first = "", second = ""] = left;
  if (left.length === 0) return parsed;
  if (left.length === 1) return { ...parsed, endpoint: first };
  if (left.length === 2) {
    const ports = !options.multicluster || first.startsWith("_") || second.startsWith("_");
    return ports ? { ...parsed, port: bare(first), protocol: bare(second) } : { ...parsed, endpoint: first, cluster: second };
  }
  const directive = left.at(-2);
  if (!options.zonal || options.multicluster || left.at(-1) !== "_zone" || kind !== "svc") return undefined;
  if (directive !== "pin" && directive !== "prefer") return undefined;
  return { ...parsed, topologyZone: left.slice(0, -2).join("."), prefer: directive === "prefer" };
}
