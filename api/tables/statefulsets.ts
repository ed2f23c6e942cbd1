// StatefulSets as kubectl prints them. Upstream: printers printStatefulSet.
import { StatefulSets } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { containerTexts } from "./format.ts";
import { printer } from "./table.ts";

export const statefulSetPrinter = printer(StatefulSets, ["Name", "Ready", "Age", "+Containers", "+Images"], (set, nowMs) => [
  set.metadata.name,
  `${set.status?.readyReplicas ?? 0}/${set.spec.replicas ?? 0}`,
  ageOf(set.metadata.creationTimestamp, nowMs),
  ...containerTexts(set.spec.template.spec?.containers),
]);
