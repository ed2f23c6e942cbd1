// Fills in what a Service leaves out, and on an update keeps what the cluster allocated and drops what the new type does not have.
// Upstream: pkg/apis/core/v1/defaults.go SetDefaults_Service; pkg/registry/core/service/strategy.go (patchAllocatedValues, dropTypeDependentFields).
import type { Service, ServiceSpec } from "../model/kinds/core-v1.ts";
import { type Draft, equalJson } from "../model/object.ts";
import type { Admission } from "../store/contract.ts";
import { Services } from "../model/resources.ts";
import { externallyAccessible, needsClusterIP, needsHealthCheckNodePort, needsNodePorts } from "./service-fields.ts";

type ServiceDraft = Draft<Service>;

/** Defaults of `spec`, in place. */
export function defaultService(service: ServiceDraft): void {
  const spec = (service.spec ??= {});
  spec.type ||= "ClusterIP";
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10_800 } };
  }
  for (const port of spec.ports ?? []) {
    port.protocol ??= "TCP";
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "") port.targetPort = port.port;
    if (port.nodePort === 0) delete port.nodePort;
  }
  if (externallyAccessible(service)) spec.externalTrafficPolicy ??= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
}

/** `clusterIP` and `clusterIPs` say the same; clients may know only the first. What they contradict each other in is left for validation. */
function normalizeClusterIPs({ spec }: ServiceDraft, old: Service | undefined): void {
  if (!spec) return;
  const { clusterIP = "", clusterIPs = [] } = spec;
  if (!old) {
    if (clusterIP !== "" && clusterIPs.length === 0) spec.clusterIPs = [clusterIP];
    return;
  }
  const { clusterIP: before = "", clusterIPs: list = [] } = old.spec ?? {};
  if (clusterIP === before || !equalJson(clusterIPs, list)) return;
  if (clusterIP === "") delete spec.clusterIPs;
  else spec.clusterIPs = [clusterIP];
}

/** What the cluster allocated stays when the writer left it out: addresses, and NodePorts by the names of their ports. */
function keepAllocated(service: ServiceDraft, old: Service): void {
  const { spec } = service;
  if (!spec || !old.spec) return;
  if (needsClusterIP(service) && needsClusterIP(old)) {
    if (!spec.clusterIP && old.spec.clusterIP) spec.clusterIP = old.spec.clusterIP;
    if ((spec.clusterIPs?.length ?? 0) === 0 && old.spec.clusterIPs) spec.clusterIPs = [...old.spec.clusterIPs];
  }
  if (needsNodePorts(service) && needsNodePorts(old)) {
    const numbers = new Set(spec.ports?.map((port) => port.nodePort));
    const taken = new Set(old.spec.ports?.map((port) => port.nodePort).filter((number) => number && numbers.has(number)));
    for (const port of spec.ports ?? []) {
      const was = old.spec.ports?.findLast((other) => (other.name ?? "") === (port.name ?? ""))?.nodePort;
      if (!port.nodePort && was && !taken.has(was)) port.nodePort = was;
    }
  }
  if (needsHealthCheckNodePort(service) && needsHealthCheckNodePort(old) && !spec.healthCheckNodePort && old.spec.healthCheckNodePort) {
    spec.healthCheckNodePort = old.spec.healthCheckNodePort;
  }
}

/** Fields of the old type that the writer merely carried along. */
function dropTypeDependent(service: ServiceDraft, old: Service): void {
  const { spec } = service;
  if (!spec || !old.spec) return;
  const isSame = (field: keyof ServiceSpec): boolean => equalJson(spec[field] ?? "", old.spec[field] ?? "");
  if (needsClusterIP(old) && !needsClusterIP(service)) {
    if (isSame("clusterIP") && isSame("clusterIPs")) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (isSame("ipFamilies")) delete spec.ipFamilies;
    if (isSame("ipFamilyPolicy")) delete spec.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(service)) {
    const before = new Set(old.spec.ports?.map((port) => port.nodePort));
    if (spec.ports?.every((port) => !port.nodePort || before.has(port.nodePort))) for (const port of spec.ports) delete port.nodePort;
  }
  if (needsHealthCheckNodePort(old) && !needsHealthCheckNodePort(service) && isSame("healthCheckNodePort")) delete spec.healthCheckNodePort;
  if (old.spec.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (isSame("allocateLoadBalancerNodePorts")) delete spec.allocateLoadBalancerNodePorts;
    if (isSame("loadBalancerClass")) delete spec.loadBalancerClass;
  }
  if (externallyAccessible(old) && !externallyAccessible(service) && isSame("externalTrafficPolicy")) delete spec.externalTrafficPolicy;
  if (spec.type !== "LoadBalancer" && service.status?.loadBalancer) service.status.loadBalancer = {};
}

export const serviceDefaults: Admission = {
  name: "ServiceDefaults",
  types: [Services],
  operations: ["CREATE", "UPDATE"],
  admit({ object, old, subresource }) {
    if (subresource !== undefined) return;
    const service = object as ServiceDraft;
    const before = old as Service | undefined;
    defaultService(service);
    if (before) keepAllocated(service, before);
    normalizeClusterIPs(service, before);
    if (before) dropTypeDependent(service, before);
  },
};
