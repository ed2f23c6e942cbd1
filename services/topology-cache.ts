// Topology-mode Auto's memory: which zones the endpoints of each Service are hinted for. Slices whose hints still fit are left as they are;
// a Service is looked at again only when nodes change so that one of its zones is overloaded.
// Upstream: k8s.io/endpointslice/topologycache/topologycache.go, sliceinfo.go.
import type { Node } from "../model/kinds/core-v1.ts";
import type { Endpoint } from "../model/kinds/discovery-v1.ts";
import type { ObjectKey } from "../model/object.ts";
import { contentOf, type PackedSlices, withEndpoints, withoutHints } from "./slice-packing.ts";
import {
  allocationsOf,
  count,
  type CpuShares,
  cpuShares,
  exchangeOf,
  hintsByZone,
  isOverloaded,
  isReady,
  NO_ZONE,
  redistribute,
  type ZoneCounts,
} from "./topology-hints.ts";

export interface HintedSlices {
  readonly slices: PackedSlices;
  /** Why there are no hints, in upstream's words. */
  readonly disabled?: string;
}

export class TopologyCache {
  #shares: CpuShares | undefined;
  /** By Service, then by address type. */
  readonly #given = new Map<ObjectKey, Map<string, ZoneCounts>>();
  /** Services whose users know that they have hints. */
  readonly #populated = new Set<ObjectKey>();

  setNodes(nodes: readonly Node[]): void {
    this.#shares = cpuShares(nodes);
  }
  /** Services with too few endpoints for the share of some zone. */
  overloaded(): readonly ObjectKey[] {
    return [...this.#given].flatMap(([key, families]) =>
      [...families.values()].some((given) => isOverloaded(given, this.#shares)) ? [key] : [],
    );
  }
  hasHints(service: ObjectKey): boolean {
    return this.#populated.has(service);
  }
  /** Endpoints hinted for each zone. */
  given(service: ObjectKey, addressType: string): ZoneCounts | undefined {
    return this.#given.get(service)?.get(addressType);
  }
  forget(service: ObjectKey, addressType: string): void {
    const families = this.#given.get(service);
    families?.delete(addressType);
    if (families?.size === 0) this.#given.delete(service);
    this.#populated.delete(service);
  }
  /** Hints for slices that are to be written, and for those unchanged ones whose hints no longer fit. */
  addHints(service: ObjectKey, addressType: string, slices: PackedSlices): HintedSlices {
    const contents = [...slices.create, ...slices.update.map(({ content }) => content)];
    const all = [...contents.map(({ endpoints }) => endpoints), ...slices.unchanged.map(({ endpoints }) => endpoints ?? [])];
    const allocations = allocationsOf(this.#shares, all.flat().filter(isReady).length);
    if (typeof allocations === "string") return this.#disable(service, addressType, slices, allocations);

    const given = new Map<string, number>();
    const update = [...slices.update];
    const unchanged = slices.unchanged.filter((slice) => {
      const hints = hintsByZone(slice.endpoints ?? [], given, allocations);
      for (const [zone, number] of hints ?? []) count(given, zone, number);
      if (!hints) update.push({ slice, content: contentOf(slice) });
      return hints !== undefined;
    });
    const packed: PackedSlices = { create: slices.create, update, unchanged };
    const drafts: Endpoint[][] = [];
    for (const { endpoints } of [...packed.create, ...update.map(({ content }) => content)]) {
      if (endpoints.some((endpoint) => isReady(endpoint) && !endpoint.zone)) return this.#disable(service, addressType, packed, NO_ZONE);
      drafts.push(endpoints.map(sameZone));
      for (const { zone = "" } of endpoints.filter(isReady)) count(given, zone);
    }
    for (const [zone, change] of redistribute(drafts, exchangeOf(allocations, given))) count(given, zone, change);
    const families = this.#given.get(service) ?? new Map<string, ZoneCounts>();
    this.#given.set(service, families.set(addressType, given));
    this.#populated.add(service);
    return { slices: withEndpoints(packed, drafts) };
  }
  #disable(service: ObjectKey, addressType: string, slices: PackedSlices, disabled: string): HintedSlices {
    this.forget(service, addressType);
    return { slices: withoutHints(slices), disabled };
  }
}

const sameZone = (endpoint: Endpoint): Endpoint =>
  isReady(endpoint) ? { ...endpoint, hints: { forZones: [{ name: endpoint.zone ?? "" }] } } : endpoint;
