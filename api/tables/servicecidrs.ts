// `kubectl get servicecidrs`. Upstream: printers/internalversion printServiceCIDR.
import { ServiceCIDRs } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const serviceCidrPrinter = printer(ServiceCIDRs, ["Name", "CIDRs", "Age"], ({ metadata, spec }, nowMs) => [
  metadata.name,
  (spec?.cidrs ?? []).join(","),
  ageOf(metadata.creationTimestamp, nowMs),
]);
