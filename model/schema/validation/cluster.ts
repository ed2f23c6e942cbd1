// Nodes, Leases, Events and NetworkPolicies.
// Upstream: pkg/apis/core/validation, pkg/apis/coordination/validation, pkg/apis/networking/validation.
import type { Lease } from "../../kinds/coordination-v1.ts";
import type { Event, Node, Service } from "../../kinds/core-v1.ts";
import type { NetworkPolicy } from "../../kinds/networking-v1.ts";
import { isCidr } from "../../ip.ts";
import { PROTOCOLS, validatePortOrName } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabels } from "./metadata.ts";
import { qualifiedNameErrors } from "./names.ts";
import { validateLabelSelector } from "./workload.ts";

const EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

export function validateNode({ spec }: Node, errors: FieldErrors): void {
  (spec?.taints ?? []).forEach(({ key, effect }, i) => {
    errors.invalid(`spec.taints[${i}].key`, key ?? "", ...qualifiedNameErrors(key ?? ""));
    errors.oneOf(`spec.taints[${i}].effect`, effect, EFFECTS);
  });
  (spec?.podCIDRs ?? []).forEach((cidr, i) => {
    if (!isCidr(cidr)) errors.invalid(`spec.podCIDRs[${i}]`, cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
  });
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
      (rule.ports ?? []).forEach(({ port, endPort, protocol }, j) => {
        const field = `${path}.ports[${j}]`;
        errors.supported(`${field}.protocol`, protocol, PROTOCOLS);
        if (port !== undefined) validatePortOrName(`${field}.port`, port, errors);
        if (endPort === undefined) return;
        if (typeof port === "string") errors.invalid(`${field}.endPort`, endPort, "may not be specified when `port` is non-numeric");
        else if (port === undefined) errors.invalid(`${field}.endPort`, endPort, "may not be specified when `port` is not specified");
        else if (endPort < port) errors.invalid(`${field}.endPort`, endPort, "must be greater than or equal to `port`");
      });
      const peers = "from" in rule ? (rule.from ?? []) : "to" in rule ? (rule.to ?? []) : [];
      peers.forEach(({ ipBlock, podSelector, namespaceSelector }, j) => {
        const field = `${path}.${direction === "ingress" ? "from" : "to"}[${j}]`;
        if (ipBlock && (podSelector || namespaceSelector)) errors.forbidden(field, "may not specify both ipBlock and another peer");
        if (!ipBlock && !podSelector && !namespaceSelector) errors.required(field, "must specify a peer");
        if (ipBlock && !isCidr(ipBlock.cidr ?? ""))
          errors.invalid(`${field}.ipBlock.cidr`, ipBlock.cidr ?? "", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        if (podSelector) validateLabelSelector(podSelector, `${field}.podSelector`, errors);
        if (namespaceSelector) validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`, errors);
      });
    });
  }
  for (const [i, type] of (spec?.policyTypes ?? []).entries()) errors.supported(`spec.policyTypes[${i}]`, type, ["Egress", "Ingress"]);
}
