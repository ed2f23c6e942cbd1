// Topology-mode Auto as the slice controller uses it: remembers which Services have it, looks at them again when zones or CPU change,
// and tells in an Event when hints come or go.
import type { Clock } from "../model/clock.ts";
import type { IpFamily } from "../model/ip.ts";
import type { Node, Service } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey } from "../model/object.ts";
import { Nodes } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createEventRecorder, type EventRecorder } from "../store/event-recorder.ts";
import type { PodEndpoint } from "./pod-endpoints.ts";
import { cpuShares, topologyHints } from "./topology-hints.ts";

export class AutoHints {
  readonly #store: Store;
  readonly #recorder: EventRecorder;
  /** By Service, then by family: "" while there are hints, else why not. */
  readonly #told = new Map<ObjectKey, Map<IpFamily, string>>();
  #shares = "";

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#recorder = createEventRecorder({ store, clock, component: "endpoint-slice-controller" });
  }
  /** The endpoints with their hints. */
  apply(service: Service, family: IpFamily, desired: readonly PodEndpoint[]): readonly PodEndpoint[] {
    const nodes = this.#store.list(Nodes);
    const hints = topologyHints(
      desired.map(({ endpoint }) => endpoint),
      nodes,
    );
    this.#shares = sharesText(nodes);
    this.#tell(service, family, "disabled" in hints ? hints.disabled : "");
    if ("disabled" in hints) return desired;
    return desired.map(({ ports, endpoint }, i) => {
      const zone = hints.zones.get(i);
      return { ports, endpoint: zone === undefined ? endpoint : { ...endpoint, hints: { forZones: [{ name: zone }] } } };
    });
  }
  /** The Service no longer asks for hints, or is gone (undefined). */
  forget(key: ObjectKey, service?: Service): void {
    for (const [family, why] of (service && this.#told.get(key)) ?? []) {
      if (service && why === "") this.#tell(service, family, "Topology Aware Hints has been disabled");
    }
    this.#told.delete(key);
  }
  /** Services to look at again: all with hints, when the zones' shares of CPU are no longer what they were. */
  nodesChanged(): readonly ObjectKey[] {
    return this.#told.size > 0 && sharesText(this.#store.list(Nodes)) !== this.#shares ? [...this.#told.keys()] : [];
  }
  #tell(service: Service, family: IpFamily, why: string): void {
    const key = keyOf(service);
    const families = this.#told.get(key) ?? new Map<IpFamily, string>();
    const before = families.get(family);
    this.#told.set(key, families.set(family, why));
    if (before === why) return;
    if (why === "") {
      this.#recorder.event(service, "Normal", "TopologyAwareHintsEnabled", `Topology Aware Hints has been enabled, addressType: ${family}`);
    } else {
      this.#recorder.event(service, "Warning", "TopologyAwareHintsDisabled", `${why}, addressType: ${family}`);
    }
  }
}

function sharesText(nodes: readonly Node[]): string {
  const shares = cpuShares(nodes);
  return typeof shares === "string" ? shares : JSON.stringify([...shares].sort(([a], [b]) => (a < b ? -1 : 1)));
}
