// What canaries have to do with the upstreams of others: who is an alternative to whom, and which upstreams no location may use.
// Upstream: controller.go createUpstreams (NoServer), mergeAlternativeBackends.
import type { IngressPart } from "./ingress-part.ts";
import type { Alternative, BackendRef, Location } from "./route-table.ts";

/** Upstreams that a canary names before any main Ingress: rules lead there by way of a canary only. `parts`: all that count, first first. */
export function canaryUpstreams(parts: readonly IngressPart[]): ReadonlySet<string> {
  const ofCanary = new Map<string, boolean>();
  for (const { defaultBackend, hosts, annotations } of parts) {
    const { enabled } = annotations.settings.canary;
    if (defaultBackend) ofCanary.set(defaultBackend.upstream, enabled);
    for (const rules of hosts.values())
      for (const { backend } of rules) if (!ofCanary.has(backend.upstream)) ofCanary.set(backend.upstream, enabled);
  }
  return new Set([...ofCanary].flatMap(([upstream, enabled]) => (enabled ? [upstream] : [])));
}

export interface CanaryPlaces {
  readonly reserved: ReadonlySet<string>;
  /** Of a host by its own name: an alias has none. "_" is the catch-all. */
  locationsOf(host: string): readonly Location[] | undefined;
}

/**
 * Each canary finds the main location of equal host, path and type; the first one of an upstream stays. A path that finds none takes the
 * canary's upstream out, and with it the canary of other paths to the same Service.
 */
export function alternativesOf(
  canaries: readonly IngressPart[],
  { reserved, locationsOf }: CanaryPlaces,
): ReadonlyMap<string, Alternative> {
  const found = new Map<string, Alternative>();
  const gone = new Set<string>();
  const merge = (
    { owner, annotations: { settings } }: IngressPart,
    backend: BackendRef,
    locations: readonly Location[],
    same: (location: Location) => boolean,
  ): void => {
    if (gone.has(backend.upstream)) return;
    let merged = false;
    for (const location of locations) {
      const main = location.backend?.upstream;
      if (main === backend.upstream) return;
      if (main === undefined || reserved.has(main) || !same(location)) continue;
      if (!found.has(main)) found.set(main, { owner, backend, canary: settings.canary, settings });
      merged = true;
    }
    if (!merged) gone.add(backend.upstream);
  };
  for (const part of canaries) {
    // A default backend is an alternative for every location of the catch-all.
    if (part.defaultBackend) merge(part, part.defaultBackend, locationsOf("_") ?? [], () => true);
    for (const [host, rules] of part.hosts) {
      const locations = locationsOf(host);
      if (!locations) continue;
      for (const { backend, path, pathType } of rules)
        merge(part, backend, locations, (location) => location.path === path && location.pathType === pathType);
    }
  }
  return new Map([...found].filter(([, { backend }]) => !gone.has(backend.upstream)));
}
