// Where a pod may run: node selectors, affinity, tolerations, topology spread constraints.
// Upstream: pkg/apis/core/validation/validation.go validateAffinity, ValidateTolerations, validateTopologySpreadConstraints.
// Left out: matchLabelKeys.
import type {
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodAntiAffinity,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from "../../kinds/core-v1.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabels } from "./metadata.ts";
import { formatErrors, qualifiedNameErrors } from "./names.ts";
import { validateLabelSelector } from "./selector.ts";

export const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateScheduling(spec: PodSpec, path: string, errors: FieldErrors): void {
  validateLabels(spec.nodeSelector, `${path}.nodeSelector`, errors);
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const affinity = `${path}.affinity`;
  const required = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required) {
    const terms = `${affinity}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
    if (required.nodeSelectorTerms.length === 0) errors.required(terms, "must have at least one node selector term");
    required.nodeSelectorTerms.forEach((term, i) => validateNodeTerm(term, `${terms}[${i}]`, errors));
  }
  (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach(({ weight, preference }, i) => {
    const field = `${affinity}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[${i}]`;
    validateWeight(weight, field, errors);
    validateNodeTerm(preference, `${field}.preference`, errors);
  });
  if (podAffinity) validatePodAffinity(podAffinity, `${affinity}.podAffinity`, errors);
  if (podAntiAffinity) validatePodAffinity(podAntiAffinity, `${affinity}.podAntiAffinity`, errors);
  validateSpread(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`, errors);
  validateTolerations(spec.tolerations ?? [], `${path}.tolerations`, errors);
}

function validateWeight(weight: number | undefined, field: string, errors: FieldErrors): void {
  if (weight === undefined || weight < 1 || weight > 100) errors.invalid(`${field}.weight`, weight ?? 0, "must be in the range 1-100");
}

function validateNodeTerm({ matchExpressions = [] }: NodeSelectorTerm, field: string, errors: FieldErrors): void {
  matchExpressions.forEach((requirement, i) => validateRequirement(requirement, `${field}.matchExpressions[${i}]`, errors));
}

function validateRequirement({ key, operator, values = [] }: NodeSelectorRequirement, field: string, errors: FieldErrors): void {
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) errors.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) errors.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length !== 1) errors.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else errors.invalid(`${field}.operator`, operator ?? "", "not a valid selector operator");
  errors.invalid(`${field}.key`, key ?? "", ...qualifiedNameErrors(key ?? ""));
}

function validatePodAffinity(affinity: PodAntiAffinity, path: string, errors: FieldErrors): void {
  (affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, i) =>
    validatePodTerm(term, `${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}]`, errors),
  );
  (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach(({ weight, podAffinityTerm }, i) => {
    const field = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`;
    validateWeight(weight, field, errors);
    validatePodTerm(podAffinityTerm, `${field}.podAffinityTerm`, errors);
  });
}

function validatePodTerm(term: PodAffinityTerm, field: string, errors: FieldErrors): void {
  if (term.labelSelector) validateLabelSelector(term.labelSelector, `${field}.labelSelector`, errors);
  if (term.namespaceSelector) validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`, errors);
  for (const namespace of term.namespaces ?? []) errors.invalid(`${field}.namespace`, namespace, ...formatErrors("label", namespace));
  const { topologyKey = "" } = term;
  if (topologyKey === "") errors.required(`${field}.topologyKey`, "can not be empty");
  errors.invalid(`${field}.topologyKey`, topologyKey, ...qualifiedNameErrors(topologyKey));
}

function validateSpread(constraints: readonly TopologySpreadConstraint[], path: string, errors: FieldErrors): void {
  const seen = new Set<string>();
  constraints.forEach(({ maxSkew = 0, topologyKey = "", whenUnsatisfiable = "", minDomains, labelSelector, ...more }, i) => {
    const field = `${path}[${i}]`;
    if (maxSkew <= 0) errors.invalid(`${field}.maxSkew`, maxSkew, "must be greater than zero");
    if (topologyKey === "") errors.required(`${field}.topologyKey`, "can not be empty");
    errors.supported(`${field}.whenUnsatisfiable`, whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]);
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) errors.duplicate(`${field}.{topologyKey, whenUnsatisfiable}`, pair);
    seen.add(pair);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.invalid(`${field}.minDomains`, minDomains, "must be greater than zero");
      if (whenUnsatisfiable !== "DoNotSchedule") {
        const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
        errors.invalid(`${field}.minDomains`, minDomains, detail);
      }
    }
    for (const key of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const)
      errors.supported(`${field}.${key}`, more[key], ["Honor", "Ignore"]);
    if (labelSelector) validateLabelSelector(labelSelector, `${field}.labelSelector`, errors);
  });
}

export function validateTolerations(tolerations: readonly Toleration[], path: string, errors: FieldErrors): void {
  tolerations.forEach((toleration, i) => {
    const field = `${path}[${i}]`;
    const { key = "", operator = "", value = "", effect = "", tolerationSeconds } = toleration;
    if (key !== "") errors.invalid(`${field}.key`, key, ...qualifiedNameErrors(key));
    if (key === "" && operator !== "Exists") {
      const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.invalid(`${field}.operator`, operator, detail);
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.invalid(`${field}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (operator === "" || operator === "Equal") {
      const problems = formatErrors("labelValue", value);
      if (problems.length > 0) errors.invalid(`${field}.operator`, value, problems.join(";"));
    } else if (operator === "Exists") {
      if (value !== "") errors.invalidGo(`${field}.operator`, goToleration(toleration), "value must be empty when `operator` is 'Exists'");
    } else errors.supportedAsGiven(`${field}.operator`, operator, ["Equal", "Exists"]);
    if (effect !== "") errors.supportedAsGiven(`${field}.effect`, effect, TAINT_EFFECTS);
  });
}

function goToleration({ key, operator, value, effect, tolerationSeconds }: Toleration): string {
  const texts = Object.entries({ Key: key, Operator: operator, Value: value, Effect: effect });
  const seconds = tolerationSeconds === undefined ? "(*int64)(nil)" : "(*int64)(…)";
  return `core.Toleration{${texts.map(([name, text]) => `${name}:${JSON.stringify(text ?? "")}`).join(", ")}, TolerationSeconds:${seconds}}`;
}
