// `kubectl get namespaces`. Upstream: printers/internalversion printNamespace.
import { Namespaces } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const namespacePrinter = printer(Namespaces, ["Name", "Status", "Age"], ({ metadata, status }, nowMs) => [
  metadata.name,
  status?.phase ?? "",
  ageOf(metadata.creationTimestamp, nowMs),
]);
