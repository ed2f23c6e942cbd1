// `kubectl get events`. Upstream: printers/internalversion printEvent.
import type { Event } from "../../model/kinds/core-v1.ts";
import { Events } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

function sourceText(event: Event): string {
  const component = event.source?.component || event.reportingComponent || "";
  const host = event.source?.host || event.reportingInstance || "";
  return host === "" ? component : `${component}, ${host}`;
}

export const eventPrinter = printer(
  Events,
  ["Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+#Count", "+Name"],
  (event, nowMs) => {
    const first = ageOf(event.firstTimestamp ?? event.eventTime, nowMs);
    const last = event.lastTimestamp === undefined ? first : ageOf(event.lastTimestamp, nowMs);
    const { kind = "", name = "", fieldPath = "" } = event.involvedObject;
    return [
      event.series === undefined ? last : ageOf(event.series.lastObservedTime, nowMs),
      event.type ?? "",
      event.reason ?? "",
      name === "" ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`,
      fieldPath,
      sourceText(event),
      (event.message ?? "").trim(),
      first,
      event.series?.count ?? (event.count || 1),
      event.metadata.name,
    ];
  },
);
