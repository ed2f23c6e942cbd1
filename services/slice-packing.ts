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

/** Slices of one family that hold the desired endpoints, before emptied ones are used again. */
export interface PackedSlices {
  readonly create: readonly SliceContent[];
  readonly update: readonly SliceUpdate[];
  readonly unchanged: readonly EndpointSlice[];
}

export interface SliceUpdate {
  readonly slice: EndpointSlice;
  readonly content: SliceContent;
}

export interface SliceChanges {
  readonly create: readonly SliceContent[];
  readonly update: readonly SliceUpdate[];
  readonly remove: readonly EndpointSlice[];
}

interface Plan {
  readonly slice: EndpointSlice | undefined;
  readonly ports: readonly EndpointPort[];
  endpoints: Endpoint[];
  changed: boolean;
}

/** Slices with the same ports, in any order, have the same key. */
export const portsKey = (ports: readonly EndpointPort[] | undefined): string =>
  (ports ?? [])
    .map((port) => `${port.name ?? ""} ${port.protocol ?? "TCP"} ${port.port ?? ""} ${port.appProtocol ?? ""}`)
    .sort()
    .join();

/** What makes two endpoints the same one over time. */
export const endpointIdentity = ({ addresses, hostname = "", targetRef }: Endpoint): string =>
  `${addresses.toSorted().join()} ${hostname} ${targetRef?.namespace ?? ""}/${targetRef?.name ?? ""}`;

/** Hints do not count, they are looked at apart; nor does the revision at which the pod was read. */
export function isEqualEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a.nodeName !== b.nodeName || a.zone !== b.zone) return false;
  const { ready, serving, terminating } = a.conditions ?? {};
  if (b.conditions?.ready !== ready || b.conditions?.serving !== serving || b.conditions?.terminating !== terminating) return false;
  return equalJson(bareTarget(a), bareTarget(b));
}

const bareTarget = ({ targetRef: { resourceVersion: _revision, ...target } = {} }: Endpoint): unknown => target;

export const contentOf = ({ ports = [], endpoints = [] }: EndpointSlice): SliceContent => ({ ports, endpoints });

/** Puts other endpoints into the slices that are to be written: first the new ones, then the others. */
export function withEndpoints({ create, update, unchanged }: PackedSlices, endpoints: readonly (readonly Endpoint[])[]): PackedSlices {
  return {
    create: create.map(({ ports }, i) => ({ ports, endpoints: endpoints[i] ?? [] })),
    update: update.map(({ slice, content: { ports } }, i) => ({
      slice,
      content: { ports, endpoints: endpoints[create.length + i] ?? [] },
    })),
    unchanged,
  };
}

/** Takes all hints away; unchanged slices that have some are to be written. */
export function withoutHints({ create, update, unchanged }: PackedSlices): PackedSlices {
  const hinted = unchanged.filter((slice) => slice.endpoints?.some((endpoint) => endpoint.hints) ?? false);
  const packed: PackedSlices = {
    create,
    update: [...update, ...hinted.map((slice) => ({ slice, content: contentOf(slice) }))],
    unchanged: unchanged.filter((slice) => !hinted.includes(slice)),
  };
  const contents = [...packed.create, ...packed.update.map(({ content }) => content)];
  return withEndpoints(
    packed,
    contents.map(({ endpoints }) => endpoints.map(({ hints: _hints, ...endpoint }) => endpoint)),
  );
}

/**
 * Packs one address family. `existing` are the slices of that family that the caller manages. With nothing desired, one empty
 * placeholder slice stays. `stale` marks slices whose metadata must be written anyway: they are filled like those that change.
 * `hint` gives the endpoints their hints.
 */
export function packSlices(
  existing: readonly EndpointSlice[],
  desired: readonly PodEndpoint[],
  maxEndpoints: number,
  stale: (slice: EndpointSlice) => boolean = () => false,
  hint: (slices: PackedSlices) => PackedSlices = withoutHints,
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
  for (const { ports, endpoint } of desired) group(ports).wanted.set(endpointIdentity(endpoint), endpoint);
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
  return reuseSlices(hint(packed(plans)), emptied);
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
      const key = endpointIdentity(endpoint);
      const now = wanted.get(key);
      if (!now) {
        changed = true;
        continue;
      }
      wanted.delete(key);
      changed ||= !isEqualEndpoint(endpoint, now);
      kept.push(now);
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

function packed(plans: readonly Plan[]): PackedSlices {
  const create: SliceContent[] = [];
  const update: SliceUpdate[] = [];
  const unchanged: EndpointSlice[] = [];
  for (const { slice, ports, endpoints, changed } of plans) {
    if (!slice) create.push({ ports, endpoints });
    else if (changed) update.push({ slice, content: { ports, endpoints } });
    else unchanged.push(slice);
  }
  return { create, update, unchanged };
}

/** New slices take over emptied ones where there are any: one update instead of a delete and a create. */
export function reuseSlices({ create, update }: Pick<PackedSlices, "create" | "update">, emptied: readonly EndpointSlice[]): SliceChanges {
  const reusable = emptied.filter((slice) => slice.metadata.deletionTimestamp === undefined);
  const taken = reusable.slice(0, create.length);
  return {
    create: create.slice(taken.length),
    update: [...update, ...taken.map((slice, i) => ({ slice, content: create[i] ?? { ports: [], endpoints: [] } }))],
    remove: reusable.slice(taken.length),
  };
}
