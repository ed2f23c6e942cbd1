// Hints of topology-mode Auto: endpoints are shared out to zones in proportion to their CPU, so that no zone's endpoints get more than
// 20 % above their fair load. Pure. Upstream: k8s.io/endpointslice/topologycache.
// Left out: keeping earlier hints as they were; the share is computed anew, and an endpoint keeps its own zone where it can.
import type { Node } from "../model/kinds/core-v1.ts";
import type { Endpoint } from "../model/kinds/discovery-v1.ts";

const ZONE = "topology.kubernetes.io/zone";
const MODE = "service.kubernetes.io/topology-mode";
const DEPRECATED_MODE = "service.kubernetes.io/topology-aware-hints";
const EXCLUDED = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const OVERLOAD_THRESHOLD = 0.2;

/** True when a Service asks for hints: the annotation says Auto. It then goes before trafficDistribution. */
export function wantsTopologyHints(annotations: Readonly<Record<string, string>> = {}): boolean {
  return /^(?:Auto|auto)$/.test(annotations[MODE] ?? annotations[DEPRECATED_MODE] ?? "");
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
  if (cpuByZone.size === 0) return insufficient;
  if (cpuByZone.size === 1) return "Nodes only ready in one zone";
  const total = [...cpuByZone.values()].reduce((sum, cpu) => sum + cpu, 0);
  return new Map([...cpuByZone].map(([zone, cpu]) => [zone, cpu / total]));
}

/** Cores of `8`, `0.5` or `250m`; 0 when it is none of them. */
function cpuOf(text: string): number {
  const [, number, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(text) ?? [];
  return number === undefined ? 0 : Number(number) / (milli === "m" ? 1000 : 1);
}

interface Allotment {
  readonly desired: number;
  /** With fewer, its endpoints would be more than 20 % above their fair load. */
  readonly minimum: number;
  readonly members: number[];
}

/** Shares the ready endpoints out. */
export function topologyHints(endpoints: readonly Endpoint[], nodes: readonly Node[]): TopologyHints {
  const shares = cpuShares(nodes);
  if (typeof shares === "string") return { disabled: shares };
  const ready = endpoints.flatMap((endpoint, i) => (endpoint.conditions?.ready ? [i] : []));
  if (ready.length < shares.size)
    return { disabled: `Insufficient number of endpoints (${ready.length}), impossible to safely allocate proportionally` };
  if (ready.some((i) => endpoints[i]?.zone === undefined)) return { disabled: "One or more endpoints do not have a zone specified" };

  const allotments = new Map<string, Allotment>();
  for (const [zone, share] of [...shares].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const desired = share * ready.length;
    allotments.set(zone, { desired, minimum: Math.ceil(desired / (1 + OVERLOAD_THRESHOLD)), members: [] });
  }
  if ([...allotments.values()].reduce((sum, { minimum }) => sum + minimum, 0) > ready.length) {
    return { disabled: "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (20%)" };
  }
  const homeless: number[] = [];
  for (const i of ready) (allotments.get(endpoints[i]?.zone ?? "")?.members ?? homeless).push(i);
  for (const i of homeless) neediest(allotments).members.push(i);
  for (;;) {
    const short = [...allotments.values()].find(({ members, minimum }) => members.length < minimum);
    const moved = short && richest(allotments).members.pop();
    if (!short || moved === undefined) break;
    short.members.push(moved);
  }
  return { zones: new Map([...allotments].flatMap(([zone, { members }]) => members.map((i) => [i, zone] as const))) };
}

function extreme(allotments: ReadonlyMap<string, Allotment>, score: (allotment: Allotment) => number): Allotment {
  return [...allotments.values()].reduce((best, each) => (score(each) > score(best) ? each : best));
}
const richest = (allotments: ReadonlyMap<string, Allotment>): Allotment =>
  extreme(allotments, ({ members, desired }) => members.length - desired);
const neediest = (allotments: ReadonlyMap<string, Allotment>): Allotment =>
  extreme(allotments, ({ members, desired }) => desired - members.length);
