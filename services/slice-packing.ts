// Which EndpointSlices to write so that they hold the desired endpoints, with as few writes as possible. Pure.
// Upstream: endpointslice/reconciler.go reconcileByPortMapping, finalize. Slices are never rebalanced.
import type { Endpoint, EndpointPort, EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { equalJson } from "../model/object.ts";
import type { PodEndpoint } from "./pod-endpoints.ts";

/** A slice's content, without metadata. */
export interface SliceContent {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

export interface SliceChanges {
  readonly create: readonly SliceContent[];
  readonly update: readonly { readonly slice: EndpointSlice; readonly content: SliceContent }[];
  readonly remove: readonly EndpointSlice[];
}

interface Plan {
  readonly slice: EndpointSlice | undefined;
  readonly ports: readonly EndpointPort[];
  endpoints: Endpoint[];
  changed: boolean;
}

const portsKey = (ports: readonly EndpointPort[] | undefined): string =>
  (ports ?? [])
    .map((port) => `${port.name ?? ""} ${port.protocol ?? "TCP"} ${port.port ?? ""} ${port.appProtocol ?? ""}`)
    .sort()
    .join();

/** What makes two endpoints the same one over time. */
const identity = (endpoint: Endpoint): string => `${endpoint.addresses.join()} ${endpoint.targetRef?.uid ?? ""} ${endpoint.hostname ?? ""}`;

/**
 * Packs one address family. `existing` are the slices of that family that the caller manages. With nothing desired, one empty
 * placeholder slice stays. `stale` marks slices whose metadata must be written anyway: they are filled like those that change.
 */
export function packSlices(
  existing: readonly EndpointSlice[],
  desired: readonly PodEndpoint[],
  maxEndpoints: number,
  stale: (slice: EndpointSlice) => boolean = () => false,
): SliceChanges {
  const groups = new Map<
    string,
    { readonly ports: readonly EndpointPort[]; readonly slices: EndpointSlice[]; readonly wanted: Map<string, Endpoint> }
  >();
  const group = (ports: readonly EndpointPort[]) => {
    const key = portsKey(ports);
    let found = groups.get(key);
    if (!found) groups.set(key, (found = { ports, slices: [], wanted: new Map() }));
    return found;
  };
  for (const { ports, endpoint } of desired) group(ports).wanted.set(identity(endpoint), endpoint);
  for (const slice of existing) group(slice.ports ?? []).slices.push(slice);

  const plans: Plan[] = [];
  const emptied: EndpointSlice[] = [];
  for (const { ports, slices, wanted } of groups.values()) packGroup(ports, slices, wanted, maxEndpoints, stale, plans, emptied);

  if (plans.length === 0) {
    const [kept] = emptied.toSorted((a, b) => (isPlaceholder(b) ? 1 : 0) - (isPlaceholder(a) ? 1 : 0));
    const untouched = kept !== undefined && isPlaceholder(kept) && !stale(kept);
    plans.push({ slice: untouched ? kept : undefined, ports: [], endpoints: [], changed: !untouched });
    if (untouched) emptied.splice(emptied.indexOf(kept), 1);
  }
  return finish(plans, emptied);
}

const isPlaceholder = (slice: EndpointSlice): boolean => (slice.endpoints?.length ?? 0) === 0 && (slice.ports?.length ?? 0) === 0;

function packGroup(
  ports: readonly EndpointPort[],
  slices: readonly EndpointSlice[],
  wanted: Map<string, Endpoint>,
  maxEndpoints: number,
  stale: (slice: EndpointSlice) => boolean,
  plans: Plan[],
  emptied: EndpointSlice[],
): void {
  const mine: Plan[] = [];
  for (const slice of slices) {
    const kept: Endpoint[] = [];
    let changed = stale(slice);
    for (const endpoint of slice.endpoints ?? []) {
      const key = identity(endpoint);
      const now = wanted.get(key);
      if (!now) {
        changed = true;
        continue;
      }
      wanted.delete(key);
      const same = equalJson(endpoint, now);
      changed ||= !same;
      kept.push(same ? endpoint : now);
    }
    if (kept.length === 0) emptied.push(slice);
    else mine.push({ slice, ports, endpoints: kept, changed });
  }
  const left = [...wanted.values()];
  const fill = (plan: Plan): void => {
    const room = maxEndpoints - plan.endpoints.length;
    if (room <= 0 || left.length === 0) return;
    plan.endpoints.push(...left.splice(0, room));
    plan.changed = true;
  };
  for (const plan of mine.filter((plan) => plan.changed).sort((a, b) => b.endpoints.length - a.endpoints.length)) fill(plan);
  while (left.length > 0) {
    const fits = mine.filter((plan) => !plan.changed && plan.endpoints.length + left.length <= maxEndpoints);
    const [best] = fits.sort((a, b) => b.endpoints.length - a.endpoints.length);
    const target: Plan = best ?? { slice: undefined, ports, endpoints: [], changed: true };
    if (!best) mine.push(target);
    fill(target);
  }
  plans.push(...mine);
}

/** New slices take over emptied ones where there are any: one update instead of a delete and a create. */
function finish(plans: readonly Plan[], emptied: readonly EndpointSlice[]): SliceChanges {
  const reusable = emptied.filter((slice) => slice.metadata.deletionTimestamp === undefined);
  const create: SliceContent[] = [];
  const update: { slice: EndpointSlice; content: SliceContent }[] = [];
  for (const { slice, ports, endpoints, changed } of plans) {
    if (!changed) continue;
    const target = slice ?? reusable.shift();
    if (target) update.push({ slice: target, content: { ports, endpoints } });
    else create.push({ ports, endpoints });
  }
  const taken = new Set(update.map((entry) => entry.slice));
  return { create, update, remove: emptied.filter((slice) => !taken.has(slice) && slice.metadata.deletionTimestamp === undefined) };
}
