// What makes a Service invalid, with upstream's messages. Runs after defaulting and allocation; collects every error.
// Upstream: pkg/apis/core/validation/validation.go ValidateService, ValidateServiceUpdate. Names, labels and types of fields are the schema's.
import type { FieldError } from "../model/errors.ts";
import { canonicalIp, Cidr, ipFamily, isCidr } from "../model/ip.ts";
import type { Service, ServiceSpec } from "../model/kinds/core-v1.ts";
import { Services } from "../model/resources.ts";
import { formatErrors, qualifiedNameErrors } from "../model/schema/validation/names.ts";
import type { Admission } from "../store/contract.ts";
import { externallyAccessible, isHeadless, needsHealthCheckNodePort } from "./service-fields.ts";
import { validateDuplicatePorts, validateServicePorts } from "./service-port-validation.ts";

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

/** All errors of one Service, in upstream's order. */
export function validateService(service: Service, clusterBlocks: readonly Cidr[], report: Report): void {
  const { spec = {} } = service;
  validateTopologyAnnotations(service, report);
  const headless = isHeadless(service);
  if ((spec.ports?.length ?? 0) === 0 && !headless && spec.type !== "ExternalName") report({ type: "Required", field: "spec.ports" });
  if (headless && (spec.type === "LoadBalancer" || spec.type === "NodePort")) {
    report({ type: "Invalid", field: "spec.clusterIPs[0]", value: "None", detail: `may not be set to 'None' for ${spec.type} services` });
  }
  if (spec.type === "ExternalName") validateExternalName(spec, report);
  validateServicePorts(spec, report);
  validateAffinity(spec, report);
  if (spec.type !== "ExternalName") validateClusterIPs(spec, report);
  (spec.externalIPs ?? []).forEach((ip, i) => nonSpecialIp(report, `spec.externalIPs[${i}]`, ip, clusterBlocks));
  oneOf(report, "spec.type", spec.type, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
  validateDuplicatePorts(spec, report);
  validateSourceRanges(service, report);
  if (spec.type !== "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== undefined)
    onlyBalanced(report, "spec.allocateLoadBalancerNodePorts");
  validateLoadBalancerClass(spec, report);
  validateTrafficPolicies(service, spec, report);
}

const onlyBalanced = (report: Report, field: string): void =>
  report({ type: "Forbidden", field, detail: "may only be used when `type` is 'LoadBalancer'" });

const TOPOLOGY_MODE = "service.kubernetes.io/topology-mode";
const TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints";

function validateTopologyAnnotations({ metadata }: Service, report: Report): void {
  const { [TOPOLOGY_MODE]: mode, [TOPOLOGY_HINTS]: hints } = metadata.annotations ?? {};
  if (mode === undefined || hints === undefined || mode === hints) return;
  const detail = `must match annotations[${TOPOLOGY_HINTS}] when both are specified`;
  report({ type: "Invalid", field: `metadata.annotations[${TOPOLOGY_MODE}]`, value: mode, detail });
}

function validateExternalName(spec: ServiceSpec, report: Report): void {
  const unwanted = { clusterIPs: spec.clusterIPs ?? [], ipFamilies: spec.ipFamilies ?? [], ipFamilyPolicy: spec.ipFamilyPolicy ?? "" };
  for (const [field, value] of Object.entries(unwanted)) {
    if (value.length > 0) report({ type: "Forbidden", field: `spec.${field}`, detail: "may not be set for ExternalName services" });
  }
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") report({ type: "Required", field: "spec.externalName" });
  else for (const detail of formatErrors("subdomain", name)) report({ type: "Invalid", field: "spec.externalName", value: name, detail });
}

/** `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` among themselves; also looked at before addresses are allocated. */
export function validateClusterIPs(
  spec: Pick<ServiceSpec, "clusterIP" | "clusterIPs" | "ipFamilies" | "ipFamilyPolicy">,
  report: Report,
): void {
  const { clusterIP = "", clusterIPs = [], ipFamilies = [] } = spec;
  const list = (detail: string): void => report({ type: "Invalid", field: "spec.clusterIPs", value: clusterIPs, detail });
  if (clusterIP !== "" && clusterIPs.length === 0) report({ type: "Required", field: "spec.clusterIPs" });
  else if (clusterIP !== "" && clusterIPs[0] !== clusterIP) list("first value must match `clusterIP`");
  else if (clusterIP === "" && clusterIPs.length > 0) list("must be empty when `clusterIP` is not specified");
  ipFamilies.forEach((family, i) => {
    oneOf(report, `spec.ipFamilies[${i}]`, family, ["IPv4", "IPv6"]);
    if (ipFamilies.indexOf(family) < i) report({ type: "Duplicate", field: `spec.ipFamilies[${i}]`, value: family });
  });
  oneOf(report, "spec.ipFamilyPolicy", spec.ipFamilyPolicy, ["PreferDualStack", "RequireDualStack", "SingleStack"]);
  let bad = false;
  clusterIPs.forEach((ip, i) => {
    if (i === 0 && ip === "None") {
      if (clusterIPs.length === 1) return;
      list("'None' must be the first and only value");
      bad = true;
    } else if (!ipFamily(ip)) {
      report({ type: "Invalid", field: `spec.clusterIPs[${i}]`, value: ip, detail: IP_HELP });
      bad = true;
    }
  });
  if (clusterIPs.length > 2) list("may only hold up to 2 values");
  // Complaints about families would only mislead.
  if (bad) return;
  const families = clusterIPs.map((ip) => ipFamily(ip));
  if (clusterIPs.length > 1 && (clusterIPs.length > 2 || families[0] === families[1]))
    list("may specify no more than one IP for each IP family");
  clusterIPs.forEach((ip, i) => {
    const wanted = ipFamilies[i];
    if (ip === "None" || (wanted !== "IPv4" && wanted !== "IPv6") || families[i] === wanted) return;
    report({
      type: "Invalid",
      field: `spec.clusterIPs[${i}]`,
      value: ip,
      detail: `expected an ${wanted} value as indicated by \`ipFamilies[${i}]\``,
    });
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

const SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges";

/** The field, or without one the annotation that came before it. Upstream writes the field's name with a capital letter. */
function validateSourceRanges({ metadata, spec = {} }: Service, report: Report): void {
  const annotation = metadata.annotations?.[SOURCE_RANGES];
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const check = (field: string, text: string): void => {
    if (!isCidr(text)) report({ type: "Invalid", field, value: text, detail: CIDR_HELP });
  };
  if (ranges.length > 0) {
    const field = "spec.LoadBalancerSourceRanges";
    if (spec.type !== "LoadBalancer") onlyBalanced(report, field);
    ranges.forEach((range, i) => check(`${field}[${i}]`, range.trim()));
  } else if (annotation !== undefined) {
    const field = `metadata.annotations[${SOURCE_RANGES}]`;
    if (spec.type !== "LoadBalancer") onlyBalanced(report, field);
    if (annotation.trim() !== "") for (const range of annotation.split(",")) check(field, range.trim());
  }
}

function validateLoadBalancerClass({ type, loadBalancerClass }: ServiceSpec, report: Report): void {
  if (loadBalancerClass === undefined) return;
  if (type !== "LoadBalancer") return onlyBalanced(report, "spec.loadBalancerClass");
  for (const detail of qualifiedNameErrors(loadBalancerClass))
    report({ type: "Invalid", field: "spec.loadBalancerClass", value: loadBalancerClass, detail });
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
  oneOf(report, "spec.internalTrafficPolicy", spec.internalTrafficPolicy, policies);
  oneOf(report, "spec.trafficDistribution", spec.trafficDistribution, ["PreferClose", "PreferSameNode", "PreferSameZone"]);
}

/** What an update may not change. */
export function validateServiceUpdate(service: Service, old: Service, report: Report): void {
  const [now, before] = [service.spec ?? {}, old.spec ?? {}];
  if (now.type !== "ExternalName" && before.type !== "ExternalName") {
    validateKept(
      "clusterIPs",
      "clusterIP",
      now.clusterIPs ?? [],
      before.clusterIPs ?? [],
      isHeadless(service) && isHeadless(old),
      now,
      report,
    );
    const anyHeadless = isHeadless(service) || isHeadless(old);
    validateKept("ipFamilies", "ipFamily", now.ipFamilies ?? [], before.ipFamilies ?? [], anyHeadless, now, report);
  }
  if (now.type === "LoadBalancer" && before.type === "LoadBalancer" && now.loadBalancerClass !== before.loadBalancerClass) {
    const value = now.loadBalancerClass ?? "null";
    report({ type: "Invalid", field: "spec.loadBalancerClass", value, detail: "may not change once set" });
  }
}

/** A secondary value may come, and with policy SingleStack go; the others stay. */
function validateKept(
  name: "clusterIPs" | "ipFamilies",
  singular: string,
  now: readonly string[],
  before: readonly string[],
  free: boolean,
  spec: ServiceSpec,
  report: Report,
): void {
  if (free) return;
  const valueText = `[]${name === "ipFamilies" ? "core.IPFamily" : "string"}${now.length === 0 ? "(nil)" : `{${now.map((item) => JSON.stringify(item)).join(", ")}}`}`;
  const refuse = (i: number, detail: string): void => report({ type: "Invalid", field: `spec.${name}[${i}]`, valueText, detail });
  if (before.length > now.length && now.length === 0) return refuse(0, `primary ${singular} can not be unset`);
  const common = before.length === now.length ? before.length : Math.min(1, before.length);
  for (let i = 0; i < common; i++) if (now[i] !== before[i]) refuse(name === "ipFamilies" ? 0 : i, "may not change once set");
  if (before.length > now.length && now.length === 1 && spec.ipFamilyPolicy !== "SingleStack") {
    const detail = `must be set to 'SingleStack' when releasing the secondary ${singular}`;
    report({ type: "Invalid", field: "spec.ipFamilyPolicy", value: spec.ipFamilyPolicy ?? "null", detail });
  }
}

/** What a controller announces. */
export function validateServiceStatus({ spec = {}, status }: Service, report: Report): void {
  const ingresses = status?.loadBalancer?.ingress ?? [];
  const path = "status.loadBalancer.ingress";
  if (spec.type !== "LoadBalancer" && ingresses.length > 0)
    return report({ type: "Forbidden", field: path, detail: "may only be used when `spec.type` is 'LoadBalancer'" });
  ingresses.forEach(({ ip = "", ipMode, hostname = "" }, i) => {
    const field = `${path}[${i}]`;
    if (ip !== "" && !ipFamily(ip)) report({ type: "Invalid", field: `${field}.ip`, value: ip, detail: IP_HELP });
    if (ipMode === undefined && ip !== "")
      report({ type: "Required", field: `${field}.ipMode`, detail: "must be specified when `ip` is set" });
    else if (ipMode !== undefined && ip === "")
      report({ type: "Forbidden", field: `${field}.ipMode`, detail: "may not be specified when `ip` is not set" });
    else oneOf(report, `${field}.ipMode`, ipMode, ["Proxy", "VIP"]);
    if (hostname === "") return;
    for (const detail of formatErrors("subdomain", hostname))
      report({ type: "Invalid", field: `${field}.hostname`, value: hostname, detail });
    if (ipFamily(hostname))
      report({ type: "Invalid", field: `${field}.hostname`, value: hostname, detail: "must be a DNS name, not an IP address" });
  });
}

export function serviceValidation(clusterBlocks: readonly Cidr[]): Admission {
  return {
    name: "ServiceValidation",
    types: [Services],
    operations: ["CREATE", "UPDATE"],
    admit({ object, old, subresource }, tx) {
      const report: Report = (error) => tx.reject(error);
      const service = object as unknown as Service;
      if (subresource !== undefined) return subresource === "status" ? validateServiceStatus(service, report) : undefined;
      validateService(service, clusterBlocks, report);
      if (old) validateServiceUpdate(service, old as Service, report);
    },
  };
}
