// What makes a Service invalid, with upstream's messages. Runs after defaulting and allocation; collects every error.
// Upstream: pkg/apis/core/validation/validation.go ValidateService, ValidateServiceUpdate. Names, labels and types of fields are the schema's.
import type { FieldError } from "../model/errors.ts";
import { canonicalIp, Cidr, ipFamily, isCidr } from "../model/ip.ts";
import type { Service, ServiceSpec } from "../model/kinds/core-v1.ts";
import { equalJson } from "../model/object.ts";
import { Services } from "../model/resources.ts";
import type { Admission } from "../store/contract.ts";
import { externallyAccessible, isHeadless, needsHealthCheckNodePort } from "./service-fields.ts";
import { validateServicePorts } from "./service-port-validation.ts";

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const SUBDOMAIN_HELP =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const IP_HELP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR_HELP = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

type Report = (error: FieldError) => void;

/** Reports an unsupported value of an enumeration. */
function oneOf(report: Report, field: string, value: string | undefined, supported: readonly string[]): void {
  if (value !== undefined && !supported.includes(value)) report({ type: "NotSupported", field, value, supported });
}

/** Refuses addresses that upstream calls special; the cluster's own blocks are on loopback here and exempt. */
export function nonSpecialIp(report: Report, field: string, ip: string, clusterBlocks: readonly Cidr[]): void {
  const family = ipFamily(ip);
  if (!family) return report({ type: "Invalid", field, value: ip, detail: IP_HELP });
  if (clusterBlocks.some((block) => block.contains(ip))) return;
  const within = (...blocks: readonly string[]): boolean => blocks.some((block) => new Cidr(block).contains(ip));
  const refuse = (detail: string): void => report({ type: "Invalid", field, value: ip, detail });
  if (ip === "0.0.0.0" || canonicalIp(ip) === "::") refuse(`may not be unspecified (${ip})`);
  if (within("127.0.0.0/8", "::1/128")) refuse("may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (within("169.254.0.0/16", "fe80::/10")) refuse("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (within("224.0.0.0/24", "ff02::/16")) refuse("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

/** All errors of one Service. */
export function validateService(service: Service, clusterBlocks: readonly Cidr[], report: Report): void {
  const { spec = {} } = service;
  const headless = isHeadless(service);
  oneOf(report, "spec.type", spec.type, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
  if ((spec.ports?.length ?? 0) === 0 && !headless && spec.type !== "ExternalName") report({ type: "Required", field: "spec.ports" });
  if (headless && (spec.type === "LoadBalancer" || spec.type === "NodePort")) {
    report({ type: "Invalid", field: "spec.clusterIPs[0]", value: "None", detail: `may not be set to 'None' for ${spec.type} services` });
  }
  if (spec.type === "ExternalName") validateExternalName(spec, report);
  else validateClusterIPs(spec, report);
  validateServicePorts(spec, report);
  validateAffinity(spec, report);
  (spec.externalIPs ?? []).forEach((ip, i) => nonSpecialIp(report, `spec.externalIPs[${i}]`, ip, clusterBlocks));
  validateLoadBalancerFields(spec, report);
  validateTrafficPolicies(service, spec, report);
}

function validateExternalName(spec: ServiceSpec, report: Report): void {
  const unwanted = { clusterIPs: spec.clusterIPs ?? [], ipFamilies: spec.ipFamilies ?? [], ipFamilyPolicy: spec.ipFamilyPolicy ?? "" };
  for (const [field, value] of Object.entries(unwanted)) {
    if (value.length > 0) report({ type: "Forbidden", field: `spec.${field}`, detail: "may not be set for ExternalName services" });
  }
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") report({ type: "Required", field: "spec.externalName" });
  else if (!SUBDOMAIN.test(name) || name.length > 253)
    report({ type: "Invalid", field: "spec.externalName", value: name, detail: SUBDOMAIN_HELP });
}

function validateClusterIPs(spec: ServiceSpec, report: Report): void {
  const { clusterIP = "", clusterIPs = [] } = spec;
  if (clusterIP === "" && clusterIPs.length > 0) {
    report({ type: "Invalid", field: "spec.clusterIPs", value: clusterIPs, detail: "must be empty when `clusterIP` is not specified" });
  } else if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP) {
    report({ type: "Invalid", field: "spec.clusterIPs", value: clusterIPs, detail: "first value must match `clusterIP`" });
  }
  oneOf(report, "spec.ipFamilyPolicy", spec.ipFamilyPolicy, ["SingleStack", "PreferDualStack", "RequireDualStack"]);
  (spec.ipFamilies ?? []).forEach((family, i) => oneOf(report, `spec.ipFamilies[${i}]`, family, ["IPv4", "IPv6"]));
  clusterIPs.forEach((ip, i) => {
    const field = `spec.clusterIPs[${i}]`;
    if (ip === "None") {
      if (clusterIPs.length > 1) report({ type: "Invalid", field, value: ip, detail: "'None' must be the first and only value" });
      return;
    }
    const family = ipFamily(ip);
    if (!family) report({ type: "Invalid", field, value: ip, detail: IP_HELP });
    else if (spec.ipFamilies?.[i] && spec.ipFamilies[i] !== family) {
      report({ type: "Invalid", field, value: ip, detail: `expected an ${spec.ipFamilies[i]} value as indicated by \`ipFamilies[${i}]\`` });
    }
  });
}

function validateAffinity(spec: ServiceSpec, report: Report): void {
  oneOf(report, "spec.sessionAffinity", spec.sessionAffinity, ["ClientIP", "None"]);
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (spec.sessionAffinity === "ClientIP" && seconds !== undefined && (seconds <= 0 || seconds > 86_400)) {
    const field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
    report({ type: "Invalid", field, value: seconds, detail: "must be greater than 0 and less than 86400" });
  }
}

function validateLoadBalancerFields(spec: ServiceSpec, report: Report): void {
  const balanced = spec.type === "LoadBalancer";
  const onlyBalanced = (field: string): void =>
    report({ type: "Forbidden", field: `spec.${field}`, detail: "may only be used when `type` is 'LoadBalancer'" });
  if ((spec.loadBalancerSourceRanges?.length ?? 0) > 0) {
    if (!balanced) onlyBalanced("loadBalancerSourceRanges");
    (spec.loadBalancerSourceRanges ?? []).forEach((range, i) => {
      if (!isCidr(range.trim())) report({ type: "Invalid", field: `spec.loadBalancerSourceRanges[${i}]`, value: range, detail: CIDR_HELP });
    });
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced) onlyBalanced("allocateLoadBalancerNodePorts");
  if (spec.loadBalancerClass !== undefined && !balanced) onlyBalanced("loadBalancerClass");
}

function validateTrafficPolicies(service: Service, spec: ServiceSpec, report: Report): void {
  const policies = ["Cluster", "Local"];
  if (spec.externalTrafficPolicy !== undefined) {
    if (!externallyAccessible(service)) {
      const detail = "may only be set for externally-accessible services";
      report({ type: "Invalid", field: "spec.externalTrafficPolicy", value: spec.externalTrafficPolicy, detail });
    } else oneOf(report, "spec.externalTrafficPolicy", spec.externalTrafficPolicy, policies);
  }
  if (spec.healthCheckNodePort && !needsHealthCheckNodePort(service)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    report({ type: "Invalid", field: "spec.healthCheckNodePort", value: spec.healthCheckNodePort, detail });
  }
  if (spec.type !== "ExternalName") oneOf(report, "spec.internalTrafficPolicy", spec.internalTrafficPolicy, policies);
  oneOf(report, "spec.trafficDistribution", spec.trafficDistribution, ["PreferClose", "PreferSameNode", "PreferSameZone"]);
}

/** What an update may not change. */
export function validateServiceUpdate(service: Service, old: Service, report: Report): void {
  const [now, before] = [service.spec ?? {}, old.spec ?? {}];
  const bothClustered = now.type !== "ExternalName" && before.type !== "ExternalName";
  const primary = before.clusterIPs?.[0] ?? before.clusterIP;
  if (bothClustered && primary && (now.clusterIPs?.[0] ?? now.clusterIP) !== primary) {
    const detail = now.clusterIPs?.[0] ? "may not change once set" : "primary clusterIP can not be unset";
    report({ type: "Invalid", field: "spec.clusterIPs[0]", value: now.clusterIPs ?? [], detail });
  }
  if (bothClustered && before.ipFamilies?.[0] && now.ipFamilies?.[0] !== before.ipFamilies[0]) {
    report({ type: "Invalid", field: "spec.ipFamilies[0]", value: now.ipFamilies?.[0] ?? "", detail: "may not change once set" });
  }
  if (
    now.type === "LoadBalancer" &&
    before.type === "LoadBalancer" &&
    !equalJson(now.loadBalancerClass ?? "", before.loadBalancerClass ?? "")
  ) {
    report({ type: "Invalid", field: "spec.loadBalancerClass", value: now.loadBalancerClass ?? "", detail: "may not change once set" });
  }
  if (needsHealthCheckNodePort(service) && needsHealthCheckNodePort(old) && now.healthCheckNodePort !== before.healthCheckNodePort) {
    report({ type: "Invalid", field: "spec.healthCheckNodePort", value: now.healthCheckNodePort ?? 0, detail: "field is immutable" });
  }
}

export function serviceValidation(clusterBlocks: readonly Cidr[]): Admission {
  return {
    name: "ServiceValidation",
    types: [Services],
    operations: ["CREATE", "UPDATE"],
    admit({ object, old, subresource }, tx) {
      if (subresource !== undefined) return;
      const report: Report = (error) => tx.reject(error);
      const service = object as unknown as Service;
      validateService(service, clusterBlocks, report);
      if (old) validateServiceUpdate(service, old as Service, report);
    },
  };
}
