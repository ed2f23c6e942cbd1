// CronJobs as kubectl prints them. Upstream: printers printCronJob.
import { CronJobs } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { containerTexts, selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const cronJobPrinter = printer(
  CronJobs,
  ["Name", "Schedule", "Timezone", "Suspend", "#Active", "Last Schedule", "Age", "+Containers", "+Images", "+Selector"],
  ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    spec.schedule,
    spec.timeZone ?? "<none>",
    spec.suspend === undefined ? "<unset>" : spec.suspend ? "True" : "False",
    status?.active?.length ?? 0,
    status?.lastScheduleTime === undefined ? "<none>" : ageOf(status.lastScheduleTime, nowMs),
    ageOf(metadata.creationTimestamp, nowMs),
    ...containerTexts(spec.jobTemplate.spec?.template.spec?.containers),
    selectorText(spec.jobTemplate.spec?.selector),
  ],
);
