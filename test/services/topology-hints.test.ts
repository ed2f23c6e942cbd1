// The arithmetic of topology-mode Auto: rows of k8s.io/endpointslice/topologycache/{topologycache,utils,sliceinfo}_test.go.
import t from "tap";
import type { Endpoint } from "../../model/kinds/discovery-v1.ts";
import {
  allocationsOf,
  cpuShares,
  exchangeOf,
  hintsByZone,
  isOverloaded,
  redistribute,
  wantsTopologyHints,
} from "../../services/topology-hints.ts";
import { node } from "./topology-world.ts";

type Counts = Readonly<Record<string, number>>;
const counts = (text: Counts): Map<string, number> => new Map(Object.entries(text));
const plain = (map: ReadonlyMap<string, unknown> | undefined): unknown => map && Object.fromEntries(map);

const CONTROL_PLANE = { "node-role.kubernetes.io/control-plane": "" };
const SHARES: readonly (readonly [name: string, nodes: readonly ReturnType<typeof node>[], expected: Counts | undefined])[] = [
  ["no nodes", [], undefined],
  ["one node", [node("a", "1000m")], undefined],
  ["one zone", [node("a", "1000m"), node("a", "1000m")], undefined],
  ["two zones", [node("a", "1000m"), node("b", "1000m")], { a: 0.5, b: 0.5 }],
  ["two zones, one unready", [node("a", "1000m", {}, "False"), node("b", "1000m")], undefined],
  ["two zones, one with a control plane only", [node("a", "1000m"), node("b", "1000m", CONTROL_PLANE)], undefined],
  ["two zones, with an unready node", [node("a", "1000m"), node("b", "1000m"), node("b", "1000m", {}, "False")], { a: 0.5, b: 0.5 }],
  ["two zones, with a control plane", [node("a", "1000m"), node("b", "1000m"), node("b", "1000m", CONTROL_PLANE)], { a: 0.5, b: 0.5 }],
  [
    "two zones, with a master",
    [node("a", "1"), node("b", "1"), node("b", "1", { "node-role.kubernetes.io/master": "" })],
    { a: 0.5, b: 0.5 },
  ],
  [
    "three zones of several nodes",
    [node("a", "1"), node("a", "1"), node("a", "1"), node("a", "2"), node("b", "3"), node("b", "1500m"), node("c", "0.5")],
    { a: 0.5, b: 0.45, c: 0.05 },
  ],
  ["a node without zone", [node("a", "1"), node("b", "1"), node("", "1")], undefined],
  ["a node without CPU", [node("a", "1"), node("b", "1"), node("c", "0")], undefined],
];
for (const [name, nodes, expected] of SHARES) t.same(plain(cpuShares(nodes)), expected, `shares: ${name}`);

const ALLOCATIONS: readonly (readonly [shares: Counts, endpoints: number, expected: unknown])[] = [
  [{ a: 0.5, b: 0.5 }, 1, "Insufficient number of endpoints (1 endpoints, 2 zones)"],
  [{ a: 0.3, b: 0.4, c: 0.3 }, 2, "Insufficient number of endpoints (2 endpoints, 3 zones)"],
  [
    { a: 1 / 3, b: 1 / 3, c: 1 / 3 },
    4,
    "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)",
  ],
  [{ a: 0.45, b: 0.55 }, 2, { a: { maximum: 1, desired: 1 }, b: { maximum: 1, desired: 1.1 } }],
  [{ a: 0.5, b: 0.5 }, 6, { a: { maximum: 3, desired: 3 }, b: { maximum: 3, desired: 3 } }],
  [{ a: 0.75, b: 0.25 }, 8, { a: { maximum: 6, desired: 6 }, b: { maximum: 3, desired: 2 } }],
];
for (const [shares, endpoints, expected] of ALLOCATIONS) {
  const found = allocationsOf(counts(shares), endpoints);
  t.same(typeof found === "string" ? found : plain(found), expected, `${endpoints} endpoints for ${JSON.stringify(shares)}`);
}
t.match(allocationsOf(undefined, 2), "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes");

const EXCHANGES: readonly (readonly [name: string, desired: Counts, given: Counts, giving: Counts, receiving: Counts])[] = [
  ["nothing", {}, {}, {}, {}],
  ["no need", { a: 1.2, b: 1.1, c: 1 }, { a: 1, b: 1, c: 1 }, {}, {}],
  ["the same zone is preferred to a slightly better share", { a: 5.1, b: 5.1, c: 5.8 }, { a: 16 }, { a: 10 }, { b: 5, c: 5 }],
  ["less than one: to the zone that needs it most", { a: 5, b: 5.6, c: 5.4 }, { a: 16 }, { a: 11 }, { b: 6, c: 5 }],
  ["from the zone with most", { a: 5, b: 5.6, c: 5.4 }, { b: 8, c: 8 }, { b: 2, c: 3 }, { a: 5 }],
  ["more given than desired", { a: 5, b: 5, c: 5 }, { a: 6, b: 6, c: 6 }, {}, {}],
  ["negative desires", { a: -5, b: -5, c: -5 }, { a: 6, b: 6, c: 6 }, {}, {}],
  ["negative counts", { a: 5, b: 5, c: 5 }, { a: -4, b: -3, c: -2 }, {}, {}],
  ["one negative count", { a: 5, b: 5, c: 5 }, { a: -40, b: 20, c: 20 }, { b: 15, c: 15 }, { a: 30 }],
];
for (const [name, desired, given, giving, receiving] of EXCHANGES) {
  const found = exchangeOf(new Map(Object.entries(desired).map(([zone, each]) => [zone, { desired: each, maximum: 0 }])), counts(given));
  t.same([plain(found.giving), plain(found.receiving)], [giving, receiving], `exchange: ${name}`);
}

const inZone = (zone: string, hint = zone, ready: boolean | null = true): Endpoint => ({
  addresses: ["10.1.2.3"],
  zone,
  conditions: ready === null ? {} : { ready },
  ...(hint === "" ? {} : { hints: { forZones: [...hint].map((name) => ({ name })) } }),
});
const MOVES: readonly (readonly [slice: string, giving: Counts, receiving: Counts, expected: Counts])[] = [
  ["", {}, {}, {}],
  ["a", { a: 1 }, { b: 1 }, { a: -1, b: 1 }],
  ["aaa", { a: 2 }, { b: 1, c: 1 }, { a: -2, b: 1, c: 1 }],
];
for (const [slice, giving, receiving, expected] of MOVES) {
  const found = redistribute([[...slice].map((zone) => inZone(zone))], { giving: counts(giving), receiving: counts(receiving) });
  t.same(plain(found), expected, `redistribution in ${slice}`);
}

const HINTS: readonly (readonly [
  name: string,
  endpoints: readonly Endpoint[],
  maxima: Counts,
  given: Counts,
  expected: Counts | undefined,
])[] = [
  ["empty", [], {}, {}, {}],
  ["one", [inZone("a")], { a: 3 }, { a: 1 }, { a: 1 }],
  ["unready and unknown ones do not count", [inZone("a"), inZone("a", "a", false), inZone("a", "a", null)], { a: 3 }, { a: 1 }, { a: 1 }],
  ["several zones", [inZone("a"), inZone("a", "b"), inZone("b")], { a: 3, b: 3, c: 3 }, { a: 1, b: 1, c: 1 }, { a: 1, b: 2 }],
  ["a zone that needs none", [inZone("a", "x")], { a: 3 }, { a: 1, b: 1, c: 1 }, undefined],
  ["no hints", [inZone("a", "")], { a: 3 }, {}, undefined],
  ["an empty list", [{ ...inZone("a"), hints: { forZones: [] } }], { a: 3 }, {}, undefined],
  ["too many", [inZone("a"), inZone("a")], { a: 2 }, { a: 1 }, undefined],
];
for (const [name, endpoints, maxima, given, expected] of HINTS) {
  const allocations = new Map(Object.entries(maxima).map(([zone, maximum]) => [zone, { maximum, desired: 0 }]));
  t.same(plain(hintsByZone(endpoints, counts(given), allocations)), expected, `hints of a slice: ${name}`);
}

const OVERLOADS: readonly (readonly [given: Counts, shares: Counts | undefined, expected: boolean])[] = [
  [{}, { a: 0.5, b: 0.5 }, false],
  [{}, undefined, false],
  [{ a: 1 }, undefined, true],
  [{ a: 3, b: 3 }, { a: 0.5, b: 0.5 }, false],
  [{ a: 3, b: 3 }, { a: 0.6, b: 0.4 }, false],
  [{ a: 3, b: 3 }, { a: 0.61, b: 0.39 }, true],
  [{ a: 3, b: 3 }, { a: 0.5, b: 0.4, c: 0.1 }, true],
];
for (const [given, shares, expected] of OVERLOADS) {
  t.equal(isOverloaded(counts(given), shares && counts(shares)), expected, `${JSON.stringify(given)} for ${JSON.stringify(shares)}`);
}

t.test("which annotation", async (t) => {
  t.ok(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Auto" }));
  t.ok(wantsTopologyHints({ "service.kubernetes.io/topology-aware-hints": "auto" }));
  t.notOk(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Disabled" }));
  t.notOk(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Auto", "service.kubernetes.io/topology-aware-hints": "Disabled" }));
  t.notOk(wantsTopologyHints());
});
