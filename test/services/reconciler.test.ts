// One Service, its pods and what is in the store before: which slices there are afterwards, and how many writes that took.
// Rows of k8s.io/endpointslice reconciler_test.go, utils_test.go; pkg/controller/endpoint endpoints_controller_test.go;
// pkg/controller/endpointslicemirroring reconciler_test.go, endpointslicemirroring_controller_test.go.
import t from "tap";
import type { Endpoints, Pod, Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { EndpointSlices, EndpointsResource, Events, Nodes, Pods, Services } from "../../model/resources.ts";
import { endpointSubsets } from "../../services/endpoint-subsets.ts";
import { podEndpoint, targetPortOf } from "../../services/pod-endpoints.ts";
import { isStale, type SliceTemplate } from "../../services/slice-writer.ts";
import { distributionHints } from "../../services/traffic-distribution.ts";
import { hintsOf, node, serviceWorld, type ServiceWorld } from "./topology-world.ts";

const WEB: ServiceSpec = { selector: { app: "web" }, ports: [{ port: 80 }] };
const service = (spec: ServiceSpec, metadata: Partial<Service["metadata"]> = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "default", ...metadata },
  spec,
});
const makePod = (spec: Partial<NonNullable<Pod["spec"]>>, status: Pod["status"] = {}, metadata: Partial<Pod["metadata"]> = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "default", uid: "p", ...metadata },
  spec: { containers: [], ...spec },
  status,
});

type Container = NonNullable<Pod["spec"]>["containers"][number];
const container = (...ports: NonNullable<Container["ports"]>): Container => ({ name: "main", image: "i", ports });
const PORTS: readonly (readonly [
  name: string,
  target: string | number,
  spec: Partial<NonNullable<Pod["spec"]>>,
  expected: number | undefined,
])[] = [
  ["valid int, no ports", 93, { containers: [container()] }, 93],
  ["valid int, with ports", 93, { containers: [container({ name: "p", containerPort: 11 })] }, 93],
  ["valid str, no ports", "p", { containers: [container()] }, undefined],
  [
    "valid str, one container",
    "q",
    { containers: [container({ name: "", containerPort: 11 }, { name: "p", containerPort: 22 }, { name: "q", containerPort: 33 })] },
    33,
  ],
  [
    "valid str, two containers",
    "q",
    { containers: [container({ name: "p", containerPort: 11 }), container({ name: "q", containerPort: 33 })] },
    33,
  ],
  [
    "two containers with the same port",
    "q",
    { containers: [container({ name: "q", containerPort: 22 }), container({ name: "q", containerPort: 33 })] },
    22,
  ],
  ["another protocol", "p", { containers: [container({ name: "p", containerPort: 11, protocol: "UDP" })] }, undefined],
  ["hostPort does not matter", "p", { containers: [container({ name: "p", containerPort: 11, hostPort: 81 })] }, 11],
  ["a sidecar", "p", { containers: [], initContainers: [{ ...container({ name: "p", containerPort: 80 }), restartPolicy: "Always" }] }, 80],
  ["an init container", "p", { containers: [], initContainers: [container({ name: "p", containerPort: 80 })] }, undefined],
  [
    "the app goes before the sidecar",
    "p",
    {
      containers: [container({ name: "p", containerPort: 81 })],
      initContainers: [{ ...container({ name: "p", containerPort: 80 }), restartPolicy: "Always" }],
    },
    81,
  ],
];
for (const [name, targetPort, spec, expected] of PORTS)
  t.equal(targetPortOf({ port: 80, targetPort }, makePod(spec)), expected, `target port: ${name}`);

const ready = (status: "True" | "False") => ({ conditions: [{ type: "Ready", status, lastTransitionTime: "2025-01-01T00:00:00Z" }] });
const CONDITIONS: readonly (readonly [publish: boolean, status: "True" | "False", terminating: boolean, expected: string])[] = [
  [false, "True", false, "ready serving"],
  [true, "True", false, "ready serving"],
  [false, "False", false, ""],
  [true, "False", false, "ready"],
  [false, "True", true, "serving terminating"],
  [false, "False", true, "terminating"],
  [true, "True", true, "ready serving terminating"],
];
for (const [publishNotReadyAddresses, status, terminating, expected] of CONDITIONS) {
  const pod = makePod({}, ready(status), terminating ? { deletionTimestamp: "2025-01-01T00:00:00Z" } : {});
  const { conditions } = podEndpoint(service({ ...WEB, publishNotReadyAddresses }), pod, "127.244.0.1", undefined).endpoint;
  const text = Object.entries(conditions ?? {})
    .filter(([, is]) => is)
    .map(([name]) => name);
  t.equal(text.join(" "), expected, `publishNotReadyAddresses ${publishNotReadyAddresses}, ready ${status}, terminating ${terminating}`);
}

const HEADLESS = "service.kubernetes.io/headless";
const NAME = "kubernetes.io/service-name";
const LABELS: readonly (readonly [name: string, slice: Record<string, string>, wanted: Record<string, string>, stale: boolean])[] = [
  ["both without", {}, {}, false],
  ["the Service has some", {}, { foo: "bar" }, true],
  ["the slice has some", { foo: "bar" }, {}, true],
  ["the same", { foo: "bar" }, { foo: "bar" }, false],
  ["another value", { foo: "bar" }, { foo: "baz" }, true],
  ["a reserved label is no reason to write", { [HEADLESS]: "", [NAME]: "x" }, { [NAME]: "web" }, false],
];
for (const [name, labels, wanted, stale] of LABELS) {
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "s", labels },
    addressType: "IPv4",
    endpoints: [],
  };
  const template: SliceTemplate = {
    namespace: "default",
    generateName: "web-",
    addressType: "IPv4",
    labels: wanted,
    annotations: undefined,
    owner: { apiVersion: "v1", kind: "Service", name: "web", uid: "u" },
    triggerTime: undefined,
  };
  t.equal(isStale(slice, template), stale, `labels: ${name}`);
}

t.test("trafficDistribution: stale hints go, missing ones come, others are left alone", async (t) => {
  const make = (name: string, zone: string | undefined, hints: object | undefined, isReady = true): EndpointSlice => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name },
    addressType: "IPv4",
    ports: [],
    endpoints: [
      { addresses: ["10.0.0.1"], nodeName: "n", conditions: { ready: isReady }, ...(zone ? { zone } : {}), ...(hints ? { hints } : {}) },
    ],
  });
  const zone = (name: string) => ({ forZones: [{ name }] });
  const rows: readonly (readonly [value: string, slice: EndpointSlice, expected: string])[] = [
    ["PreferClose", make("fits", "a", zone("a")), "unchanged"],
    ["PreferClose", make("missing", "a", undefined), "a"],
    ["PreferClose", make("wrong", "a", zone("b")), "a"],
    ["PreferClose", make("too many", "a", { forZones: [{ name: "a" }, { name: "b" }] }), "a"],
    ["PreferClose", make("no zone", undefined, zone("a")), "."],
    ["PreferClose", make("no zone, no hint", undefined, undefined), "unchanged"],
    ["PreferClose", make("not ready", "a", zone("b"), false), "unchanged"],
    ["PreferClose", make("a node hint left over", "a", { ...zone("a"), forNodes: [{ name: "n" }] }), "a"],
    ["PreferSameNode", make("no node hint", "a", zone("a")), "a"],
    ["PreferSameNode", make("both", "a", { ...zone("a"), forNodes: [{ name: "n" }] }), "unchanged"],
    ["PreferSameNode", make("another node", "a", { ...zone("a"), forNodes: [{ name: "m" }] }), "a"],
  ];
  for (const [value, slice, expected] of rows) {
    const { update, unchanged } = distributionHints(value, { create: [], update: [], unchanged: [slice] });
    t.equal(
      unchanged.length === 1 ? "unchanged" : hintsOf(update[0]?.content.endpoints ?? []),
      expected,
      `${value}: ${slice.metadata.name}`,
    );
    if (unchanged.length > 0) continue;
    const nodes = (update[0]?.content.endpoints ?? []).flatMap(({ hints }) => hints?.forNodes ?? []);
    t.same(nodes, value === "PreferSameNode" ? [{ name: "n" }] : [], `${value}: ${slice.metadata.name}, node`);
  }
});

/** `name zone-of-each-endpoint` of the Service's slices. */
const held = ({ store }: ServiceWorld): readonly string[] =>
  store
    .list(EndpointSlices)
    .map(({ addressType, endpoints = [] }) => `${addressType} ${endpoints.map(({ addresses }) => addresses[0]).join(" ")}`.trim());

t.test("a Service that is going away: no new slices, but updates", async (t) => {
  const world = await serviceWorld(t);
  const { store, pod } = world;
  await store.create(Nodes, node("a", "1", {}, "True", "n1"));
  await store.create(Services, service(WEB, { finalizers: ["example.com/wait"] }));
  await pod("a", "n1");
  await store.settle();
  await store.delete(Services, "default", "web");
  await pod("b", "n1");
  await store.settle();
  t.same(held(world), ["IPv4 127.244.0.1 127.244.0.2"]);
  const [slice] = store.list(EndpointSlices);
  await store.delete(EndpointSlices, "default", slice?.metadata.name ?? "");
  await store.settle();
  t.same(held(world), [], "not made anew");
});

t.test("a pod whose node is missing waits for it, unless addresses are published anyway", async (t) => {
  const world = await serviceWorld(t);
  const { store, pod, events } = world;
  await store.create(Nodes, node("a", "1", {}, "True", "n1"));
  await store.create(Services, service(WEB));
  for (const [name, nodeName] of Object.entries({ a: "n1", b: "n2", c: undefined })) await pod(name, nodeName);
  await store.settle();
  t.same(held(world), ["IPv4 127.244.0.1"]);
  const said =
    "Warning FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/web: [skipping Pod b for Service default/web: Node n2 Not Found, skipping Pod c for Service default/web: Node  Not Found]";
  t.ok(events().includes(said), events().join("\n"));
  await store.mutate(Services, "default", "web", (draft) => void Object.assign(draft.spec ?? {}, { publishNotReadyAddresses: true }));
  await store.settle();
  t.same(held(world), ["IPv4 127.244.0.1 127.244.0.2 127.244.0.3"]);
});

t.test("labels that are reserved, and a change of the others", async (t) => {
  const { store, pod } = await serviceWorld(t);
  await store.create(Nodes, node("a", "1", {}, "True", "n1"));
  await store.create(
    Services,
    service(WEB, { labels: { foo: "bar", [NAME]: "bad", "endpointslice.kubernetes.io/managed-by": "actor", [HEADLESS]: "invalid" } }),
  );
  await pod("a", "n1");
  await store.settle();
  const labels = () => store.list(EndpointSlices)[0]?.metadata.labels;
  const own = { [NAME]: "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" };
  t.same(labels(), { foo: "bar", ...own });
  const { revision } = store;
  await store.mutate(
    Services,
    "default",
    "web",
    (draft) => void Object.assign(draft.metadata, { labels: { foo: "bar", [NAME]: "worse" } }),
  );
  await store.settle();
  t.equal(store.list(EndpointSlices)[0]?.metadata.resourceVersion !== undefined && store.revision > revision, true);
  t.same(labels(), { foo: "bar", ...own });
  await store.mutate(Services, "default", "web", (draft) => void Object.assign(draft.metadata, { labels: { foo: "baz" } }));
  await store.settle();
  t.same(labels(), { foo: "baz", ...own });
});

const handMade = (name: string, addresses: readonly string[], metadata: Partial<Endpoints["metadata"]> = {}): Endpoints => ({
  apiVersion: "v1",
  kind: "Endpoints",
  metadata: { name, namespace: "default", ...metadata },
  subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ port: 80 }] }],
});

t.test("hand-made Endpoints go with their Service, and not before there is one", async (t) => {
  const { store } = await serviceWorld(t);
  const there = () => store.get(EndpointsResource, "default", "web") !== undefined;
  await store.create(EndpointsResource, handMade("web", ["127.244.0.1"]));
  await store.settle();
  t.ok(there());
  await store.create(Services, service({ ports: [{ port: 80 }] }));
  await store.settle();
  t.ok(there());
  await store.delete(Services, "default", "web");
  await store.settle();
  t.notOk(there());
  await store.create(EndpointsResource, handMade("web", ["127.244.0.1"]));
  await store.settle();
  t.ok(there(), "made after its Service has gone: nobody's business");
});

t.test("what is mirrored", async (t) => {
  const SKIP = { labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } };
  const LEADER = { annotations: { "control-plane.alpha.kubernetes.io/leader": "{}" } };
  const rows: readonly (readonly [
    title: string,
    endpoints: Endpoints | undefined,
    spec: ServiceSpec | undefined,
    expected: readonly string[],
  ])[] = [
    ["a Service without selector", handMade("web", ["127.244.0.1"]), { ports: [{ port: 80 }] }, ["IPv4 127.244.0.1"]],
    ["no Service", handMade("web", ["127.244.0.1"]), undefined, []],
    ["no Endpoints", undefined, { ports: [{ port: 80 }] }, []],
    ["an empty list", { ...handMade("web", []), subsets: [] }, { ports: [{ port: 80 }] }, []],
    ["no addresses", handMade("web", []), { ports: [{ port: 80 }] }, []],
    ["a label that forbids it", handMade("web", ["127.244.0.1"], SKIP), { ports: [{ port: 80 }] }, []],
    ["leader election", handMade("web", ["127.244.0.1"], LEADER), { ports: [{ port: 80 }] }, []],
  ];
  for (const [title, endpoints, spec, expected] of rows) {
    const world = await serviceWorld(t);
    if (spec) await world.store.create(Services, service(spec));
    if (endpoints) await world.store.create(EndpointsResource, endpoints);
    await world.store.settle();
    t.same(held(world), expected, title);
  }
});

t.test("labels and annotations of hand-made Endpoints follow to the slice", async (t) => {
  const { store } = await serviceWorld(t);
  await store.create(Services, service({ ports: [{ port: 80 }] }));
  const annotations = {
    note: "mine",
    "kubectl.kubernetes.io/last-applied-configuration": "{}",
    "endpoints.kubernetes.io/last-change-trigger-time": "x",
  };
  await store.create(EndpointsResource, handMade("web", ["127.244.0.1"], { labels: { foo: "bar", [HEADLESS]: "" }, annotations }));
  await store.settle();
  const metadata = () => store.list(EndpointSlices)[0]?.metadata;
  const own = { [NAME]: "web", "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io" };
  t.same(metadata()?.labels, { foo: "bar", [HEADLESS]: "", ...own });
  t.same(metadata()?.annotations, { note: "mine" });
  await store.mutate(
    EndpointsResource,
    "default",
    "web",
    (draft) => void Object.assign(draft.metadata, { labels: {}, annotations: { note: "new" } }),
  );
  await store.settle();
  t.same(metadata()?.labels, own);
  t.same(metadata()?.annotations, { note: "new" });
});

const at = (i: number, isReady: boolean, spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod => {
  const podIP = `127.244.${1 + (i >> 8)}.${i & 255}`;
  return makePod(spec, { podIP, podIPs: [{ ip: podIP }], ...ready(isReady ? "True" : "False") }, { name: `p${i}`, uid: `u${i}` });
};
const many = (count: number, isReady: boolean, from = 0, spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod[] =>
  Array.from({ length: count }, (_, i) => at(from + i, isReady, spec));
const CAPACITY: readonly (readonly [title: string, pods: readonly Pod[], expected: string])[] = [
  ["below", [...many(500, true), ...many(490, false, 500)], "500/490"],
  ["all ready, one too many", many(1001, true), "1000/0 truncated"],
  ["ready ones go first", [...many(900, true), ...many(200, false, 900)], "900/100 truncated"],
  ["no room for those not ready", [...many(1000, true), ...many(10, false, 1000)], "1000/0 truncated"],
];
for (const [title, pods, expected] of CAPACITY) {
  const { subsets, truncated } = endpointSubsets(service({ ...WEB, clusterIP: "127.96.0.9" }), pods);
  const sizes = subsets.map(({ addresses = [], notReadyAddresses = [] }) => `${addresses.length}/${notReadyAddresses.length}`);
  t.equal(`${sizes.join()}${truncated ? " truncated" : ""}`, expected, `capacity: ${title}`);
}

t.test("subsets share what is left by their size", async (t) => {
  const port = (containerPort: number) => ({ containers: [container({ name: "http", containerPort })] });
  const spec: ServiceSpec = { clusterIP: "127.96.0.9", ports: [{ port: 80, targetPort: "http" }] };
  const { subsets } = endpointSubsets(service(spec), [...many(300, true, 0, port(1)), ...many(900, true, 300, port(2))]);
  t.same(
    subsets.map((subset) => subset.addresses?.length),
    [250, 750],
  );
});

const SUBSETS: readonly (readonly [title: string, spec: ServiceSpec, pods: readonly Pod[], expected: string])[] = [
  ["headless without ports", { clusterIP: "None" }, [at(1, true)], "127.244.1.1|:"],
  ["a ClusterIP without ports", { clusterIP: "127.96.0.9" }, [at(1, true)], ""],
  ["not ready", { clusterIP: "None", ports: [{ port: 80 }] }, [at(1, false)], "|127.244.1.1:80"],
  [
    "not ready but published",
    { clusterIP: "None", ports: [{ port: 80 }], publishNotReadyAddresses: true },
    [at(1, false)],
    "127.244.1.1|:80",
  ],
  [
    "two ports of one pod",
    {
      clusterIP: "None",
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 81 },
      ],
    },
    [at(1, true)],
    "127.244.1.1|:80,81",
  ],
  ["a port that the pod has not", { clusterIP: "None", ports: [{ port: 80, targetPort: "none" }] }, [at(1, true)], ""],
];
for (const [title, spec, pods, expected] of SUBSETS) {
  const { subsets } = endpointSubsets(service(spec), pods);
  const text = subsets.map(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const ips = (list: typeof addresses) => list.map(({ ip }) => ip).join();
    return `${ips(addresses)}|${ips(notReadyAddresses)}:${ports.map((each) => each.port).join()}`;
  });
  t.equal(text.join(" "), expected, `subsets: ${title}`);
}

t.test("pods: one write for what one pod changes, events kept apart", async (t) => {
  const { store, pod } = await serviceWorld(t);
  await store.create(Nodes, node("a", "1", {}, "True", "n1"));
  await store.create(Services, service({ selector: { app: "web" }, clusterIP: "None" }));
  await pod("a", "n1");
  await store.settle();
  const { revision } = store;
  await store.mutate(Pods, "default", "a", (draft) => void (draft.metadata.annotations = { note: "1" }));
  await store.settle();
  t.equal(store.revision, revision + 1, "headless without ports: nothing is written again and again");
  t.same(store.list(Events), []);
});
