// `kubectl get serviceaccounts`. Upstream: printers/internalversion printServiceAccount.
import { ServiceAccounts } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const serviceAccountPrinter = printer(ServiceAccounts, ["Name", "#Secrets", "Age"], ({ metadata, secrets }, nowMs) => [
  metadata.name,
  (secrets ?? []).length,
  ageOf(metadata.creationTimestamp, nowMs),
]);
