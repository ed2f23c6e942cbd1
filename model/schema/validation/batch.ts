// Jobs and CronJobs.
// Upstream: pkg/apis/batch/validation/validation.go. Left out: podFailurePolicy and successPolicy, which are not carried out.
import type { CronJob, Job, JobSpec } from "../../kinds/batch-v1.ts";
import { equalJson } from "../../object.ts";
import { compileLabelSelector } from "../../selectors.ts";
import { isTimeZone, parseCron } from "../cron.ts";
import type { FieldErrors } from "./field-errors.ts";
import { goLabels } from "./go-syntax.ts";
import { validateAnnotations, validateLabels } from "./metadata.ts";
import { validatePodSpec } from "./pod.ts";
import { validateLabelSelector } from "./selector.ts";

/** A CronJob's name is followed by a dash and ten digits in its Jobs' names. */
const MAX_CRON_NAME = 52;
const MAX_INDEXED_COMPLETIONS = 100_000;

export function validateJob({ spec }: Job, errors: FieldErrors): void {
  validateJobSpec(spec, "spec", errors);
  if (!spec.selector) return errors.required("spec.selector");
  validateLabelSelector(spec.selector, "spec.selector", errors);
  const { labels } = spec.template.metadata;
  if (!compileLabelSelector(spec.selector)(labels)) {
    errors.invalidGo("spec.template.metadata.labels", goLabels(labels), "`selector` does not match template `labels`");
  }
}

export function validateJobUpdate({ spec }: Job, { spec: old }: Job, errors: FieldErrors): void {
  const indexed = spec.completionMode === "Indexed" && spec.completions === spec.parallelism;
  if (spec.completions !== old.completions && !indexed) errors.invalid("spec.completions", spec.completions, "field is immutable");
  if (!equalJson(spec.selector, old.selector)) errors.invalid("spec.selector", spec.selector, "field is immutable");
  // A Job that has not begun may still be scheduled elsewhere; what runs in its pods is fixed from the start.
  if (!equalJson(spec.template, old.template) && !old.suspend)
    errors.invalidGo("spec.template", "core.PodTemplateSpec{…}", "field is immutable");
  if (spec.completionMode !== old.completionMode) errors.invalid("spec.completionMode", spec.completionMode, "field is immutable");
}

function validateJobSpec(spec: JobSpec, path: string, errors: FieldErrors): void {
  for (const field of [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
  ] as const)
    errors.nonNegative(`${path}.${field}`, spec[field]);
  errors.supported(`${path}.completionMode`, spec.completionMode, ["NonIndexed", "Indexed"]);
  if (spec.completionMode === "Indexed") {
    if (spec.completions === undefined) errors.required(`${path}.completions`, "when completion mode is Indexed");
    else if (spec.completions > MAX_INDEXED_COMPLETIONS)
      errors.invalid(`${path}.completions`, spec.completions, `must be less than or equal to ${MAX_INDEXED_COMPLETIONS}`);
  }
  const { metadata, spec: podSpec = { containers: [] } } = spec.template;
  validateLabels(metadata.labels, `${path}.template.metadata.labels`, errors);
  validateAnnotations(metadata.annotations, `${path}.template.metadata.annotations`, errors);
  validatePodSpec(podSpec, `${path}.template.spec`, errors);
  if (podSpec.restartPolicy !== "OnFailure" && podSpec.restartPolicy !== "Never") {
    errors.required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
  }
}

export function validateCronJob({ metadata, spec }: CronJob, errors: FieldErrors): void {
  if (metadata.name.length > MAX_CRON_NAME)
    errors.invalid("metadata.name", metadata.name, `must be no more than ${MAX_CRON_NAME} characters`);
  validateSchedule(spec.schedule, spec.timeZone, errors);
  errors.nonNegative("spec.startingDeadlineSeconds", spec.startingDeadlineSeconds);
  errors.oneOf("spec.concurrencyPolicy", spec.concurrencyPolicy, ["Allow", "Forbid", "Replace"]);
  errors.nonNegative("spec.successfulJobsHistoryLimit", spec.successfulJobsHistoryLimit);
  errors.nonNegative("spec.failedJobsHistoryLimit", spec.failedJobsHistoryLimit);
  if (spec.jobTemplate.spec) validateJobSpec(spec.jobTemplate.spec, "spec.jobTemplate.spec", errors);
}

function validateSchedule(schedule: string | undefined, timeZone: string | undefined, errors: FieldErrors): void {
  if (!schedule) return errors.required("spec.schedule");
  const parsed = parseCron(schedule);
  if (typeof parsed === "string") errors.invalid("spec.schedule", schedule, parsed);
  if (/TZ/.test(schedule)) errors.invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  if (timeZone === undefined) return;
  if (timeZone === "") return errors.invalid("spec.timeZone", timeZone, "timeZone must be nil or non-empty string");
  if (timeZone.toLowerCase() === "local")
    errors.invalid("spec.timeZone", timeZone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  if (!isTimeZone(timeZone)) errors.invalid("spec.timeZone", timeZone, `unknown time zone ${timeZone}`);
}
