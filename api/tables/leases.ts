// `kubectl get leases`. Upstream: printers/internalversion printLease.
import { Leases } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const leasePrinter = printer(Leases, ["Name", "Holder", "Age"], ({ metadata, spec }, nowMs) => [
  metadata.name,
  spec?.holderIdentity ?? "",
  ageOf(metadata.creationTimestamp, nowMs),
]);
