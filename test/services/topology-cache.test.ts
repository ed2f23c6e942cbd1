// Hints over time: which slices are written, what stays as it is, when a Service is looked at again, what is told.
// Upstream: k8s.io/endpointslice/topologycache TestAddHints; GetOverloadedServices.
import t from "tap";
import type { Endpoint, EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { Nodes, Services } from "../../model/resources.ts";
import type { PackedSlices } from "../../services/slice-packing.ts";
import { TopologyCache } from "../../services/topology-cache.ts";
import type { Store } from "../../store/index.ts";
import { endpoints, hintsOf, node, serviceWorld } from "./topology-world.ts";

const slice = (name: string, some: readonly Endpoint[]): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name },
  addressType: "IPv4",
  endpoints: some,
  ports: [],
});

/** `create aab, update abb, unchanged ab/ab`: zones of the endpoints, and after the stroke the hints that they have. */
function packed(text: string): PackedSlices {
  const slices: {
    create: { ports: []; endpoints: readonly Endpoint[] }[];
    update: PackedSlices["update"][number][];
    unchanged: EndpointSlice[];
  } = {
    create: [],
    update: [],
    unchanged: [],
  };
  for (const [i, part] of text.split(", ").entries()) {
    const [how = "", what = ""] = part.split(" ");
    const [zones = "", hints = ""] = what.split("/");
    const content = { ports: [] as [], endpoints: endpoints(zones, hints, i) };
    if (how === "create") slices.create.push(content);
    if (how === "update") slices.update.push({ slice: slice(`s${i}`, []), content });
    if (how === "unchanged") slices.unchanged.push(slice(`s${i}`, content.endpoints));
  }
  return slices;
}
const shown = ({ create, update, unchanged }: PackedSlices): string =>
  [
    ...create.map((content) => `create ${hintsOf(content.endpoints)}`),
    ...update.map(({ content }) => `update ${hintsOf(content.endpoints)}`),
    ...unchanged.map((each) => `unchanged ${hintsOf(each.endpoints ?? [])}`),
  ].join(", ");

const equal = [node("a", "4"), node("b", "4000m")];
const three = [node("a", "35"), node("b", "35"), node("c", "30")];
const NO_INFO = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
const MINIMUM = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold";

type Row = readonly [name: string, nodes: readonly ReturnType<typeof node>[], slices: string, expected: string, given: string];
/** The last column: endpoints by zone, or why there are no hints. */
const ROWS: readonly Row[] = [
  ["k8s: empty", [], "", "", NO_INFO],
  ["k8s: no zones", [], "create a", "create .", NO_INFO],
  ["k8s: two endpoints, three zones", three, "create ab", "create ..", "Insufficient number of endpoints (2 endpoints, 3 zones)"],
  ["k8s: two endpoints, two zones", [node("a", "45"), node("b", "55")], "create ab", "create ab", "a1 b1"],
  ["k8s: unready and unknown", [node("a", "45"), node("b", "55")], "create abB?", "create ab..", "a1 b1"],
  [
    "k8s: three zones, to create and to update",
    three,
    "create ab, create cca, update aa, update bca",
    "create bb, create cca, update aa, update bca",
    "a4 b3 c3",
  ],
  ["each keeps its zone", equal, "create abab", "create abab", "a2 b2"],
  ["one moves: b would be overloaded", equal, "create aaab", "create baab", "a2 b2"],
  ["in proportion to CPU", [node("a", "6"), node("b", "2")], "create aabb", "create aaab", "a3 b1"],
  ["an endpoint in a zone without nodes stays hinted for it", equal, "create aacb", "create aacb", "a2 b1 c1"],
  ["less than a whole one is not moved", [node("a", "5"), node("b", "6")], "create aaabbb", "create aaabbb", "a3 b3"],
  ["three zones, four endpoints", [...equal, node("c", "4")], "create aabc", "create ....", `${MINIMUM} (4 endpoints, 3 zones)`],
  ["no zone", equal, "create aab-", "create ....", "One or more endpoints do not have a zone specified"],
  ["no zone, but not ready", equal, "create aabb, unchanged A", "create aabb, unchanged .", "a2 b2"],
  // What a slice that need not be written has stays, even if it would be given otherwise now.
  ["an unchanged slice keeps its hints", equal, "unchanged aabb/abba", "unchanged abba", "a2 b2"],
  [
    "hints of unchanged slices count",
    equal,
    "create aaa, unchanged b/a, unchanged bb/bb",
    "create baa, unchanged a, unchanged bb",
    "a3 b3",
  ],
  ["an unchanged slice without hints is written", equal, "unchanged ab", "update ab", "a1 b1"],
  ["one that has too many of a zone is written", equal, "unchanged aaab/aaab", "update baab", "a2 b2"],
  ["one that is hinted for a zone without nodes is written", equal, "unchanged ab/ac", "update ab", "a1 b1"],
  ["hints go from unchanged slices too", [], "unchanged ab/ab, unchanged AB", "update .., unchanged ..", NO_INFO],
];
for (const [name, nodes, slices, expected, given] of ROWS) {
  t.test(name, async (t) => {
    const cache = new TopologyCache();
    cache.setNodes(nodes);
    const found = cache.addHints("ns/svc", "IPv4", packed(slices));
    t.equal(shown(found.slices), expected);
    const counts = [...(cache.given("ns/svc", "IPv4") ?? [])].sort().map(([zone, count]) => `${zone}${count}`);
    t.equal(found.disabled ?? counts.join(" "), given);
    t.equal(cache.hasHints("ns/svc"), found.disabled === undefined);
  });
}

t.test("only overloaded Services are looked at again", async (t) => {
  const cache = new TopologyCache();
  const nodes = (a: string, b: string) => [node("a", a), node("b", b)];
  cache.setNodes(nodes("4", "4"));
  cache.addHints("ns/even", "IPv4", packed("create aaabbb"));
  cache.addHints("ns/few", "IPv4", packed("create ab"));
  cache.addHints("ns/none", "IPv4", packed("create a"));
  t.same(cache.overloaded(), []);
  cache.setNodes(nodes("6", "4"));
  t.same(cache.overloaded(), [], "20 % more for the endpoints of a zone is borne");
  cache.setNodes(nodes("7", "3"));
  t.same(cache.overloaded(), ["ns/even", "ns/few"]);
  cache.forget("ns/even", "IPv4");
  t.same(cache.overloaded(), ["ns/few"]);
  cache.setNodes(nodes("7", "0"));
  t.same(cache.overloaded(), ["ns/few"]);
});

const AUTO = { "service.kubernetes.io/topology-mode": "Auto" };
const ENABLED = "Normal TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4";
const DISABLED = "Warning TopologyAwareHintsDisabled: Topology Aware Hints has been disabled, addressType: IPv4";

/** Node n1 in zone a, n2 in b. */
async function twoZones(store: Store): Promise<void> {
  await store.create(Nodes, node("a", "4", {}, "True", "n1"));
  await store.create(Nodes, node("b", "4", {}, "True", "n2"));
}

t.test("the controller writes hints, tells, and follows the nodes", async (t) => {
  const { store, pod, zones, events } = await serviceWorld(t);
  await twoZones(store);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default", annotations: AUTO },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  for (const [i, nodeName] of ["n1", "n1", "n1", "n2"].entries()) await pod(`web-${i}`, nodeName);
  await store.settle();
  t.equal([...zones()].sort().join(""), "aabb");
  t.ok(events().includes(ENABLED));

  const setCpu = (name: string, cpu: string) =>
    store.mutate(Nodes, "", name, (draft) => void Object.assign(draft.status ?? {}, { allocatable: { cpu } }), { subresource: "status" });
  await setCpu("n1", "4800m");
  await store.settle();
  t.equal([...zones()].sort().join(""), "aabb", "not above 20 %: nothing moves");
  await setCpu("n1", "12");
  await store.settle();
  t.equal([...zones()].sort().join(""), "aaab", "b has a quarter of the CPU");
  await setCpu("n1", "4");
  await store.settle();
  t.equal([...zones()].sort().join(""), "aabb");

  await store.delete(Nodes, "", "n2");
  await store.settle();
  t.equal(zones().replaceAll(".", ""), "", "one zone is left: no hints");
  t.ok(
    events().some(
      (text) =>
        text.startsWith("Warning TopologyAwareHintsDisabled: Insufficient Node information") && text.endsWith(", addressType: IPv4"),
    ),
  );
  t.ok(
    events().includes(
      "Warning FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/web: " +
        "skipping Pod web-3 for Service default/web: Node n2 Not Found",
    ),
  );
  await store.create(Nodes, node("b", "4", {}, "True", "n2"));
  await store.settle();
  t.equal([...zones()].sort().join(""), "aabb");
  await store.mutate(Services, "default", "web", (draft) => void delete draft.metadata.annotations);
  await store.settle();
  t.equal(zones(), "....");
  t.ok(events().includes(DISABLED));
});

t.test("a change of one slice leaves the hints of the others", async (t) => {
  const { store, pod, zones } = await serviceWorld(t);
  await twoZones(store);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }], trafficDistribution: "PreferClose" },
  });
  for (const [i, nodeName] of ["n1", "n2", "n1", "n2"].entries()) await pod(`web-${i}`, nodeName);
  await store.settle();
  t.equal(zones(), "abab", "trafficDistribution: each its own zone");
  await store.mutate(Services, "default", "web", (draft) => void Object.assign(draft.metadata, { annotations: AUTO }));
  await store.settle();
  t.equal(zones(), "abab", "the annotation goes first");
  await pod("web-4", undefined);
  await store.settle();
  t.equal(zones(), "abab", "a pod without a node is no endpoint");
});
