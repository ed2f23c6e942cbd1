// The cluster as DNS sees it: per-Service tables and the indexes by which questions find them. Pure state: fed with changes, asked by answer.ts.
// Upstream: CoreDNS plugin/kubernetes/controller.go.
import { isDeepStrictEqual } from "node:util";
import { canonicalIp } from "../model/ip.ts";
import { keyOf, splitKey } from "../model/object.ts";
import type { KubeObject, ObjectKey } from "../model/object.ts";
import { EndpointSlices, Namespaces, Pods, Services } from "../model/resources.ts";
import type { ResourceType } from "../model/resources.ts";
import { Serials } from "./serials.ts";
import type { Replaced } from "./serials.ts";
import { compileImport, compileService, compileSlice, isMulticlusterSlice } from "./service-table.ts";
import type { ServiceImport, ServiceTable, SliceTable } from "./service-table.ts";

/** What changed: the object now, or undefined when it is gone. */
export interface ZoneChange {
  readonly type: { readonly kind: string };
  readonly key: ObjectKey;
  readonly object: KubeObject | undefined;
}

type Labels = { readonly [key: string]: string } | undefined;

function is<T extends KubeObject>(type: ResourceType<T>, object: KubeObject): object is T {
  return object.kind === type.kind;
}
const isImport = (object: KubeObject): object is ServiceImport => object.kind === "ServiceImport";

/** Services (or imports) with their slices, and both by address. */
export class ServiceIndex {
  readonly services = new Map<ObjectKey, ServiceTable>();
  readonly #byName = new Map<string, ServiceTable>();
  readonly #slices = new Map<ObjectKey, SliceTable>();
  readonly #slicesOf = new Map<ObjectKey, Map<ObjectKey, SliceTable>>();
  readonly #byClusterIp = new AddressIndex<ServiceTable>();
  readonly #byExternalIp = new AddressIndex<ServiceTable>();
  readonly #byEndpointIp = new AddressIndex<SliceTable>();

  /** Returns what was there, beside what is. */
  setService(key: ObjectKey, table: ServiceTable | undefined): Replaced<ServiceTable> {
    const old = this.services.get(key);
    this.#byClusterIp.replace(old, old?.clusterIPs, table, table?.clusterIPs);
    this.#byExternalIp.replace(old, old?.externalIPs, table, table?.externalIPs);
    if (old) this.#byName.delete(`${old.name}.${old.namespace}`);
    if (table) {
      this.services.set(key, table);
      this.#byName.set(`${table.name}.${table.namespace}`, table);
    } else this.services.delete(key);
    return { old, table };
  }
  setSlice(key: ObjectKey, table: SliceTable | undefined): Replaced<SliceTable> {
    const old = this.#slices.get(key);
    const ips = (slice: SliceTable | undefined): readonly string[] | undefined => slice?.endpoints.map((endpoint) => endpoint.ip);
    this.#byEndpointIp.replace(old, ips(old), table, ips(table));
    if (old) {
      const slices = this.#slicesOf.get(old.service);
      slices?.delete(key);
      if (slices?.size === 0) this.#slicesOf.delete(old.service);
      this.#slices.delete(key);
    }
    if (!table) return { old, table };
    this.#slices.set(key, table);
    const slices = this.#slicesOf.get(table.service);
    if (slices) slices.set(key, table);
    else this.#slicesOf.set(table.service, new Map([[key, table]]));
    return { old, table };
  }
  /** By `service.namespace`, as it stands in a question. */
  named(owner: string): ServiceTable | undefined {
    return this.#byName.get(owner);
  }
  slicesOf(service: ObjectKey): readonly SliceTable[] {
    const slices = this.#slicesOf.get(service);
    return slices ? [...slices.values()] : [];
  }
  servicesAt(clusterIp: string): readonly ServiceTable[] {
    return this.#byClusterIp.at(clusterIp);
  }
  servicesAtExternal(ip: string): readonly ServiceTable[] {
    return this.#byExternalIp.at(ip);
  }
  slicesAt(endpointIp: string): readonly SliceTable[] {
    return this.#byEndpointIp.at(endpointIp);
  }
  get sizes(): { readonly services: number; readonly slices: number } {
    return { services: this.services.size, slices: this.#slices.size };
  }
}

class AddressIndex<T> {
  readonly #holders = new Map<string, Set<T>>();
  at(ip: string): readonly T[] {
    return [...(this.#holders.get(ip) ?? [])];
  }
  replace(old: T | undefined, oldIps: readonly string[] = [], table: T | undefined, ips: readonly string[] = []): void {
    if (old !== undefined) {
      for (const ip of oldIps) {
        const holders = this.#holders.get(ip);
        holders?.delete(old);
        if (holders?.size === 0) this.#holders.delete(ip);
      }
    }
    if (table === undefined) return;
    for (const ip of ips) {
      const holders = this.#holders.get(ip);
      if (holders) holders.add(table);
      else this.#holders.set(ip, new Set([table]));
    }
  }
}

/** All that cluster DNS knows. `generation` rises with every change, `serials` with those that records show. */
export class Zone {
  readonly local = new ServiceIndex();
  readonly imported = new ServiceIndex();
  readonly namespaces = new Map<string, Labels>();
  readonly #podsByIp = new Map<string, Map<ObjectKey, Labels>>();
  readonly #podIps = new Map<ObjectKey, string>();
  readonly serials: Serials;
  generation = 0;
  /** False until the present state has been read. */
  synced = false;

  constructor(serial: number) {
    this.serials = new Serials(serial);
  }

  /** Takes one change in; `nowMs` becomes the serial of the zones that show it. */
  apply(change: ZoneChange, nowMs: number): void {
    const { key, object } = change;
    const { local, imported, serials } = this;
    const seconds = Math.floor(nowMs / 1000);
    switch (change.type.kind) {
      case "Service":
        serials.service(local.setService(key, object && is(Services, object) ? compileService(object) : undefined), seconds);
        break;
      case "EndpointSlice": {
        const slice = object && is(EndpointSlices, object) ? object : undefined;
        const foreign = slice !== undefined && isMulticlusterSlice(slice);
        serials.slice(local.setSlice(key, slice && !foreign ? compileSlice(slice) : undefined), seconds);
        serials.importedSlice(imported.setSlice(key, slice && foreign ? compileSlice(slice) : undefined), seconds);
        break;
      }
      case "ServiceImport":
        serials.import(imported.setService(key, object && isImport(object) ? compileImport(object) : undefined), seconds);
        break;
      case "Namespace":
        if (object) this.namespaces.set(key, object.metadata.labels);
        else this.namespaces.delete(key);
        break;
      case "Pod": {
        const made = this.#setPod(key, object);
        if (made === "nothing") return;
        if (made === "address") serials.pod(seconds);
        break;
      }
      default:
        return;
    }
    this.generation++;
  }

  /** The serial of a plain cluster zone. */
  get serial(): number {
    return this.serials.of({ pods: "disabled", zonal: false }, false);
  }

  /** The pods at this address, terminating ones left out. */
  podsAt(ip: string): readonly { readonly namespace: string; readonly name: string; readonly labels: Labels }[] {
    return [...(this.#podsByIp.get(ip) ?? [])].map(([key, labels]) => ({ ...splitKey(key), labels }));
  }

  /** Tells what it made different. */
  #setPod(key: ObjectKey, object: KubeObject | undefined): "nothing" | "labels" | "address" {
    const pod = object && is(Pods, object) && object.metadata.deletionTimestamp === undefined ? object : undefined;
    const ip = pod?.status?.podIP ? canonicalIp(pod.status.podIP) : undefined;
    const old = this.#podIps.get(key);
    if (old === undefined && ip === undefined) return "nothing";
    const labels = old === undefined ? undefined : this.#podsByIp.get(old)?.get(key);
    if (old !== undefined) {
      const pods = this.#podsByIp.get(old);
      pods?.delete(key);
      if (pods?.size === 0) this.#podsByIp.delete(old);
      this.#podIps.delete(key);
    }
    if (pod && ip !== undefined) {
      this.#podIps.set(key, ip);
      const pods = this.#podsByIp.get(ip) ?? new Map<ObjectKey, Labels>();
      this.#podsByIp.set(ip, pods.set(key, pod.metadata.labels));
    }
    if (old !== ip) return "address";
    return isDeepStrictEqual(labels, pod?.metadata.labels) ? "nothing" : "labels";
  }
}

/** The kinds that a zone is compiled from. */
export const ZONE_TYPES: readonly ResourceType[] = [Namespaces, Services, EndpointSlices, Pods];

/** A synced zone of these objects: for tests, dumps and anything else that has them all at hand. */
export function compileZone(objects: Iterable<KubeObject>, nowMs: number): Zone {
  const zone = new Zone(Math.floor(nowMs / 1000));
  for (const object of objects) zone.apply({ type: object, key: keyOf(object), object }, nowMs);
  zone.synced = true;
  return zone;
}
