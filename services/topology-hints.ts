// Hints of topology-mode Auto: endpoints are shared out to zones in proportion to their CPU, so that no zone's endpoints get more than
// 20 % above their fair load. Pure. Upstream: k8s.io/endpointslice/topologycache.
// Left out: keeping earlier hints as they were; all are given anew, as upstream does for slices that are all new.
import type { Node } from "../model/kinds/core-v1.ts";
import type { Endpoint } from "../model/kinds/discovery-v1.ts";

const ZONE = "topology.kubernetes.io/zone";
const MODE = "service.kubernetes.io/topology-mode";
const DEPRECATED_MODE = "service.kubernetes.io/topology-aware-hints";
const EXCLUDED = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const OVERLOAD_THRESHOLD = 0.2;

/** True when a Service asks for hints: the annotation (the older one first) says Auto. It then goes before trafficDistribution. */
export function wantsTopologyHints(annotations: Readonly<Record<string, string>> = {}): boolean {
  return /^(?:Auto|auto)$/.test(annotations[DEPRECATED_MODE] ?? annotations[MODE] ?? "");
}

export type TopologyHints =
  /** The zone of each ready endpoint, by its place in the list. */
  | { readonly zones: ReadonlyMap<number, string> }
  /** Why there are none, in upstream's words. */
  | { readonly disabled: string };

/** The share of each zone in the CPU of the nodes that run workloads and are ready, or why there is none. */
export function cpuShares(nodes: readonly Node[]): ReadonlyMap<string, number> | string {
  const insufficient = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
  const cpuByZone = new Map<string, number>();
  for (const { metadata, status } of nodes) {
    if (EXCLUDED.some((label) => label in (metadata.labels ?? {}))) continue;
    if (!status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True")) continue;
    const zone = metadata.labels?.[ZONE];
    const cpu = cpuOf(String(status.allocatable?.["cpu"] ?? ""));
    if (!zone || cpu === 0) return insufficient;
    cpuByZone.set(zone, (cpuByZone.get(zone) ?? 0) + cpu);
  }
  if (cpuByZone.size < 2) return insufficient;
  const total = [...cpuByZone.values()].reduce((sum, cpu) => sum + cpu, 0);
  return new Map([...cpuByZone].map(([zone, cpu]) => [zone, cpu / total]));
}

/** Cores of `8`, `0.5` or `250m`; 0 when it is none of them. */
function cpuOf(text: string): number {
  const [, number, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(text) ?? [];
  return number === undefined ? 0 : Number(number) / (milli === "m" ? 1000 : 1);
}

/** Shares the ready endpoints out: each is first hinted for its own zone, then zones with too many give to those with too few. */
export function topologyHints(endpoints: readonly Endpoint[], nodes: readonly Node[]): TopologyHints {
  const shares = cpuShares(nodes);
  if (typeof shares === "string") return { disabled: shares };
  const ready = endpoints.flatMap((endpoint, i) => (endpoint.conditions?.ready ? [i] : []));
  const counts = `(${ready.length} endpoints, ${shares.size} zones)`;
  if (ready.length < shares.size) return { disabled: `Insufficient number of endpoints ${counts}` };
  const minima = new Map([...shares].map(([zone, share]) => [zone, Math.ceil((share * ready.length) / (1 + OVERLOAD_THRESHOLD))]));
  if ([...minima.values()].reduce((sum, minimum) => sum + minimum, 0) > ready.length)
    return { disabled: `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}` };

  const zones = new Map<number, string>();
  const given = new Map<string, number>();
  for (const i of ready) {
    const zone = endpoints[i]?.zone;
    if (!zone) return { disabled: "One or more endpoints do not have a zone specified" };
    zones.set(i, zone);
    given.set(zone, (given.get(zone) ?? 0) + 1);
  }
  const surplus = new Map<string, number>();
  for (const [zone, share] of [...shares].sort(([a], [b]) => (a < b ? -1 : 1)))
    surplus.set(zone, (given.get(zone) ?? 0) - Math.max(share * ready.length, minima.get(zone) ?? 0));
  for (const [from, to] of moves(surplus)) {
    const moved = ready.find((i) => zones.get(i) === from && endpoints[i]?.zone === from);
    if (moved !== undefined) zones.set(moved, to);
  }
  return { zones };
}

/** From whom to whom, one endpoint each: as long as one side has a whole one and the other at least half of one. */
function moves(surplus: Map<string, number>): readonly (readonly [from: string, to: string])[] {
  const all: (readonly [string, string])[] = [];
  const most = (sign: 1 | -1): readonly [zone: string, count: number] =>
    [...surplus].reduce<readonly [string, number]>(
      (best, [zone, count]) => (sign * count > best[1] ? [zone, sign * count] : best),
      ["", 0],
    );
  for (;;) {
    const [[from, toGive], [to, toGet]] = [most(1), most(-1)];
    if (from === "" || to === "" || (toGive < 1 && toGet < 1) || toGive < 0.5 || toGet < 0.5) return all;
    all.push([from, to]);
    surplus.set(from, toGive - 1);
    surplus.set(to, 1 - toGet);
  }
}
