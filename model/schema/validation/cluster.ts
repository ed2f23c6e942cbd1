// Nodes, Leases, Events and NetworkPolicies.
// Upstream: pkg/apis/core/validation, pkg/apis/coordination/validation, pkg/apis/networking/validation.
import type { Lease } from "../../kinds/coordination-v1.ts";
import type { Event, Node, Service } from "../../kinds/core-v1.ts";
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../kinds/networking-v1.ts";
import { Cidr, isCidr } from "../../ip.ts";
import { equalJson } from "../../object.ts";
import { validatePortOrName } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabels } from "./metadata.ts";
import { qualifiedNameErrors } from "./names.ts";
import { validateLabelSelector } from "./selector.ts";

const EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

export function validateNode({ spec }: Node, errors: FieldErrors): void {
  (spec?.taints ?? []).forEach(({ key, effect }, i) => {
    errors.invalid(`spec.taints[${i}].key`, key ?? "", ...qualifiedNameErrors(key ?? ""));
    errors.oneOf(`spec.taints[${i}].effect`, effect, EFFECTS);
  });
  (spec?.podCIDRs ?? []).forEach((cidr, i) => {
    if (!isCidr(cidr)) errors.invalid(`spec.podCIDRs[${i}]`, cidr, CIDR_HELP);
  });
}

/** What is given to a node once stays. */
export function validateNodeUpdate({ spec }: Node, { spec: old }: Node, errors: FieldErrors): void {
  const given = old?.podCIDRs ?? [];
  // A changed podCIDR stands for the whole list.
  const now = spec?.podCIDR !== undefined && spec.podCIDR !== spec.podCIDRs?.[0] ? [spec.podCIDR] : (spec?.podCIDRs ?? []);
  if (given.length > 0 && !equalJson(now, given))
    errors.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid');
  if (old?.providerID && spec?.providerID !== old.providerID)
    errors.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid');
}

export function validateLease({ spec }: Lease, errors: FieldErrors): void {
  const duration = spec?.leaseDurationSeconds;
  if (duration !== undefined && duration <= 0) errors.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0");
  errors.nonNegative("spec.leaseTransitions", spec?.leaseTransitions);
}

export function validateEvent({ metadata, involvedObject }: Event, errors: FieldErrors): void {
  const namespace = involvedObject?.namespace ?? "";
  const matches = namespace === metadata.namespace || (namespace === "" && metadata.namespace === "default");
  if (!matches) errors.invalid("involvedObject.namespace", namespace, "does not match event.namespace");
}

/** The selector only: all else of a Service is checked where its addresses and ports are allocated. */
export function validateServiceSelector({ spec }: Service, errors: FieldErrors): void {
  validateLabels(spec?.selector, "spec.selector", errors);
}

export function validateNetworkPolicy({ spec }: NetworkPolicy, errors: FieldErrors): void {
  if (spec?.podSelector) validateLabelSelector(spec.podSelector, "spec.podSelector", errors);
  for (const direction of ["ingress", "egress"] as const) {
    const rules = spec?.[direction] ?? [];
    rules.forEach((rule, i) => {
      const path = `spec.${direction}[${i}]`;
      (rule.ports ?? []).forEach((port, j) => validatePolicyPort(port, `${path}.ports[${j}]`, errors));
      const peers = "from" in rule ? (rule.from ?? []) : "to" in rule ? (rule.to ?? []) : [];
      peers.forEach((peer, j) => validatePolicyPeer(peer, `${path}.${direction === "ingress" ? "from" : "to"}[${j}]`, errors));
    });
  }
  const types = spec?.policyTypes ?? [];
  if (types.length > 2) {
    const valueText = `[]networking.PolicyType{${types.map((type) => JSON.stringify(type)).join(", ")}}`;
    return errors.invalidGo("spec.policyTypes", valueText, "may not specify more than two policyTypes");
  }
  for (const [i, type] of types.entries()) errors.supportedAsGiven(`spec.policyTypes[${i}]`, type, ["Ingress", "Egress"]);
}

function validatePolicyPort({ port, endPort, protocol }: NetworkPolicyPort, field: string, errors: FieldErrors): void {
  errors.supportedAsGiven(`${field}.protocol`, protocol, ["TCP", "UDP", "SCTP"]);
  const refuseEnd = (why: string): void => {
    if (endPort !== undefined) errors.invalid(`${field}.endPort`, endPort, why);
  };
  if (port === undefined) return refuseEnd("may not be specified when `port` is not specified");
  if (typeof port === "string") {
    refuseEnd("may not be specified when `port` is non-numeric");
    return validatePortOrName(`${field}.port`, port, errors);
  }
  errors.port(`${field}.port`, port);
  if (endPort === undefined) return;
  if (endPort < port) refuseEnd("must be greater than or equal to `port`");
  errors.port(`${field}.endPort`, endPort);
}

function validatePolicyPeer({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, field: string, errors: FieldErrors): void {
  if (podSelector) validateLabelSelector(podSelector, `${field}.podSelector`, errors);
  if (namespaceSelector) validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`, errors);
  if (ipBlock) validateIpBlock(ipBlock, `${field}.ipBlock`, errors);
  if (!ipBlock && !podSelector && !namespaceSelector) errors.required(field, "must specify a peer");
  else if (ipBlock && (podSelector || namespaceSelector)) errors.forbidden(field, "may not specify both ipBlock and another peer");
}

const CIDR_HELP = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

function validateIpBlock({ cidr, except }: IPBlock, field: string, errors: FieldErrors): void {
  if (!cidr) return errors.required(`${field}.cidr`);
  if (!isCidr(cidr)) return errors.invalid(`${field}.cidr`, cidr, CIDR_HELP);
  const block = new Cidr(cidr);
  (except ?? []).forEach((text, i) => {
    const path = `${field}.except[${i}]`;
    if (!isCidr(text)) return errors.invalid(path, text, CIDR_HELP);
    const exception = new Cidr(text);
    const isInside = exception.family === block.family && block.contains(exception.at(0)) && exception.size < block.size;
    if (!isInside) errors.invalid(path, text, "must be a strict subset of `cidr`");
  });
}
