// DaemonSets as kubectl prints them. Upstream: printers printDaemonSet.
import { DaemonSets } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { containerTexts, labelsText, selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const daemonSetPrinter = printer(
  DaemonSets,
  ["Name", "#Desired", "#Current", "#Ready", "#Up-to-date", "#Available", "Node Selector", "Age", "+Containers", "+Images", "+Selector"],
  ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    labelsText(spec.template.spec?.nodeSelector),
    ageOf(metadata.creationTimestamp, nowMs),
    ...containerTexts(spec.template.spec?.containers),
    selectorText(spec.selector),
  ],
);
