// Which EndpointSlices mirror hand-made Endpoints: one slice for each set of ports and family, rewritten whole when something differs. Pure.
// Upstream: pkg/controller/endpointslicemirroring/reconciler.go. Upstream's order within a slice is random; here what stays keeps its place.
import { ipFamily, type IpFamily } from "../model/ip.ts";
import type { EndpointAddress, EndpointSubset } from "../model/kinds/core-v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../model/kinds/discovery-v1.ts";
import {
  endpointIdentity,
  isEqualEndpoint,
  portsKey,
  reuseSlices,
  type SliceChanges,
  type SliceContent,
  type SliceUpdate,
} from "./slice-packing.ts";

/** Most addresses of one subset that are mirrored; also what one slice holds. */
export const MAX_PER_SUBSET = 1000;

/** Endpoints that are to be mirrored, by their ports and family. */
export interface MirroredSubsets {
  readonly groups: ReadonlyMap<string, MirroredGroup>;
  /** Addresses beyond the limit of their subset. */
  readonly skipped: number;
}

interface MirroredGroup {
  readonly family: IpFamily;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/** Ready addresses come first, as far as there is room; an address that is in both lists of a subset is not ready. */
export function mirroredSubsets(subsets: readonly EndpointSubset[], maxPerSubset: number = MAX_PER_SUBSET): MirroredSubsets {
  const groups = new Map<string, MirroredGroup>();
  let skipped = 0;
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    const mirroredPorts = ports.map(({ name = "", protocol = "TCP", port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    }));
    const all = [
      ...addresses.map((address) => endpointOf(address, true)),
      ...notReadyAddresses.map((address) => endpointOf(address, false)),
    ];
    skipped += Math.max(0, all.length - maxPerSubset);
    for (const endpoint of all.slice(0, maxPerSubset)) {
      const family = ipFamily(endpoint.addresses[0] ?? "") ?? "IPv4";
      const key = groupKey(family, mirroredPorts);
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { family, ports: mirroredPorts, endpoints: new Map() }));
      group.endpoints.set(endpointIdentity(endpoint), endpoint);
    }
  }
  return { groups, skipped };
}

const groupKey = (family: string, ports: readonly EndpointPort[] | undefined): string => `${family} ${portsKey(ports)}`;

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}

/** What to write so that the `existing` slices of one family mirror it. `stale` marks those whose metadata must be written anyway. */
export function mirrorSlices(
  existing: readonly EndpointSlice[],
  { groups }: MirroredSubsets,
  family: IpFamily,
  stale: (slice: EndpointSlice) => boolean,
): SliceChanges {
  const slices = Map.groupBy(existing, (slice) => groupKey(slice.addressType, slice.ports));
  const create: SliceContent[] = [];
  const update: SliceUpdate[] = [];
  const left = new Set(existing);
  for (const [key, { ports, endpoints, family: own }] of groups) {
    if (own !== family) continue;
    const slice = slices.get(key)?.[0];
    if (!slice) {
      create.push({ ports, endpoints: [...endpoints.values()].slice(0, MAX_PER_SUBSET) });
      continue;
    }
    left.delete(slice);
    const content = { ports, endpoints: inPlace(slice.endpoints ?? [], endpoints).slice(0, MAX_PER_SUBSET) };
    const same =
      slice.endpoints?.length === content.endpoints.length && content.endpoints.every((now, i) => isSame(slice.endpoints?.[i], now));
    if (!same || stale(slice)) update.push({ slice, content });
  }
  return reuseSlices({ create, update }, [...left]);
}

function inPlace(old: readonly Endpoint[], wanted: ReadonlyMap<string, Endpoint>): readonly Endpoint[] {
  const added = new Map(wanted);
  const kept = old.flatMap((endpoint) => {
    const key = endpointIdentity(endpoint);
    const now = added.get(key);
    added.delete(key);
    return now ?? [];
  });
  return [...kept, ...added.values()];
}

const isSame = (old: Endpoint | undefined, now: Endpoint): boolean =>
  old !== undefined && endpointIdentity(old) === endpointIdentity(now) && isEqualEndpoint(old, now);
