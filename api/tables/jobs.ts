// Jobs as kubectl prints them. Upstream: printers printJob.
import type { Job } from "../../model/kinds/batch-v1.ts";
import { Jobs } from "../../model/resources.ts";
import { ageOf, humanDuration } from "../human-duration.ts";
import { containerTexts, selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const jobPrinter = printer(
  Jobs,
  ["Name", "Status", "Completions", "Duration", "Age", "+Containers", "+Images", "+Selector"],
  (job, nowMs) => [
    job.metadata.name,
    statusText(job),
    completionsText(job),
    durationText(job, nowMs),
    ageOf(job.metadata.creationTimestamp, nowMs),
    ...containerTexts(job.spec.template.spec?.containers),
    selectorText(job.spec.selector),
  ],
);

function statusText({ metadata, status }: Job): string {
  const has = (type: string): boolean => status?.conditions?.some((each) => each.type === type && each.status === "True") ?? false;
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (metadata.deletionTimestamp !== undefined) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(has) ?? "Running";
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText({ status }: Job, nowMs: number): string {
  if (status?.startTime === undefined) return "";
  const end = status.completionTime === undefined ? nowMs : Date.parse(status.completionTime);
  return humanDuration(end - Date.parse(status.startTime));
}
