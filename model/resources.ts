// The table of resources that the API serves: group, version, names, scope, verbs, subresources.
// Adding a built-in kind is one entry here (and its fields in schema/types.json).
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from "./kinds/apps-v1.ts";
import type { CronJob, Job } from "./kinds/batch-v1.ts";
import type { Lease } from "./kinds/coordination-v1.ts";
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Service,
  ServiceAccount,
} from "./kinds/core-v1.ts";
import type { EndpointSlice } from "./kinds/discovery-v1.ts";
import type { Fault } from "./kinds/loopkube-v1alpha1.ts";
import type { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR } from "./kinds/networking-v1.ts";
import type { KubeObject } from "./object.ts";

/** A typed handle of one resource: what `store.get`, `list` and `watch` take first. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: T["kind"];
  /** Plural, lower case: the URL segment. */
  readonly resource: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly subresources: readonly Subresource[];
  /** Name of the message in schema/types.json, e.g. "core/v1.Pod". */
  readonly schema: string;
  /** Phantom, never present: ties the object's type to the handle. */
  readonly object?: T;
}

export type Subresource =
  | "status"
  | "scale"
  | "log"
  | "exec"
  | "attach"
  | "portforward"
  | "eviction"
  | "binding"
  | "ephemeralcontainers"
  | "finalize"
  | "token"
  | "proxy";

type Options = Partial<Pick<ResourceType, "shortNames" | "categories" | "namespaced" | "subresources" | "singular">>;

/** Describes one resource; `gv` is "v1" or "group/version". */
export function defineResource<T extends KubeObject>(
  gv: string,
  schemaPackage: string,
  kind: T["kind"],
  resource: string,
  options: Options = {},
): ResourceType<T> {
  const [group, version] = gv.includes("/") ? (gv.split("/") as [string, string]) : ["", gv];
  return {
    group,
    version,
    kind,
    resource,
    singular: options.singular ?? kind.toLowerCase(),
    shortNames: options.shortNames ?? [],
    categories: options.categories ?? [],
    namespaced: options.namespaced ?? true,
    subresources: options.subresources ?? [],
    schema: schemaPackage === "" ? "" : `${schemaPackage}.${kind}`,
  };
}

const all = ["all"];

export const Namespaces = defineResource<Namespace>("v1", "core/v1", "Namespace", "namespaces", {
  namespaced: false,
  shortNames: ["ns"],
  subresources: ["status", "finalize"],
});
export const Nodes = defineResource<Node>("v1", "core/v1", "Node", "nodes", {
  namespaced: false,
  shortNames: ["no"],
  subresources: ["status", "proxy"],
});
export const Pods = defineResource<Pod>("v1", "core/v1", "Pod", "pods", {
  shortNames: ["po"],
  categories: all,
  subresources: ["status", "log", "exec", "attach", "portforward", "eviction", "binding", "ephemeralcontainers", "proxy"],
});
export const Services = defineResource<Service>("v1", "core/v1", "Service", "services", {
  shortNames: ["svc"],
  categories: all,
  subresources: ["status", "proxy"],
});
export const EndpointsResource = defineResource<Endpoints>("v1", "core/v1", "Endpoints", "endpoints", {
  shortNames: ["ep"],
});
export const ConfigMaps = defineResource<ConfigMap>("v1", "core/v1", "ConfigMap", "configmaps", { shortNames: ["cm"] });
export const Secrets = defineResource<Secret>("v1", "core/v1", "Secret", "secrets");
export const ServiceAccounts = defineResource<ServiceAccount>("v1", "core/v1", "ServiceAccount", "serviceaccounts", {
  shortNames: ["sa"],
  subresources: ["token"],
});
export const Events = defineResource<Event>("v1", "core/v1", "Event", "events", { shortNames: ["ev"] });
export const PersistentVolumeClaims = defineResource<PersistentVolumeClaim>(
  "v1",
  "core/v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
  { shortNames: ["pvc"], subresources: ["status"] },
);
export const ControllerRevisions = defineResource<ControllerRevision>("apps/v1", "apps/v1", "ControllerRevision", "controllerrevisions");
export const DaemonSets = defineResource<DaemonSet>("apps/v1", "apps/v1", "DaemonSet", "daemonsets", {
  shortNames: ["ds"],
  categories: all,
  subresources: ["status"],
});
export const Deployments = defineResource<Deployment>("apps/v1", "apps/v1", "Deployment", "deployments", {
  shortNames: ["deploy"],
  categories: all,
  subresources: ["status", "scale"],
});
export const ReplicaSets = defineResource<ReplicaSet>("apps/v1", "apps/v1", "ReplicaSet", "replicasets", {
  shortNames: ["rs"],
  categories: all,
  subresources: ["status", "scale"],
});
export const StatefulSets = defineResource<StatefulSet>("apps/v1", "apps/v1", "StatefulSet", "statefulsets", {
  shortNames: ["sts"],
  categories: all,
  subresources: ["status", "scale"],
});
export const Jobs = defineResource<Job>("batch/v1", "batch/v1", "Job", "jobs", { categories: all, subresources: ["status"] });
export const CronJobs = defineResource<CronJob>("batch/v1", "batch/v1", "CronJob", "cronjobs", {
  shortNames: ["cj"],
  categories: all,
  subresources: ["status"],
});
export const EndpointSlices = defineResource<EndpointSlice>("discovery.k8s.io/v1", "discovery/v1", "EndpointSlice", "endpointslices");
export const Ingresses = defineResource<Ingress>("networking.k8s.io/v1", "networking/v1", "Ingress", "ingresses", {
  shortNames: ["ing"],
  subresources: ["status"],
});
export const IngressClasses = defineResource<IngressClass>("networking.k8s.io/v1", "networking/v1", "IngressClass", "ingressclasses", {
  namespaced: false,
});
export const NetworkPolicies = defineResource<NetworkPolicy>("networking.k8s.io/v1", "networking/v1", "NetworkPolicy", "networkpolicies", {
  shortNames: ["netpol"],
});
export const IPAddresses = defineResource<IPAddress>("networking.k8s.io/v1", "networking/v1", "IPAddress", "ipaddresses", {
  namespaced: false,
  shortNames: ["ip"],
});
export const ServiceCIDRs = defineResource<ServiceCIDR>("networking.k8s.io/v1", "networking/v1", "ServiceCIDR", "servicecidrs", {
  namespaced: false,
  subresources: ["status"],
});
export const Leases = defineResource<Lease>("coordination.k8s.io/v1", "coordination/v1", "Lease", "leases");

export const Faults = defineResource<Fault>("loopkube.dev/v1alpha1", "loopkube/v1alpha1", "Fault", "faults", {
  namespaced: false,
  subresources: ["status"],
});

/** Every built-in resource that is served, in discovery order. IPAddress and ServiceCIDR join when implemented. */
export const BUILT_IN_RESOURCES: readonly ResourceType[] = [
  Namespaces,
  Nodes,
  Pods,
  Services,
  EndpointsResource,
  ConfigMaps,
  Secrets,
  ServiceAccounts,
  Events,
  PersistentVolumeClaims,
  ControllerRevisions,
  DaemonSets,
  Deployments,
  ReplicaSets,
  StatefulSets,
  CronJobs,
  Jobs,
  EndpointSlices,
  Ingresses,
  IngressClasses,
  NetworkPolicies,
  IPAddresses,
  ServiceCIDRs,
  Leases,
  Faults,
];

/** `apiVersion` of a resource: "v1" or "group/version". */
export function apiVersionOf(type: ResourceType): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** "pods", "deployments.apps": how error messages name a resource. */
export function qualifiedResource(type: ResourceType): string {
  return type.group === "" ? type.resource : `${type.resource}.${type.group}`;
}

/** The resource of an object's apiVersion and kind, if it is served. */
export function resourceOfKind(resources: readonly ResourceType[], apiVersion: string, kind: string): ResourceType | undefined {
  return resources.find((type) => type.kind === kind && apiVersionOf(type) === apiVersion);
}
