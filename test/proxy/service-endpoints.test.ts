import { deepEqual } from "node:assert/strict";
import t from "tap";
import fc from "fast-check";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { ServiceEndpoints } from "../../proxy/service-endpoints.ts";

type Entry = readonly [host: number, ready: boolean];

const slice = (entries: readonly Entry[], extra: Partial<EndpointSlice> = {}): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "ns", name: "svc-1" },
  addressType: "IPv4",
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
  endpoints: entries.map(([host, ready]) => ({ addresses: [`10.0.0.${host}`], conditions: { ready } })),
  ...extra,
});

const texts = (all: ServiceEndpoints): readonly string[] =>
  all.list("IPv4", "TCP", "http").map(({ id, ready }) => `${id}${ready ? "" : " not ready"}`);

/** Upstream's way: everything anew. */
function union(slices: Iterable<readonly Entry[]>): readonly string[] {
  const ready = new Map<string, boolean>();
  for (const entries of slices)
    for (const [host, is] of entries) ready.set(`10.0.0.${host}:80`, is || (ready.get(`10.0.0.${host}:80`) ?? false));
  return [...ready].map(([id, is]) => `${id}${is ? "" : " not ready"}`).sort();
}

t.test("whatever changes, the list is the union of the slices", async () => {
  const entries = fc.array(fc.tuple(fc.integer({ min: 1, max: 24 }), fc.boolean()), { maxLength: 12 });
  const change = fc.record({ key: fc.integer({ min: 0, max: 5 }), entries: fc.option(entries), look: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const all = new ServiceEndpoints();
      const present = new Map<number, readonly Entry[]>();
      for (const { key, entries: now, look } of changes) {
        all.set(String(key), now ? slice(now) : undefined);
        if (now) present.set(key, now);
        else present.delete(key);
        if (look) deepEqual(texts(all), union(present.values()));
      }
      deepEqual(texts(all), union(present.values()));
    }),
    { numRuns: 300 },
  );
});

// k8s pkg/proxy/endpointslicecache_test.go: what of a slice counts.
const ROWS: readonly (readonly [title: string, slices: readonly EndpointSlice[], expected: string])[] = [
  [
    "one address in two slices counts once",
    [
      slice([
        [1, true],
        [2, true],
      ]),
      slice([
        [2, true],
        [3, true],
      ]),
    ],
    "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80",
  ],
  ["of two entries the ready one counts", [slice([[1, false]]), slice([[1, true]])], "10.0.0.1:80"],
  [
    "the same within a slice",
    [
      slice([
        [1, false],
        [1, true],
        [1, false],
      ]),
    ],
    "10.0.0.1:80",
  ],
  ["only the first address of an endpoint", [slice([], { endpoints: [{ addresses: ["10.0.0.9", "10.0.0.8"] }] })], "10.0.0.9:80"],
  ["an endpoint without an address", [slice([], { endpoints: [{ addresses: [] }] })], ""],
  ["an address of another family than its slice", [slice([], { endpoints: [{ addresses: ["fd00::1"] }] })], ""],
  ["a slice of names", [slice([[1, true]], { addressType: "FQDN" })], ""],
  ["a port without a number", [slice([[1, true]], { ports: [{ name: "http", protocol: "TCP" }] })], ""],
  ["port number 0", [slice([[1, true]], { ports: [{ name: "http", protocol: "TCP", port: 0 }] })], ""],
  ["another port name", [slice([[1, true]], { ports: [{ name: "https", protocol: "TCP", port: 80 }] })], ""],
  ["another protocol", [slice([[1, true]], { ports: [{ name: "http", protocol: "UDP", port: 80 }] })], ""],
  ["no protocol is TCP", [slice([[1, true]], { ports: [{ name: "http", port: 81 }] })], "10.0.0.1:81"],
  [
    "two numbers of one port name",
    [slice([[1, true]]), slice([[1, true]], { ports: [{ name: "http", port: 81 }] })],
    "10.0.0.1:80 10.0.0.1:81",
  ],
  ["no conditions are ready", [slice([], { endpoints: [{ addresses: ["10.0.0.1"] }] })], "10.0.0.1:80"],
];

for (const [title, slices, expected] of ROWS) {
  t.test(title, async (t) => t.equal(texts(ServiceEndpoints.of(slices)).join(" "), expected));
}

t.test("the same list until a slice changes", async (t) => {
  const all = ServiceEndpoints.of([slice([[1, true]]), slice([[2, true]])]);
  const before = all.list("IPv4", "TCP", "http");
  t.equal(all.list("IPv4", "TCP", "http"), before);
  all.set("1", slice([[2, false]]));
  t.strictSame(texts(all), ["10.0.0.1:80", "10.0.0.2:80 not ready"]);
  t.equal(before[1]?.ready, true, "the earlier list is untouched");
});
