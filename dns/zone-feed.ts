// The zone kept up to date: one reader of the store for all DNS pods, which share what it compiles.
// Upstream: the informers of CoreDNS's kubernetes plugin. It runs while somebody holds it.
import type { Clock } from "../model/clock.ts";
import type { ConfigMap } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { namespaceOf } from "../model/object.ts";
import type { KubeObject } from "../model/object.ts";
import { ConfigMaps, EndpointSlices, Services } from "../model/resources.ts";
import { SharedFeed } from "../store/index.ts";
import type { Change, FeedRun, Store } from "../store/index.ts";
import { Zone, ZONE_TYPES } from "./zone.ts";

/** Where the Corefile lives. */
export const COREFILE_KEY = "kube-system/coredns";
const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";
/** Changes taken in one turn of the event loop: a millisecond or two, since a collection may fall into it. */
const CHUNK = 50;

export interface ZoneFeedOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Propagation delay of the store's changes. */
  readonly delayMs: number;
}

export class ZoneFeed {
  readonly #options: ZoneFeedOptions;
  readonly #listeners = new Set<() => void>();
  readonly #programmed = new Set<(seconds: number) => void>();
  readonly #feed: SharedFeed;
  #zone: Zone;
  #configMap: Readonly<Record<string, string>> = {};
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(options: ZoneFeedOptions) {
    this.#options = options;
    this.#zone = new Zone(Math.floor(options.clock.now() / 1000));
    const { store, delayMs } = options;
    this.#feed = new SharedFeed({
      ...{ store, delayMs, name: "dns", chunk: CHUNK },
      types: () => [...ZONE_TYPES, ConfigMaps, ...store.resources.filter((type) => type.kind === "ServiceImport")],
      begin: () => this.#begin(),
      end: () => (this.#zone = new Zone(0)),
    });
  }
  get zone(): Zone {
    return this.#zone;
  }
  /** Text of the ConfigMap's Corefile; undefined without one. */
  get corefile(): string | undefined {
    return this.#configMap["Corefile"];
  }
  /** All texts of the ConfigMap: the Corefile and what it may import. */
  get configMap(): Readonly<Record<string, string>> {
    return this.#configMap;
  }
  /** Resolves once the present state has been read. */
  get synced(): Promise<void> {
    return this.#feed.synced;
  }

  /** Resolves when the zone has taken the next changes in. */
  changed(): Promise<void> {
    return (this.#changed ??= Promise.withResolvers()).promise;
  }

  /** Starts reading for the first holder, and stops with the last. */
  acquire(): AsyncDisposable {
    return this.#feed.acquire();
  }

  /** Calls back when the Corefile, or a text beside it, has changed. */
  onCorefile(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Calls back with the time from a change of endpoints to its being in the zone, for headless Services with a selector. */
  onProgrammed(listener: (seconds: number) => void): Disposable {
    this.#programmed.add(listener);
    return { [Symbol.dispose]: () => void this.#programmed.delete(listener) };
  }

  #begin(): FeedRun {
    const zone = new Zone(Math.floor(this.#options.clock.now() / 1000));
    this.#zone = zone;
    return {
      take: (change) => this.#take(change, zone),
      taken: () => {
        zone.synced = true;
        this.#changed?.resolve();
        this.#changed = undefined;
      },
    };
  }

  #tellProgrammed(slice: KubeObject): void {
    const triggered = slice.metadata.annotations?.[TRIGGER_TIME];
    const owner = slice.metadata.labels?.["kubernetes.io/service-name"];
    if (triggered === undefined || owner === undefined || !isSlice(slice)) return;
    const { spec } = this.#options.store.get(Services, namespaceOf(slice), owner) ?? {};
    if (spec?.clusterIP !== "None" || Object.keys(spec.selector ?? {}).length === 0) return;
    const seconds = (this.#options.clock.now() - Date.parse(triggered)) / 1000;
    if (seconds >= 0) for (const listener of this.#programmed) listener(seconds);
  }

  #take(change: Change, zone: Zone): void {
    if (change.type.kind !== ConfigMaps.kind) {
      zone.apply(change, this.#options.clock.now());
      if (zone.synced && change.object && this.#programmed.size > 0) this.#tellProgrammed(change.object);
      return;
    }
    if (change.key !== COREFILE_KEY) return;
    const { object } = change;
    const data = (object && isConfigMap(object) ? object.data : undefined) ?? {};
    if (JSON.stringify(data) === JSON.stringify(this.#configMap)) return;
    this.#configMap = data;
    for (const listener of this.#listeners) listener();
  }
}

function isSlice(object: KubeObject): object is EndpointSlice {
  return object.kind === EndpointSlices.kind;
}
function isConfigMap(object: { readonly kind: string }): object is ConfigMap {
  return object.kind === ConfigMaps.kind;
}
