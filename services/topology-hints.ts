// The arithmetic of topology-mode Auto: endpoints are shared out to zones in proportion to their CPU, so that no zone's endpoints get more
// than 20 % above their fair load. Pure. Upstream: k8s.io/endpointslice/topologycache/utils.go, topologycache.go.
import type { Node } from "../model/kinds/core-v1.ts";
import type { Endpoint } from "../model/kinds/discovery-v1.ts";

const ZONE = "topology.kubernetes.io/zone";
const MODE = "service.kubernetes.io/topology-mode";
const DEPRECATED_MODE = "service.kubernetes.io/topology-aware-hints";
const EXCLUDED = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const OVERLOAD_THRESHOLD = 0.2;

export const NO_ZONE = "One or more endpoints do not have a zone specified";
const INSUFFICIENT_NODE_INFO = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";

/** True when a Service asks for hints: the annotation (the older one first) says Auto. It then goes before trafficDistribution. */
export function wantsTopologyHints(annotations: Readonly<Record<string, string>> = {}): boolean {
  return /^(?:Auto|auto)$/.test(annotations[DEPRECATED_MODE] ?? annotations[MODE] ?? "");
}

/** Each zone's share in the CPU of the nodes that run workloads and are ready; none when a node does not tell, or with one zone only. */
export type CpuShares = ReadonlyMap<string, number>;

export function cpuShares(nodes: readonly Node[]): CpuShares | undefined {
  const cpuByZone = new Map<string, number>();
  for (const { metadata, status } of nodes) {
    if (EXCLUDED.some((label) => label in (metadata.labels ?? {}))) continue;
    if (!status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True")) continue;
    const zone = metadata.labels?.[ZONE];
    const cpu = milliCpuOf(String(status.allocatable?.["cpu"] ?? ""));
    if (!zone || cpu === 0) return undefined;
    count(cpuByZone, zone, cpu);
  }
  if (cpuByZone.size < 2) return undefined;
  const total = [...cpuByZone.values()].reduce((sum, cpu) => sum + cpu, 0);
  return new Map([...cpuByZone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, cpu]) => [zone, cpu / total]));
}

/** Thousandths of a core of `8`, `0.5` or `250m`; 0 when it is none of them. */
function milliCpuOf(text: string): number {
  const [, number, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(text) ?? [];
  return number === undefined ? 0 : Math.ceil(milli === "m" ? Number(number) : Number(number) * 1000);
}

/** How many endpoints a zone should have. */
export interface Allocation {
  readonly maximum: number;
  readonly desired: number;
}
export type Allocations = ReadonlyMap<string, Allocation>;

/** The allocation of each zone, or why there is none, in upstream's words. */
export function allocationsOf(shares: CpuShares | undefined, endpoints: number): Allocations | string {
  if (!shares) return INSUFFICIENT_NODE_INFO;
  const counts = `(${endpoints} endpoints, ${shares.size} zones)`;
  if (shares.size > endpoints) return `Insufficient number of endpoints ${counts}`;
  const minima = new Map([...shares].map(([zone, share]) => [zone, leastOf(share, endpoints)]));
  const spare = [...minima.values()].reduce((left, minimum) => left - minimum, endpoints);
  if (spare < 0) return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`;
  return new Map(
    [...shares].map(([zone, share]) => {
      const minimum = minima.get(zone) ?? 0;
      return [zone, { maximum: minimum + spare, desired: Math.max(share * endpoints, minimum) }];
    }),
  );
}

const leastOf = (share: number, endpoints: number): number => Math.ceil(endpoints * share * (1 / (1 + OVERLOAD_THRESHOLD)));

export type ZoneCounts = ReadonlyMap<string, number>;

export function count(counts: Map<string, number>, zone: string, change = 1): void {
  counts.set(zone, (counts.get(zone) ?? 0) + change);
}

/** True when some zone has too few endpoints for its share, so that hints must be given anew. */
export function isOverloaded(given: ZoneCounts, shares: CpuShares | undefined): boolean {
  if (given.size === 0) return false;
  if (!shares) return true;
  const total = [...given.values()].reduce((sum, number) => sum + number, 0);
  return [...shares].some(([zone, share]) => !given.has(zone) || (given.get(zone) ?? 0) < leastOf(share, total));
}

export const isReady = (endpoint: Endpoint): boolean => endpoint.conditions?.ready === true;

/**
 * Hints that a slice has, by zone; undefined when they cannot stay: an endpoint has none, a zone needs none any more, or, with those of
 * `given`, a zone would have more than its maximum.
 */
export function hintsByZone(endpoints: readonly Endpoint[], given: ZoneCounts, allocations: Allocations): ZoneCounts | undefined {
  const found = new Map<string, number>();
  for (const endpoint of endpoints.filter(isReady)) {
    const zones = endpoint.hints?.forZones ?? [];
    if (zones.length === 0 || zones.some(({ name }) => !allocations.has(name))) return undefined;
    for (const { name } of zones) count(found, name);
  }
  const fits = ([zone, hints]: readonly [string, number]): boolean =>
    hints + (given.get(zone) ?? 0) <= (allocations.get(zone)?.maximum ?? 0);
  return [...found].every(fits) ? found : undefined;
}

/** How many endpoints each zone gives to others, and how many each receives. */
export interface Exchange {
  readonly giving: Map<string, number>;
  readonly receiving: Map<string, number>;
}

/** As long as one side has a whole endpoint too many or too few and the other at least half of one, one is given. */
export function exchangeOf(allocations: Allocations, given: ZoneCounts): Exchange {
  const surplus = new Map([...allocations].map(([zone, { desired }]) => [zone, (given.get(zone) ?? 0) - desired]));
  const most = (sign: 1 | -1): readonly [zone: string, count: number] =>
    [...surplus].reduce<readonly [string, number]>(
      (best, [zone, number]) => (sign * number > best[1] ? [zone, sign * number] : best),
      ["", 0],
    );
  const exchange: Exchange = { giving: new Map(), receiving: new Map() };
  for (;;) {
    const [[from, toGive], [to, toGet]] = [most(1), most(-1)];
    if (from === "" || to === "" || (toGive < 1 && toGet < 1) || toGive < 0.5 || toGet < 0.5) return exchange;
    count(exchange.giving, from);
    count(exchange.receiving, to);
    surplus.set(from, toGive - 1);
    surplus.set(to, 1 - toGet);
  }
}

/** Moves hints of ready endpoints from the zones that give to those that receive, in place; answers the change of each zone's count. */
export function redistribute(slices: readonly Endpoint[][], { giving, receiving }: Exchange): ZoneCounts {
  const changes = new Map<string, number>();
  for (const endpoints of slices) {
    for (const [i, endpoint] of endpoints.entries()) {
      const from = endpoint.zone ?? "";
      if (!isReady(endpoint) || !giving.has(from)) continue;
      const [to] = receiving.keys();
      if (to === undefined) return changes;
      endpoints[i] = { ...endpoint, hints: { forZones: [{ name: to }] } };
      for (const [counts, zone] of [[giving, from] as const, [receiving, to] as const]) {
        if (counts.get(zone) === 1) counts.delete(zone);
        else count(counts, zone, -1);
      }
      count(changes, to);
      count(changes, from, -1);
    }
  }
  return changes;
}
