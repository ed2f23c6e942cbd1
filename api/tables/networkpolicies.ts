// `kubectl get networkpolicies`. Upstream: printers/internalversion printNetworkPolicy.
import { NetworkPolicies } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { selectorText } from "./format.ts";
import { printer } from "./table.ts";

export const networkPolicyPrinter = printer(NetworkPolicies, ["Name", "Pod-Selector", "Age"], ({ metadata, spec }, nowMs) => [
  metadata.name,
  selectorText(spec?.podSelector),
  ageOf(metadata.creationTimestamp, nowMs),
]);
