// `kubectl get replicasets`. Upstream: printers/internalversion printReplicaSet.
import { ReplicaSets } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { containerTexts, selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const replicaSetPrinter = printer(
  ReplicaSets,
  ["Name", "#Desired", "#Current", "#Ready", "Age", "+Containers", "+Images", "+Selector"],
  ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    spec.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    ageOf(metadata.creationTimestamp, nowMs),
    ...containerTexts(spec.template?.spec?.containers),
    selectorText(spec.selector),
  ],
);
