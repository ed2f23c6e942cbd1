// What holds for an upstream, whichever location leads to it: nginx knows one upstream per Service and port, not one per Ingress.
// Upstream: controller.go createUpstreams (the first Ingress that names the Service decides) and getBackendServers (affinity is added up).
import type { Affinity } from "../annotations/affinity.ts";
import type { Settings } from "../annotations/index.ts";
import type { IngressPart } from "./ingress-part.ts";
import type { Owner } from "./route-table.ts";

export interface UpstreamPolicy {
  /** The first Ingress that names the Service, or the last whose default backend it is. */
  readonly owner: Owner;
  /** Of the owner, which may be a canary. */
  readonly loadBalance: Settings["loadBalance"];
  readonly upstreamHashBy: Settings["upstreamHashBy"];
  readonly serviceUpstream: boolean;
  /** Type and mode of the first main Ingress that says so, the cookie of the last; undefined: none has affinity. */
  readonly affinity: Affinity | undefined;
  /** Paths of the locations that set the cookie, by hosts and their aliases as written; the others only heed it. */
  readonly cookieLocations: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Draft extends UpstreamPolicy {
  mode: Affinity["mode"];
  affinity: Affinity | undefined;
  readonly cookieLocations: Map<string, Set<string>>;
}

/** `parts`: every Ingress that counts, first first; `reserved`: upstreams that are canaries' alone; `aliasesOf`: of a host's server. */
export function upstreamPolicies(
  parts: readonly IngressPart[],
  reserved: ReadonlySet<string>,
  aliasesOf: (host: string) => readonly string[],
): ReadonlyMap<string, UpstreamPolicy> {
  const drafts = new Map<string, Draft>();
  for (const { owner, hosts, defaultBackend, annotations } of parts) {
    const { loadBalance, upstreamHashBy, serviceUpstream } = annotations.settings;
    const decide = (upstream: string): void =>
      void drafts.set(upstream, {
        owner,
        loadBalance,
        upstreamHashBy,
        serviceUpstream,
        mode: "",
        affinity: undefined,
        cookieLocations: new Map(),
      });
    // A default backend makes its upstream anew.
    if (defaultBackend) decide(defaultBackend.upstream);
    for (const rules of hosts.values()) for (const { backend } of rules) if (!drafts.has(backend.upstream)) decide(backend.upstream);
  }
  for (const { hosts, annotations } of parts) {
    const { affinity } = annotations.settings;
    for (const [host, rules] of hosts)
      for (const { path, backend } of rules) {
        const draft = reserved.has(backend.upstream) ? undefined : drafts.get(backend.upstream);
        if (!draft) continue;
        draft.mode ||= affinity.mode;
        if (affinity.enabled) {
          draft.affinity = affinity;
          for (const name of [host, ...aliasesOf(host)]) {
            const paths = draft.cookieLocations.get(name) ?? new Set();
            draft.cookieLocations.set(name, paths.add(path));
          }
        }
        if (draft.affinity) draft.affinity = { ...draft.affinity, mode: draft.mode };
      }
  }
  return drafts;
}
