// The union of a Service's EndpointSlices, per port: sorted by address, an address that is in two slices counted once. A change of one
// slice costs one pass over the list, not a new sort, and reading many slices at first can be spread over turns of the event loop.
// Upstream: pkg/proxy/endpointslicecache.go, which computes the whole union anew.
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import type { IpFamily } from "../model/ip.ts";
import type { Protocol } from "../model/ports.ts";
import type { ProxyEndpoint } from "./service-port.ts";
import { isBetter, portKey, readSlice, type SortedEndpoints } from "./slice-endpoints.ts";

export class ServiceEndpoints {
  readonly #slices = new Map<string, ReadonlyMap<string, SortedEndpoints>>();
  readonly #ports = new Map<string, Union>();

  static of(slices: readonly EndpointSlice[]): ServiceEndpoints {
    const all = new ServiceEndpoints();
    for (const [index, slice] of slices.entries()) all.set(String(index), slice);
    return all;
  }
  get isEmpty(): boolean {
    return this.#slices.size === 0;
  }
  /** Replaces (or with undefined removes) one slice. */
  set(key: string, slice: EndpointSlice | undefined): void {
    for (const [port, endpoints] of this.#slices.get(key) ?? []) this.#ports.get(port)?.remove(endpoints);
    if (!slice) return void this.#slices.delete(key);
    const read = readSlice(slice);
    this.#slices.set(key, read);
    for (const [port, endpoints] of read) {
      const union = this.#ports.get(port);
      if (union) union.add(endpoints);
      else this.#ports.set(port, new Union(endpoints));
    }
  }
  /** Those of one port; the same array until a slice changes. */
  list(family: IpFamily, protocol: Protocol, portName: string): SortedEndpoints {
    return this.#ports.get(portKey(family, protocol, portName))?.list() ?? NONE;
  }
}

const NONE: SortedEndpoints = [];

/** What has been added since the list was last asked for waits as sorted runs, each more than twice as long as the next. */
class Union {
  #list: SortedEndpoints;
  #runs: SortedEndpoints[] | undefined;
  #gone: Set<ProxyEndpoint> | undefined;
  /** Entries of addresses that others stand for. */
  #shadowed: Map<string, ProxyEndpoint[]> | undefined;

  constructor(first: SortedEndpoints) {
    this.#list = first;
  }
  add(run: SortedEndpoints): void {
    const runs = (this.#runs ??= []);
    let last = run;
    for (let before = runs.at(-1); before && before.length <= 2 * last.length; before = runs.at(-1)) {
      last = this.#merged(before, last);
      runs.pop();
    }
    runs.push(last);
  }
  remove(run: SortedEndpoints): void {
    this.#gone ??= new Set();
    for (const endpoint of run) this.#gone.add(endpoint);
  }
  list(): SortedEndpoints {
    if (!this.#runs && !this.#gone) return this.#list;
    const present = [this.#list, ...(this.#runs ?? [])].map((run) => this.#without(run));
    if (this.#gone) present.push(this.#heirs(this.#gone));
    this.#list = present.reduceRight((all, run) => this.#merged(run, all), NONE);
    this.#runs = undefined;
    this.#gone = undefined;
    if (this.#shadowed?.size === 0) this.#shadowed = undefined;
    return this.#list;
  }
  #without(list: SortedEndpoints): SortedEndpoints {
    if (!this.#gone) return list;
    const places: number[] = [];
    for (const endpoint of this.#gone) {
      const place = placeOf(list, endpoint.id, 0);
      if (list[place] === endpoint) places.push(place);
    }
    if (places.length === 0) return list;
    const kept = new Array<ProxyEndpoint>(list.length - places.length);
    let [next, count] = [0, 0];
    for (const place of places.sort((a, b) => a - b)) {
      count = copy(list, next, place, kept, count);
      next = place + 1;
    }
    copy(list, next, list.length, kept, count);
    return kept;
  }
  /** Of addresses that lose an entry, the best of those that stood behind. */
  #heirs(gone: ReadonlySet<ProxyEndpoint>): SortedEndpoints {
    if (!this.#shadowed) return NONE;
    const heirs: ProxyEndpoint[] = [];
    for (const id of new Set([...gone].map((endpoint) => endpoint.id))) {
      const [heir, ...others] = (this.#shadowed.get(id) ?? []).filter((endpoint) => !gone.has(endpoint));
      this.#shadowed.delete(id);
      if (heir) heirs.push(others.reduce((best, other) => this.#shadow(best, other), heir));
    }
    return heirs.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
  #shadow(a: ProxyEndpoint, b: ProxyEndpoint): ProxyEndpoint {
    const [winner, loser] = isBetter(b, a) ? [b, a] : [a, b];
    this.#shadowed ??= new Map();
    const others = this.#shadowed.get(loser.id);
    if (others) others.push(loser);
    else this.#shadowed.set(loser.id, [loser]);
    return winner;
  }
  #merged(a: SortedEndpoints, b: SortedEndpoints): SortedEndpoints {
    const [long, short] = a.length < b.length ? [b, a] : [a, b];
    if (short.length === 0) return long;
    const all = new Array<ProxyEndpoint>(long.length + short.length);
    let [next, count] = [0, 0];
    for (const endpoint of short) {
      const place = placeOf(long, endpoint.id, next);
      count = copy(long, next, place, all, count);
      const same = long[place];
      const isSame = same?.id === endpoint.id;
      all[count++] = same && isSame ? this.#shadow(same, endpoint) : endpoint;
      next = isSame ? place + 1 : place;
    }
    all.length = copy(long, next, long.length, all, count);
    return all;
  }
}

/** Copies `from[first … end)` to `to` from `at` on; answers where it ended. */
function copy(from: SortedEndpoints, first: number, end: number, to: ProxyEndpoint[], at: number): number {
  let next = at;
  for (let i = first; i < end; i++) {
    const endpoint = from[i];
    if (endpoint) to[next++] = endpoint;
  }
  return next;
}

/** Where `id` is or belongs, from `first` on: by steps that double, since two lists of one length have it near. */
function placeOf(list: SortedEndpoints, id: string, first: number): number {
  const isBefore = (i: number): boolean => {
    const endpoint = list[i];
    return endpoint !== undefined && endpoint.id < id;
  };
  let [low, step] = [first, 1];
  while (isBefore(low + step - 1)) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step - 1, list.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
