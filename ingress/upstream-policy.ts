// What holds for an upstream, whichever location leads to it: nginx knows one upstream per Service and port, not one per Ingress.
// Upstream: controller.go createUpstreams (the first Ingress that names the Service decides) and getBackendServers (affinity is added up).
import type { Affinity } from "./annotations/affinity.ts";
import type { Settings } from "./annotations/index.ts";
import type { IngressPart } from "./ingress-part.ts";
import type { Owner } from "./route-table.ts";

export interface UpstreamPolicy {
  /** The first Ingress that names the Service. */
  readonly owner: Owner;
  /** Of the first Ingress with it, canaries included. */
  readonly loadBalance: Settings["loadBalance"];
  readonly upstreamHashBy: Settings["upstreamHashBy"];
  readonly serviceUpstream: boolean;
  /** Type and mode of the first main Ingress that says so, the cookie of the last; undefined: none has affinity. */
  readonly affinity: Affinity | undefined;
  /** `server path` of the locations that set the cookie; the others only heed it. */
  readonly cookieLocations: ReadonlySet<string>;
}

interface Draft extends UpstreamPolicy {
  affinity: Affinity | undefined;
  readonly cookieLocations: Set<string>;
}

/** `parts`: every Ingress that counts, first first. */
export function upstreamPolicies(parts: readonly IngressPart[]): ReadonlyMap<string, UpstreamPolicy> {
  const drafts = new Map<string, Draft>();
  const draftOf = (upstream: string, owner: Owner, settings: Settings): Draft => {
    let draft = drafts.get(upstream);
    if (!draft) {
      const { loadBalance, upstreamHashBy, serviceUpstream } = settings;
      drafts.set(
        upstream,
        (draft = { owner, loadBalance, upstreamHashBy, serviceUpstream, affinity: undefined, cookieLocations: new Set() }),
      );
    }
    return draft;
  };
  for (const { owner, hosts, defaultBackend, annotations } of parts) {
    const { settings } = annotations;
    if (defaultBackend) draftOf(defaultBackend.upstream, owner, settings);
    for (const [host, rules] of hosts)
      for (const { path, backend } of rules) {
        const draft = draftOf(backend.upstream, owner, settings);
        if (!settings.affinity.enabled || settings.canary.enabled) continue;
        draft.affinity = { ...settings.affinity, mode: draft.affinity?.mode ?? settings.affinity.mode };
        draft.cookieLocations.add(`${host} ${path}`);
      }
  }
  return drafts;
}
