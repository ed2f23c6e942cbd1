// Deployments and ReplicaSets.
// Upstream: pkg/apis/apps/validation/validation.go.
import type { Deployment, DeploymentStrategy, ReplicaSet } from "../../kinds/apps-v1.ts";
import type { PodTemplateSpec } from "../../kinds/core-v1.ts";
import type { LabelSelector } from "../../kinds/meta-v1.ts";
import { equalJson } from "../../object.ts";
import { compileLabelSelector } from "../../selectors.ts";
import type { FieldErrors } from "./field-errors.ts";
import { goLabelSelector, goLabels } from "./go-syntax.ts";
import { validateAnnotations, validateLabels } from "./metadata.ts";
import { formatErrors, qualifiedNameErrors } from "./names.ts";
import { validatePodSpec } from "./pod.ts";

export function validateDeployment({ spec }: Deployment, errors: FieldErrors): void {
  errors.nonNegative("spec.replicas", spec.replicas);
  validateSelector(spec.selector, "deployment", errors);
  validateTemplate(spec.template, spec.selector, errors);
  validateStrategy(spec.strategy ?? {}, "spec.strategy", errors);
  errors.nonNegative("spec.minReadySeconds", spec.minReadySeconds);
  errors.nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  errors.nonNegative("spec.progressDeadlineSeconds", deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
  }
}

export function validateReplicaSet({ spec }: ReplicaSet, errors: FieldErrors): void {
  errors.nonNegative("spec.replicas", spec.replicas);
  errors.nonNegative("spec.minReadySeconds", spec.minReadySeconds);
  validateSelector(spec.selector, "replicaset", errors);
  if (spec.template) validateTemplate(spec.template, spec.selector, errors);
  else errors.required("spec.template");
}

/** The selector of a workload of apps/v1 never changes. */
export function validateSelectorUpdate(object: Deployment | ReplicaSet, old: Deployment | ReplicaSet, errors: FieldErrors): void {
  if (!equalJson(object.spec.selector, old.spec.selector)) {
    errors.invalidGo("spec.selector", goLabelSelector(object.spec.selector ?? {}), "field is immutable");
  }
}

function validateSelector(selector: LabelSelector | undefined, kind: string, errors: FieldErrors): void {
  if (!selector) return errors.required("spec.selector");
  validateLabelSelector(selector, "spec.selector", errors);
  if (Object.keys(selector.matchLabels ?? {}).length === 0 && !selector.matchExpressions?.length) {
    errors.invalidGo("spec.selector", goLabelSelector(selector), `empty selector is invalid for ${kind}`);
  }
}

export function validateLabelSelector(selector: LabelSelector, path: string, errors: FieldErrors): void {
  validateLabels(selector.matchLabels, `${path}.matchLabels`, errors);
  (selector.matchExpressions ?? []).forEach(({ key, operator, values }, i) => {
    const field = `${path}.matchExpressions[${i}]`;
    if (operator === "In" || operator === "NotIn") {
      if (!values?.length) errors.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values?.length) errors.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else errors.invalid(`${field}.operator`, operator ?? "", "not a valid selector operator");
    errors.invalid(`${field}.key`, key ?? "", ...qualifiedNameErrors(key ?? ""));
    (values ?? []).forEach((value, j) => errors.invalid(`${field}.values[${j}]`, value, ...formatErrors("labelValue", value)));
  });
}

function validateTemplate(template: PodTemplateSpec, selector: LabelSelector | undefined, errors: FieldErrors): void {
  const path = "spec.template";
  const labels = template.metadata?.labels;
  if (
    selector &&
    (Object.keys(selector.matchLabels ?? {}).length > 0 || selector.matchExpressions?.length) &&
    !compileLabelSelector(selector)(labels)
  ) {
    errors.invalidGo(`${path}.metadata.labels`, goLabels(labels), "`selector` does not match template `labels`");
  }
  validateLabels(labels, `${path}.metadata.labels`, errors);
  validateAnnotations(template.metadata?.annotations, `${path}.metadata.annotations`, errors);
  const spec = template.spec ?? { containers: [] };
  validatePodSpec(spec, `${path}.spec`, errors);
  errors.supported(`${path}.spec.restartPolicy`, spec.restartPolicy, ["Always"]);
  if (spec.activeDeadlineSeconds !== undefined)
    errors.forbidden(`${path}.spec.activeDeadlineSeconds`, "activeDeadlineSeconds in ReplicaSet is not Supported");
}

function validateStrategy(strategy: DeploymentStrategy, path: string, errors: FieldErrors): void {
  const rolling = strategy.rollingUpdate;
  switch (strategy.type) {
    case "Recreate":
      if (rolling) errors.forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'");
      return;
    case "RollingUpdate": {
      if (!rolling) return errors.required(`${path}.rollingUpdate`, "this should be defaulted and never be nil");
      const { maxUnavailable = 0, maxSurge = 0 } = rolling;
      validateCountOrPercent(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, errors);
      validateCountOrPercent(`${path}.rollingUpdate.maxSurge`, maxSurge, errors);
      if (Number.parseInt(String(maxUnavailable), 10) === 0 && Number.parseInt(String(maxSurge), 10) === 0) {
        errors.invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0");
      }
      if (typeof maxUnavailable === "string" && /^\d+%$/.test(maxUnavailable) && Number.parseInt(maxUnavailable, 10) > 100) {
        errors.invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, "must not be greater than 100%");
      }
      return;
    }
    default:
      errors.oneOf(`${path}.type`, strategy.type, ["Recreate", "RollingUpdate"]);
  }
}

function validateCountOrPercent(field: string, value: number | string, errors: FieldErrors): void {
  if (typeof value === "string") errors.invalid(field, value, ...formatErrors("percent", value));
  else errors.nonNegative(field, value);
}
