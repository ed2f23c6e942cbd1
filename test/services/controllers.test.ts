import t from "tap";
import type { Test } from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Node, Pod, Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { EndpointSlices, EndpointsResource, Events, Nodes, Pods, Services } from "../../model/resources.ts";
import { createServiceControllers, serviceAdmission } from "../../services/index.ts";
import { createStore, type Store } from "../../store/index.ts";

async function start(t: Test): Promise<Store> {
  const clock = new VirtualClock();
  const random = seededRandom("controllers");
  const store = await createStore({ clock, ids: createIds(random) });
  store.admit(...serviceAdmission({ serviceCIDRs: ["127.96.0.0/16"], random, clusterBlocks: ["127.244.0.0/16", "127.18.0.0/16"] }));
  const controllers = createServiceControllers({ store, clock, loadBalancerPools: ["127.18.255.0/24"] });
  await controllers.start();
  t.teardown(async () => {
    await controllers.stop();
    await store.close();
  });
  for (const [name, zone] of [
    ["n1", "a"],
    ["n2", "b"],
  ] as const) {
    const node: Node = { apiVersion: "v1", kind: "Node", metadata: { name, labels: { "topology.kubernetes.io/zone": zone } }, spec: {} };
    await store.create(Nodes, node);
  }
  return store;
}
const service = (name: string, spec: ServiceSpec, metadata: Partial<Service["metadata"]> = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default", ...metadata },
  spec,
});

interface PodOptions {
  readonly ip?: string;
  readonly ready?: boolean;
  readonly node?: string;
  readonly port?: number;
  readonly phase?: "Running" | "Succeeded" | "Pending";
  readonly hostname?: string;
  readonly subdomain?: string;
}
async function pod(
  store: Store,
  name: string,
  { ip, ready = true, node = "n1", port = 80, phase = "Running", ...names }: PodOptions,
): Promise<void> {
  const object: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: "web" } },
    spec: { nodeName: node, containers: [{ name: "main", image: "web", ports: [{ name: "http", containerPort: port }] }], ...names },
  };
  await store.create(Pods, object);
  const conditions = [
    { type: "Ready" as const, status: ready ? ("True" as const) : ("False" as const), lastTransitionTime: "2025-01-01T00:00:05Z" },
  ];
  await store.mutate(
    Pods,
    "default",
    name,
    (draft) => void (draft.status = { phase, conditions, ...(ip ? { podIP: ip, podIPs: [{ ip }] } : {}) }),
    { subresource: "status" },
  );
}

/** `ports: endpoint flags, …` by slice; flags: r ready, s serving, t terminating. */
function text(slice: EndpointSlice): string {
  const ports = (slice.ports ?? []).map((port) => `${port.name || "-"}/${port.protocol}/${port.port}`).join("+");
  const endpoints = (slice.endpoints ?? []).map(({ addresses, conditions = {}, nodeName, zone, hostname, hints }) => {
    const flags = `${conditions.ready ? "r" : ""}${conditions.serving ? "s" : ""}${conditions.terminating ? "t" : ""}`;
    const hint = hints ? `>${[...(hints.forZones ?? []), ...(hints.forNodes ?? [])].map((entry) => entry.name).join("+")}` : "";
    return `${addresses[0]} ${flags || "-"} ${nodeName}/${zone}${hostname ? ` ${hostname}` : ""}${hint}`;
  });
  return `${ports || "no ports"}: ${endpoints.sort().join(", ") || "empty"}`;
}
const slices = async (store: Store, name = "web"): Promise<string[]> => {
  await store.settle();
  return store
    .list(EndpointSlices, { namespace: "default", labels: (labels) => labels?.["kubernetes.io/service-name"] === name })
    .map(text)
    .sort();
};
const WEB: ServiceSpec = { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] };

t.test("slices follow pods", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", WEB, { labels: { tier: "front" } }));
  t.same(await slices(store), ["no ports: empty"], "a placeholder before any pod");
  await pod(store, "a", { ip: "127.244.1.1" });
  await pod(store, "b", { ip: "127.244.2.1", node: "n2", ready: false });
  await pod(store, "done", { ip: "127.244.1.9", phase: "Succeeded" });
  await pod(store, "no-ip", {});
  await pod(store, "lost", { ip: "127.244.3.1", node: "n3" });
  t.same(await slices(store), ["http/TCP/80: 127.244.1.1 rs n1/a, 127.244.2.1 - n2/b"]);
  await pod(store, "c", { ip: "127.244.1.2", port: 8080 });
  t.same(
    await slices(store),
    ["http/TCP/8080: 127.244.1.2 rs n1/a", "http/TCP/80: 127.244.1.1 rs n1/a, 127.244.2.1 - n2/b"],
    "a named port of another number",
  );
  await store.delete(Pods, "default", "a", { gracePeriodSeconds: 30 });
  t.match((await slices(store))[1], "127.244.1.1 st n1/a", "terminating, still serving");
  await store.create(Nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "n3" }, spec: {} });
  t.match((await slices(store))[1], "127.244.3.1 rs n3/undefined", "taken in when its node appears");
  await store.mutate(Services, "default", "web", (draft) => void (draft.spec = { ...draft.spec, publishNotReadyAddresses: true }));
  t.match((await slices(store))[1], "127.244.2.1 r n2/b", "published although not ready");
  const [first] = store.list(EndpointSlices);
  t.match(first?.metadata, {
    name: /^web-[a-z0-9]{5}$/,
    generateName: "web-",
    labels: {
      tier: "front",
      "kubernetes.io/service-name": "web",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    },
    ownerReferences: [{ apiVersion: "v1", kind: "Service", name: "web", controller: true, blockOwnerDeletion: true }],
  });
});

t.test("nothing is written when nothing changed", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", WEB));
  await pod(store, "a", { ip: "127.244.1.1" });
  await store.settle();
  const { revision } = store;
  await store.mutate(Pods, "default", "a", (draft) => void (draft.metadata.annotations = { note: "1" }));
  await store.settle();
  t.equal(store.revision, revision + 1, "only the pod's own write");
  const triggered = (): string | undefined =>
    store.list(EndpointSlices)[0]?.metadata.annotations?.["endpoints.kubernetes.io/last-change-trigger-time"];
  t.equal(triggered(), "2025-01-01T00:00:00Z", "the earliest cause: the Service's creation");
  await pod(store, "b", { ip: "127.244.1.2" });
  await store.settle();
  t.equal(triggered(), "2025-01-01T00:00:05Z", "the pod's readiness");
});

t.test("what others wrote on a slice stays; slices of an earlier Service of that name go", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", WEB));
  await pod(store, "a", { ip: "127.244.1.1" });
  await store.settle();
  const [made] = store.list(EndpointSlices);
  const name = made?.metadata.name ?? "";
  await store.mutate(
    EndpointSlices,
    "default",
    name,
    (draft) => void (draft.metadata.annotations = { ...draft.metadata.annotations, note: "mine" }),
  );
  await pod(store, "b", { ip: "127.244.1.2" });
  t.same(await slices(store), ["http/TCP/80: 127.244.1.1 rs n1/a, 127.244.1.2 rs n1/a"]);
  t.equal(store.get(EndpointSlices, "default", name)?.metadata.annotations?.["note"], "mine");
  await store.mutate(EndpointSlices, "default", name, (draft) => {
    for (const owner of draft.metadata.ownerReferences ?? []) owner.uid = "of-an-earlier-one";
  });
  t.same(await slices(store), ["http/TCP/80: 127.244.1.1 rs n1/a, 127.244.1.2 rs n1/a"]);
  t.equal(store.get(EndpointSlices, "default", name), undefined, "not taken over");
});

t.test("headless, hostnames and hints", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", { selector: { app: "web" }, clusterIP: "None" }));
  await pod(store, "web-0", { ip: "127.244.1.1", hostname: "web-0", subdomain: "web" });
  t.same(await slices(store), ["no ports: 127.244.1.1 rs n1/a web-0"]);
  t.equal(store.list(EndpointSlices)[0]?.metadata.labels?.["service.kubernetes.io/headless"], "");
  await store.create(Services, service("zonal", { ...WEB, trafficDistribution: "PreferSameZone" }));
  await store.create(Services, service("nodal", { ...WEB, trafficDistribution: "PreferSameNode" }));
  t.same(await slices(store, "zonal"), ["http/TCP/80: 127.244.1.1 rs n1/a>a"]);
  t.same(await slices(store, "nodal"), ["http/TCP/80: 127.244.1.1 rs n1/a>a+n1"]);
});

t.test("250 pods make three slices; the Endpoints object holds all, and 1000 at most", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", WEB));
  for (let i = 0; i < 250; i++) await pod(store, `p${i}`, { ip: `127.244.${1 + (i >> 7)}.${i & 127}` });
  await store.settle();
  t.same(
    store
      .list(EndpointSlices)
      .map((slice) => slice.endpoints?.length)
      .sort(),
    [100, 100, 50],
  );
  t.equal(store.get(EndpointsResource, "default", "web")?.subsets?.[0]?.addresses?.length, 250);
  for (let i = 250; i < 1010; i++) await pod(store, `p${i}`, { ip: `127.244.${1 + (i >> 7)}.${i & 127}` });
  await store.settle();
  const endpoints = store.get(EndpointsResource, "default", "web");
  t.equal(endpoints?.subsets?.[0]?.addresses?.length, 1000);
  t.equal(endpoints?.metadata.annotations?.["endpoints.kubernetes.io/over-capacity"], "truncated");
});

t.test("Endpoints: subsets as upstream, removed with the Service", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", WEB));
  await pod(store, "a", { ip: "127.244.1.1" });
  await pod(store, "b", { ip: "127.244.2.1", node: "n2", ready: false });
  await store.settle();
  t.match(store.get(EndpointsResource, "default", "web")?.subsets, [
    {
      addresses: [{ ip: "127.244.1.1", nodeName: "n1", targetRef: { kind: "Pod", name: "a" } }],
      notReadyAddresses: [{ ip: "127.244.2.1" }],
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
    },
  ]);
  await store.delete(Services, "default", "web");
  await store.settle();
  t.equal(store.get(EndpointsResource, "default", "web"), undefined);
});

t.test("hand-made Endpoints are mirrored", async (t) => {
  const store = await start(t);
  await store.create(Services, service("db", { ports: [{ name: "sql", port: 5432 }] }));
  await store.create(EndpointsResource, {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "db", namespace: "default" },
    subsets: [{ addresses: [{ ip: "127.18.0.2" }], notReadyAddresses: [{ ip: "127.18.0.3" }], ports: [{ name: "sql", port: 5432 }] }],
  });
  t.same(await slices(store, "db"), ["sql/TCP/5432: 127.18.0.2 r undefined/undefined, 127.18.0.3 - undefined/undefined"]);
  await store.delete(EndpointsResource, "default", "db");
  t.same(await slices(store, "db"), []);
});

t.test("of a hand-made subset 1000 addresses are mirrored, and an Event says so", async (t) => {
  const store = await start(t);
  await store.create(Services, service("big", { ports: [{ port: 80 }] }));
  const addresses = Array.from({ length: 1003 }, (_, i) => ({ ip: `127.18.${10 + (i >> 8)}.${i & 255}` }));
  await store.create(EndpointsResource, {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "big", namespace: "default" },
    subsets: [{ addresses, ports: [{ port: 80 }] }],
  });
  await store.settle();
  t.equal(
    store.list(EndpointSlices).reduce((sum, slice) => sum + (slice.endpoints?.length ?? 0), 0),
    1000,
  );
  const [event] = store.list(Events).filter(({ reason }) => reason === "TooManyAddressesToMirror");
  t.match(event?.message, /^A max of 1000 addresses can be mirrored .* 3 addresses were skipped$/);
});

t.test("load balancer addresses", async (t) => {
  const store = await start(t);
  const ingress = async (name: string) => {
    await store.settle();
    return store.get(Services, "default", name)?.status?.loadBalancer?.ingress ?? [];
  };
  await store.create(Services, service("one", { ...WEB, type: "LoadBalancer" }));
  await store.create(Services, service("two", { ...WEB, type: "LoadBalancer", loadBalancerIP: "127.18.255.9" }));
  await store.create(Services, service("other", { ...WEB, type: "LoadBalancer", loadBalancerClass: "example.com/other" }));
  t.same(await ingress("one"), [{ ip: "127.18.255.1", ipMode: "VIP" }]);
  t.same(await ingress("two"), [{ ip: "127.18.255.9", ipMode: "VIP" }]);
  t.same(await ingress("other"), [], "left to its own controller");
  await store.mutate(Services, "default", "one", (draft) => void (draft.spec = { ...draft.spec, type: "ClusterIP" }));
  t.same(await ingress("one"), []);
  await store.create(Services, service("three", { ...WEB, type: "LoadBalancer" }));
  t.same(await ingress("three"), [{ ip: "127.18.255.1", ipMode: "VIP" }], "the address is free again");
});
