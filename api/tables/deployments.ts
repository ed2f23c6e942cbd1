// `kubectl get deployments`. Upstream: printers/internalversion printDeployment.
import { Deployments } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { containerTexts, selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const deploymentPrinter = printer(
  Deployments,
  ["Name", "Ready", "#Up-to-date", "#Available", "Age", "+Containers", "+Images", "+Selector"],
  ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    ageOf(metadata.creationTimestamp, nowMs),
    ...containerTexts(spec.template.spec?.containers),
    selectorText(spec.selector),
  ],
);
