// `kubectl get secrets`. Upstream: printers/internalversion printSecret.
import { Secrets } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const secretPrinter = printer(Secrets, ["Name", "Type", "#Data", "Age"], ({ metadata, type, data }, nowMs) => [
  metadata.name,
  type ?? "Opaque",
  Object.keys(data ?? {}).length,
  ageOf(metadata.creationTimestamp, nowMs),
]);
