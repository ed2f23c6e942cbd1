// Keeps the rules current: takes store changes, and recompiles only the Services that they touch.
// Upstream: pkg/proxy/servicechangetracker.go, endpointschangetracker.go. The unit of compilation is one Service.
import type { KubeObject } from "../model/object.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { EndpointSlices, Nodes, Services } from "../model/resources.ts";
import type { Node } from "../model/kinds/core-v1.ts";
import type { Change } from "../store/contract.ts";
import { compileTable, serviceOfSlice } from "./compile.ts";
import { NodeViews } from "./node-views.ts";
import { Rules } from "./rules.ts";
import { ServiceEndpoints } from "./service-endpoints.ts";
import type { ServiceTable } from "./service-port.ts";

/** What a recompilation replaced. */
export interface Replacement {
  readonly key: string;
  readonly old: ServiceTable | undefined;
  readonly now: ServiceTable | undefined;
}

const NO_ENDPOINTS = new ServiceEndpoints();
const TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time";

export class RuleBuilder {
  readonly rules = new Rules();
  readonly nodes = new NodeViews();
  /** Counts up with every object and endpoint read, so that the caller may pause in between. */
  work = 0;
  readonly #services = new Map<string, Service>();
  /** By Service. */
  readonly #endpoints = new Map<string, ServiceEndpoints>();
  readonly #dirty = new Set<string>();
  #noted = { services: 0, endpoints: 0 };
  #triggers: number[] = [];

  /** The resources that changes come from. */
  static readonly types = [Services, EndpointSlices, Nodes] as const;

  /** Notes a change; true when it changed a node's view. */
  note(change: Change): boolean {
    this.work++;
    switch (change.type.kind) {
      case Services.kind:
        this.#noteService(change.key, change.object as Service | undefined);
        return false;
      case EndpointSlices.kind:
        this.#noteSlice(change.key, change.object as EndpointSlice | undefined, change.previous as EndpointSlice | undefined);
        return false;
      case Nodes.kind:
        return this.nodes.set(change.key, change.object as (Node & KubeObject) | undefined);
      default:
        return false;
    }
  }
  /** Changes noted, and the times (ms) at which those of endpoints began, since last asked. */
  takeNoted(): { readonly services: number; readonly endpoints: number; readonly triggers: readonly number[] } {
    const noted = { ...this.#noted, triggers: this.#triggers };
    this.#noted = { services: 0, endpoints: 0 };
    this.#triggers = [];
    return noted;
  }
  /** Recompiles the noted Services, one at each step, so that the caller may pause in between. */
  *compile(): Generator<Replacement> {
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      const service = this.#services.get(key);
      const now = service && compileTable(service, this.#endpoints.get(key) ?? NO_ENDPOINTS);
      yield { key, old: this.rules.set(key, now), now };
    }
  }
  /** The Service object behind a key. */
  service(key: string): Service | undefined {
    return this.#services.get(key);
  }
  #noteService(key: string, service: Service | undefined): void {
    this.#noted.services++;
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    this.#dirty.add(key);
  }
  #noteSlice(key: string, slice: EndpointSlice | undefined, previous: EndpointSlice | undefined): void {
    this.#noted.endpoints++;
    const trigger = slice?.metadata.annotations?.[TRIGGER];
    if (trigger !== undefined && trigger !== previous?.metadata.annotations?.[TRIGGER]) {
      const at = Date.parse(trigger);
      if (!Number.isNaN(at)) this.#triggers.push(at);
    }
    const before = previous && serviceOfSlice(previous);
    const owner = slice && serviceOfSlice(slice);
    if (before && before !== owner) {
      const endpoints = this.#endpoints.get(before);
      endpoints?.set(key, undefined);
      if (endpoints?.isEmpty) this.#endpoints.delete(before);
      this.#dirty.add(before);
    }
    if (!owner || !slice) return;
    let endpoints = this.#endpoints.get(owner);
    if (!endpoints) this.#endpoints.set(owner, (endpoints = new ServiceEndpoints()));
    endpoints.set(key, slice);
    this.work += slice.endpoints?.length ?? 0;
    this.#dirty.add(owner);
  }
}
