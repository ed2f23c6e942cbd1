// The upstreams as the controller tells them to its Lua balancer. Fields stand in the order of upstream's struct.
// Upstream: pkg/apis/ingress/types.go Backend, internal/ingress/controller/nginx.go configureBackends.
import type { Json, JsonObject } from "../../model/json.ts";
import type { Canary } from "../annotations/canary.ts";
import type { BackendRef, RouteTable } from "../routes/route-table.ts";
import type { UpstreamPolicy } from "../routes/upstream-policy.ts";
import type { Upstreams } from "../routes/upstreams.ts";

export interface BackendsSource {
  readonly table: RouteTable;
  readonly upstreams: Upstreams;
}

/** nginx's own server of the 404 page. */
const OWN_PAGE = { address: "127.0.0.1", port: "8181" };
const NO_POLICY = { weight: 0, weightTotal: 0, header: "", headerValue: "", headerPattern: "", cookie: "" };

/** By name. */
export function backendsOf({ table, upstreams }: BackendsSource): readonly JsonObject[] {
  const refs = new Map<string, BackendRef>();
  const passed = new Set<string>();
  for (const server of new Set([...table.hosts.values(), ...table.wildcards.values(), table.fallback])) {
    for (const { backend } of server.locations) if (backend) refs.set(backend.upstream, backend);
    if (table.flags.enableSslPassthrough && server.passthrough?.backend) passed.add(server.passthrough.backend.upstream);
  }
  const canaries = new Map<string, Canary>();
  for (const { backend, canary } of table.alternatives.values()) {
    refs.set(backend.upstream, backend);
    canaries.set(backend.upstream, canary);
  }
  const backends = [...refs.values()].map((ref): JsonObject => {
    const policy = table.policies.get(ref.upstream);
    const service = upstreams.service(`${ref.namespace}/${ref.service}`);
    const found = upstreams.find(ref, policy?.serviceUpstream);
    const peers = found.type === "peers" ? found.peers : [];
    const alternative = table.alternatives.get(ref.upstream)?.backend.upstream;
    return {
      name: ref.upstream,
      ...(service ? { service: { metadata: {}, spec: service.spec as unknown as Json, status: { loadBalancer: {} } } } : {}),
      port: /^\d+$/.test(ref.port) ? Number(ref.port) : ref.port,
      sslPassthrough: passed.has(ref.upstream),
      ...(peers.length > 0 ? { endpoints: peers.map(({ host, port }) => ({ address: host, port: String(port) })) } : {}),
      sessionAffinityConfig: affinityOf(policy),
      upstreamHashByConfig: hashOf(policy),
      "load-balance": policy?.loadBalance ?? "round_robin",
      noServer: canaries.has(ref.upstream),
      trafficShapingPolicy: canaries.has(ref.upstream) ? shapingOf(canaries.get(ref.upstream)) : NO_POLICY,
      ...(alternative === undefined ? {} : { alternativeBackends: [alternative] }),
    };
  });
  const own: JsonObject = {
    name: "upstream-default-backend",
    port: 0,
    sslPassthrough: false,
    endpoints: [OWN_PAGE],
    sessionAffinityConfig: affinityOf(undefined),
    upstreamHashByConfig: {},
    noServer: false,
    trafficShapingPolicy: NO_POLICY,
  };
  if (!table.defaultBackend) backends.push(own);
  return backends.toSorted((a, b) => (String(a["name"]) < String(b["name"]) ? -1 : 1));
}

function affinityOf(policy: UpstreamPolicy | undefined): JsonObject {
  const affinity = policy?.affinity;
  if (!policy || !affinity) return { name: "", mode: "", cookieSessionAffinity: { name: "" } };
  const { name, expiresSeconds, maxAgeSeconds, secure, path, domain, sameSite, conditionalSameSiteNone, changeOnFailure } = affinity;
  const locations = Object.fromEntries([...policy.cookieLocations].map(([host, paths]) => [host, [...paths]]));
  const cookie: JsonObject = {
    name,
    ...(expiresSeconds === undefined ? {} : { expires: String(expiresSeconds) }),
    ...(maxAgeSeconds === undefined ? {} : { maxage: String(maxAgeSeconds) }),
    ...(Object.keys(locations).length > 0 ? { locations } : {}),
    ...(secure ? { secure } : {}),
    ...(path === "" ? {} : { path }),
    ...(domain === "" ? {} : { domain }),
    ...(sameSite === "" ? {} : { samesite: sameSite }),
    ...(conditionalSameSiteNone ? { conditional_samesite_none: true } : {}),
    ...(changeOnFailure ? { change_on_failure: true } : {}),
  };
  return { name: "cookie", mode: affinity.mode, cookieSessionAffinity: cookie };
}

function hashOf(policy: UpstreamPolicy | undefined): JsonObject {
  if (!policy) return {};
  const { expression, subset, subsetSize } = policy.upstreamHashBy;
  return {
    ...(expression === "" ? {} : { "upstream-hash-by": expression }),
    ...(subset ? { "upstream-hash-by-subset": true } : {}),
    "upstream-hash-by-subset-size": subsetSize,
  };
}

function shapingOf(canary: Canary | undefined): JsonObject {
  if (!canary) return NO_POLICY;
  const { weight, weightTotal, header, headerValue, headerPattern, cookie } = canary;
  return { weight, weightTotal, header, headerValue, headerPattern, cookie };
}
