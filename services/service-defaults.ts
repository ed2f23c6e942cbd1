// Fills in what a Service leaves out, and on an update keeps what the cluster allocated and drops what the new type does not have.
// Upstream: pkg/apis/core/v1/defaults.go SetDefaults_Service; pkg/registry/core/service/strategy.go (patchAllocatedValues, dropTypeDependentFields).
import type { Service } from "../model/kinds/core-v1.ts";
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

/** `clusterIP` and `clusterIPs` say the same; clients may know only the first. */
function normalizeClusterIPs({ spec }: ServiceDraft, old: Service | undefined): void {
  if (!spec) return;
  const { clusterIP = "", clusterIPs = [] } = spec;
  if (!old) {
    if (clusterIP !== "" && clusterIPs.length === 0) spec.clusterIPs = [clusterIP];
    return;
  }
  const before = old.spec?.clusterIP ?? "";
  const sameList = equalJson(clusterIPs, old.spec?.clusterIPs ?? []);
  if (clusterIP !== before && sameList) {
    if (clusterIP === "") delete spec.clusterIPs;
    else spec.clusterIPs = [clusterIP];
  } else if (clusterIP !== "" && clusterIPs.length === 0) spec.clusterIPs = [clusterIP];
}

/** What the cluster allocated stays when the writer left it out. */
function keepAllocated(service: ServiceDraft, old: Service): void {
  const { spec } = service;
  if (!spec || !old.spec) return;
  if (needsClusterIP(service) && needsClusterIP(old)) {
    if (!spec.clusterIP && old.spec.clusterIP) {
      spec.clusterIP = old.spec.clusterIP;
      if (!spec.clusterIPs || spec.clusterIPs.length === 0) spec.clusterIPs = [...(old.spec.clusterIPs ?? [old.spec.clusterIP])];
    }
    if (!spec.ipFamilies && old.spec.ipFamilies) spec.ipFamilies = [...old.spec.ipFamilies];
  }
  if (needsNodePorts(service) && needsNodePorts(old)) {
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue;
      const was = old.spec.ports?.find((other) => other.port === port.port && (other.protocol ?? "TCP") === port.protocol);
      const taken = was?.nodePort && spec.ports?.some((other) => other.nodePort === was.nodePort && other.protocol === port.protocol);
      if (was?.nodePort && !taken) port.nodePort = was.nodePort;
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
  if (needsClusterIP(old) && !needsClusterIP(service) && (spec.clusterIP ?? "") === (old.spec.clusterIP ?? "")) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
    delete spec.internalTrafficPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(service)) {
    const before = new Set(old.spec.ports?.map((port) => port.nodePort));
    if (spec.ports?.every((port) => !port.nodePort || before.has(port.nodePort))) for (const port of spec.ports) delete port.nodePort;
  }
  if (needsHealthCheckNodePort(old) && !needsHealthCheckNodePort(service) && spec.healthCheckNodePort === old.spec.healthCheckNodePort) {
    delete spec.healthCheckNodePort;
  }
  if (old.spec.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (spec.allocateLoadBalancerNodePorts === old.spec.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts;
    if (spec.loadBalancerClass === old.spec.loadBalancerClass) delete spec.loadBalancerClass;
  }
  if (externallyAccessible(old) && !externallyAccessible(service) && spec.externalTrafficPolicy === old.spec.externalTrafficPolicy) {
    delete spec.externalTrafficPolicy;
  }
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
    normalizeClusterIPs(service, before);
    if (!before) return;
    keepAllocated(service, before);
    dropTypeDependent(service, before);
  },
};
