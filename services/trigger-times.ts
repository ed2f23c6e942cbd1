// When did what the endpoints show really change? The earliest moment of the changes since the last look, for latency metrics.
// Upstream: endpointslice/util/trigger_time_tracker.go; the annotation endpoints.kubernetes.io/last-change-trigger-time.
import type { Pod, Service } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey } from "../model/object.ts";

export const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";

interface Seen {
  readonly service: string;
  readonly pods: ReadonlyMap<ObjectKey, string>;
}

export class TriggerTimes {
  readonly #seen = new Map<ObjectKey, Seen>();

  /** The earliest change (RFC 3339) since the last call for this Service; of a new one its creation. Undefined: nothing that has a time changed. */
  take(service: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#seen.get(keyOf(service));
    const now: Seen = {
      service: service.metadata.creationTimestamp ?? "",
      pods: new Map(pods.map((pod) => [keyOf(pod), readySince(pod)])),
    };
    this.#seen.set(keyOf(service), now);
    if (!before) return now.service || undefined;
    const changed = [...now.pods].flatMap(([key, since]) => (since > (before.pods.get(key) ?? "") ? [since] : []));
    if (now.service > before.service) changed.push(now.service);
    return changed.sort()[0];
  }
  forget(service: ObjectKey): void {
    this.#seen.delete(service);
  }
}

function readySince(pod: Pod): string {
  return pod.status?.conditions?.find((condition) => condition.type === "Ready")?.lastTransitionTime ?? "";
}
