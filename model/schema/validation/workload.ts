// Deployments, ReplicaSets, StatefulSets and DaemonSets.
// Upstream: pkg/apis/apps/validation/validation.go.
import type { DaemonSet, DaemonSetUpdateStrategy, Deployment, DeploymentStrategy, ReplicaSet, StatefulSet } from "../../kinds/apps-v1.ts";
import type { PodTemplateSpec } from "../../kinds/core-v1.ts";
import type { LabelSelector } from "../../kinds/meta-v1.ts";
import { equalJson } from "../../object.ts";
import { compileLabelSelector } from "../../selectors.ts";
import type { FieldErrors } from "./field-errors.ts";
import { goLabelSelector, goLabels } from "./go-syntax.ts";
import { validateAnnotations, validateLabels } from "./metadata.ts";
import { formatErrors } from "./names.ts";
import { validatePodSpec } from "./pod.ts";
import { validateLabelSelector } from "./selector.ts";

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

export function validateStatefulSet({ spec }: StatefulSet, errors: FieldErrors): void {
  const { podManagementPolicy = "", updateStrategy = {} } = spec;
  if (podManagementPolicy !== "OrderedReady" && podManagementPolicy !== "Parallel") {
    errors.invalid("spec.podManagementPolicy", podManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
  }
  const path = "spec.updateStrategy";
  if (updateStrategy.type === "OnDelete") {
    if (updateStrategy.rollingUpdate)
      errors.invalidGo(
        `${path}.rollingUpdate`,
        "apps.RollingUpdateStatefulSetStrategy{…}",
        "only allowed for updateStrategy 'RollingUpdate'",
      );
  } else if (updateStrategy.type !== "RollingUpdate") {
    errors.invalidGo(
      path,
      `apps.StatefulSetUpdateStrategy{Type:${JSON.stringify(updateStrategy.type ?? "")}, RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(nil)}`,
      "must be 'RollingUpdate' or 'OnDelete'",
    );
  }
  errors.nonNegative(`${path}.rollingUpdate.partition`, updateStrategy.rollingUpdate?.partition);
  errors.nonNegative("spec.replicas", spec.replicas);
  errors.nonNegative("spec.minReadySeconds", spec.minReadySeconds);
  errors.nonNegative("spec.ordinals.start", spec.ordinals?.start);
  errors.nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit);
  validateSelector(spec.selector, "statefulset", errors);
  validateTemplate(spec.template, spec.selector, errors, "StatefulSet");
}

/** Fields of a StatefulSet that may change, in the order in which upstream lists them. */
const CHANGEABLE = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
] as const;

export function validateStatefulSetUpdate(object: StatefulSet, old: StatefulSet, errors: FieldErrors): void {
  const fixed = (spec: StatefulSet["spec"]): unknown =>
    Object.fromEntries(Object.entries(spec).filter(([key]) => !CHANGEABLE.some((name) => name === key)));
  if (equalJson(fixed(object.spec), fixed(old.spec))) return;
  const names = CHANGEABLE.map((name) => `'${name}'`);
  errors.forbidden(
    "spec",
    `updates to statefulset spec for fields other than ${names.slice(0, -1).join(", ")} and ${names.at(-1)} are forbidden`,
  );
}

export function validateDaemonSet({ spec }: DaemonSet, errors: FieldErrors): void {
  validateSelector(spec.selector, "daemonset", errors);
  validateTemplate(spec.template, spec.selector, errors, "DaemonSet");
  errors.nonNegative("spec.minReadySeconds", spec.minReadySeconds);
  validateDaemonSetStrategy(spec.updateStrategy ?? {}, errors);
  errors.nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit);
}

function validateDaemonSetStrategy({ type, rollingUpdate }: DaemonSetUpdateStrategy, errors: FieldErrors): void {
  const path = "spec.updateStrategy";
  if (type !== "RollingUpdate") return errors.supported(`${path}.type`, type ?? "", ["OnDelete", "RollingUpdate"]);
  if (!rollingUpdate) return errors.required(`${path}.rollingUpdate`);
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  for (const [name, value] of [
    ["maxUnavailable", maxUnavailable],
    ["maxSurge", maxSurge],
  ] as const) {
    validateCountOrPercent(`${path}.rollingUpdate.${name}`, value, errors);
    if (isAboveAll(value)) errors.invalid(`${path}.rollingUpdate.${name}`, value, "must not be greater than 100%");
  }
  const [unavailable, surge] = [maxUnavailable, maxSurge].map((value) => Number.parseInt(String(value), 10) !== 0);
  if (unavailable && surge) errors.invalid(`${path}.rollingUpdate.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero");
  else if (!unavailable && !surge) errors.required(`${path}.rollingUpdate.maxUnavailable`, "cannot be 0 when maxSurge is 0");
}

const isAboveAll = (value: number | string): boolean =>
  typeof value === "string" && /^\d+%$/.test(value) && Number.parseInt(value, 10) > 100;

/** The selector of a workload of apps/v1 never changes. */
export function validateSelectorUpdate<T extends Deployment | ReplicaSet | DaemonSet>(object: T, old: T, errors: FieldErrors): void {
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

/** A selector that is missing selects nothing, so no labels match it; an empty one has been refused already. */
function validateTemplate(template: PodTemplateSpec, selector: LabelSelector | undefined, errors: FieldErrors, kind = "ReplicaSet"): void {
  const path = "spec.template";
  const labels = template.metadata?.labels;
  const empty = selector && Object.keys(selector.matchLabels ?? {}).length === 0 && !selector.matchExpressions?.length;
  if (!empty && !(selector && compileLabelSelector(selector)(labels))) {
    errors.invalidGo(`${path}.metadata.labels`, goLabels(labels), "`selector` does not match template `labels`");
  }
  validateLabels(labels, `${path}.metadata.labels`, errors);
  validateAnnotations(template.metadata?.annotations, `${path}.metadata.annotations`, errors);
  const spec = template.spec ?? { containers: [] };
  // A StatefulSet's pods get volumes that its template does not have: upstream leaves the rest to the pods.
  if (kind !== "StatefulSet") validatePodSpec(spec, `${path}.spec`, errors);
  errors.supported(`${path}.spec.restartPolicy`, spec.restartPolicy, ["Always"]);
  if (spec.activeDeadlineSeconds !== undefined)
    errors.forbidden(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`);
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
      if (isAboveAll(maxUnavailable)) {
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
