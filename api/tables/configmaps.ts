// `kubectl get configmaps`. Upstream: printers/internalversion printConfigMap.
import { ConfigMaps } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const configMapPrinter = printer(ConfigMaps, ["Name", "#Data", "Age"], ({ metadata, data, binaryData }, nowMs) => [
  metadata.name,
  Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
  ageOf(metadata.creationTimestamp, nowMs),
]);
