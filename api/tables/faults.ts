// `kubectl get faults`. No upstream counterpart.
import { faultPeerText, faultSettingsText } from "../../model/fault-text.ts";
import { Faults } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const faultPrinter = printer(Faults, ["Name", "From", "To", "Fault", "Age"], ({ metadata, spec }, nowMs) => [
  metadata.name,
  faultPeerText(spec?.from),
  faultPeerText(spec?.to),
  faultSettingsText(spec ?? {}),
  ageOf(metadata.creationTimestamp, nowMs),
]);
