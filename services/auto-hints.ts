// Topology-mode Auto as the slice controller uses it: remembers which Services have hints, looks at them again when nodes change so that
// a zone is overloaded, and tells in an Event when hints come or go.
import type { Clock } from "../model/clock.ts";
import type { IpFamily } from "../model/ip.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey } from "../model/object.ts";
import { Nodes } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createEventRecorder, type EventRecorder } from "../store/event-recorder.ts";
import type { PackedSlices } from "./slice-packing.ts";
import { TopologyCache } from "./topology-cache.ts";

const FAMILIES = ["IPv4", "IPv6"];

export class AutoHints {
  readonly #store: Store;
  readonly #recorder: EventRecorder;
  readonly #cache = new TopologyCache();
  /** Why there are no hints, as last told, by Service and family: it is said again only when it is no longer the same. */
  readonly #told = new Map<string, string>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#recorder = createEventRecorder({ store, clock, component: "endpoint-slice-controller" });
  }
  /** The slices with their hints. */
  apply(service: Service, family: IpFamily, packed: PackedSlices): PackedSlices {
    const key = keyOf(service);
    this.#cache.setNodes(this.#store.list(Nodes));
    const before = this.#cache.hasHints(key);
    const { slices, disabled } = this.#cache.addHints(key, family, packed);
    if (disabled !== undefined) this.#tellDisabled(service, family, disabled);
    else if (!before)
      this.#recorder.event(service, "Normal", "TopologyAwareHintsEnabled", `Topology Aware Hints has been enabled, addressType: ${family}`);
    if (disabled === undefined) this.#told.delete(`${key} ${family}`);
    return slices;
  }
  /** The Service no longer asks for hints of a family. */
  withdraw(service: Service, family: IpFamily): void {
    const key = keyOf(service);
    if (this.#cache.hasHints(key)) this.#tellDisabled(service, family, "Topology Aware Hints has been disabled");
    this.drop(key, family);
  }
  /** The Service has no more slices of this address type. */
  drop(key: ObjectKey, addressType: string): void {
    this.#cache.forget(key, addressType);
    this.#told.delete(`${key} ${addressType}`);
  }
  /** The Service is gone. */
  forget(key: ObjectKey): void {
    for (const family of FAMILIES) this.drop(key, family);
  }
  /** Nodes have changed: Services whose hints no longer fit. */
  nodesChanged(): readonly ObjectKey[] {
    this.#cache.setNodes(this.#store.list(Nodes));
    return this.#cache.overloaded();
  }
  #tellDisabled(service: Service, family: IpFamily, why: string): void {
    const key = `${keyOf(service)} ${family}`;
    if (this.#told.get(key) === why) return;
    this.#told.set(key, why);
    this.#recorder.event(service, "Warning", "TopologyAwareHintsDisabled", `${why}, addressType: ${family}`);
  }
}
