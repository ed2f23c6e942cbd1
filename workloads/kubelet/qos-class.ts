// A pod's quality-of-service class. Upstream: pkg/apis/core/v1/helper/qos/qos.go.
import type { PodSpec, PodStatus } from "../../model/kinds/core-v1.ts";
import { quantityValue } from "../scheduling/quantity.ts";

/** Guaranteed when every container limits cpu and memory and requests as much; BestEffort when none says anything; else Burstable. */
export function qosClass(spec: PodSpec): NonNullable<PodStatus["qosClass"]> {
  let any = false;
  let guaranteed = true;
  for (const { resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    for (const name of ["cpu", "memory"]) {
      const limit = quantityValue(resources?.limits?.[name]);
      const request = quantityValue(resources?.requests?.[name] ?? resources?.limits?.[name]);
      any ||= limit > 0 || request > 0;
      guaranteed &&= limit > 0 && limit === request;
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}
