// Packing tables. A slice is written `name[first..last]` by the numbers of its endpoints; `~` is an update, `+` a create, `-` a delete.
import t from "tap";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { PodEndpoint } from "../../services/pod-endpoints.ts";
import { packSlices } from "../../services/index.ts";

const HTTP: readonly EndpointPort[] = [{ name: "http", protocol: "TCP", port: 80 }];
const ALT: readonly EndpointPort[] = [{ name: "http", protocol: "TCP", port: 8080 }];

const endpoint = (n: number, ready = true): Endpoint => ({
  addresses: [`127.244.${n >> 8}.${n & 255}`],
  conditions: { ready },
  targetRef: { kind: "Pod", uid: `uid-${n}` },
});
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const desire = (numbers: readonly number[], ports = HTTP): PodEndpoint[] => numbers.map((n) => ({ ports, endpoint: endpoint(n) }));
const slice = (name: string, numbers: readonly number[], ports = HTTP): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name, namespace: "ns" },
  addressType: "IPv4",
  endpoints: numbers.map((n) => endpoint(n)),
  ports,
});

/** Sizes of what would be written: `~a:100 +:50 -c`. */
const show = ({ create, update, remove }: ReturnType<typeof packSlices>): string =>
  [
    ...update.map(({ slice, content }) => `~${slice.metadata.name}:${content.endpoints.length}`).sort(),
    ...create.map((content) => `+:${content.endpoints.length}`),
    ...remove.map((gone) => `-${gone.metadata.name}`).sort(),
  ].join(" ");

const placeholder = slice("p", [], []);
const rows: [string, EndpointSlice[], PodEndpoint[], string][] = [
  ["no pods: one empty placeholder", [], [], "+:0"],
  ["the placeholder stays", [placeholder], [], ""],
  ["the placeholder is filled", [placeholder], desire(range(1, 3)), "~p:3"],
  ["250 endpoints make three slices", [], desire(range(1, 250)), "+:100 +:100 +:50"],
  ["nothing changed, nothing written", [slice("a", range(1, 100)), slice("b", range(101, 150))], desire(range(1, 150)), ""],
  [
    "one more goes to the unchanged slice with room",
    [slice("a", range(1, 100)), slice("b", range(101, 150))],
    desire(range(1, 151)),
    "~b:51",
  ],
  [
    "best fit: the fullest slice that takes them all",
    [slice("a", range(1, 90)), slice("b", range(101, 195))],
    desire([...range(1, 90), ...range(101, 195), ...range(301, 304)]),
    "~b:99",
  ],
  [
    "too many for any: a new slice",
    [slice("a", range(1, 90)), slice("b", range(101, 195))],
    desire([...range(1, 90), ...range(101, 195), ...range(301, 315)]),
    "+:15",
  ],
  [
    "a removal frees room that is used in the same update",
    [slice("a", range(1, 100)), slice("b", range(101, 200))],
    desire([...range(2, 200), 301]),
    "~a:100",
  ],
  [
    "slices that change anyway are filled, fullest first",
    [slice("a", range(1, 50)), slice("b", range(101, 180))],
    desire([...range(2, 50), ...range(102, 180), ...range(301, 325)]),
    "~a:53 ~b:100",
  ],
  ["never rebalanced", [slice("a", [1]), slice("b", [2])], desire([1, 2]), ""],
  ["an emptied slice goes", [slice("a", range(1, 10)), slice("b", range(11, 20))], desire(range(1, 10)), "-b"],
  ["the last one becomes the placeholder", [slice("a", range(1, 10)), slice("b", range(11, 20))], [], "~a:0 -b"],
  ["one slice per port set", [], [...desire([1, 2]), ...desire([3], ALT)], "+:2 +:1"],
  ["a changed port set takes over the emptied slice", [slice("a", range(1, 10))], desire(range(1, 10), ALT), "~a:10"],
];
for (const [title, existing, desired, expected] of rows)
  t.test(title, async (t) => t.equal(show(packSlices(existing, desired, 100)), expected));

t.test("a condition that changes updates its slice only", async (t) => {
  const desired = [{ ports: HTTP, endpoint: endpoint(1, false) }, ...desire(range(2, 150))];
  const changes = packSlices([slice("a", range(1, 100)), slice("b", range(101, 150))], desired, 100);
  t.equal(show(changes), "~a:100");
  t.equal(changes.update[0]?.content.endpoints[0]?.conditions?.ready, false);
});

t.test("stale metadata is written, and room in that slice is used", async (t) => {
  const changes = packSlices([slice("a", [1]), slice("b", [2])], desire([1, 2, 3]), 100, (candidate) => candidate.metadata.name === "b");
  t.equal(show(changes), "~b:2");
});

t.test("whatever the history, the slices hold exactly the desired endpoints", async (t) => {
  let existing: EndpointSlice[] = [];
  let seed = 1;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  for (let round = 0; round < 200; round++) {
    const desired = desire(range(1, 400).filter(() => random(3) > 0));
    const changes = packSlices(existing, desired, 50);
    const gone = new Set(changes.remove);
    const rewritten = new Map(changes.update.map(({ slice, content }) => [slice, content]));
    existing = [
      ...existing.filter((one) => !gone.has(one)).map((one) => ({ ...one, ...rewritten.get(one) })),
      ...changes.create.map((content, i) => ({ ...slice(`r${round}-${i}`, []), ...content })),
    ];
    const held = existing
      .flatMap((one) => one.endpoints ?? [])
      .map((one) => one.addresses[0])
      .sort();
    t.same(held, desired.map(({ endpoint }) => endpoint.addresses[0]).sort());
    t.ok(existing.every((one) => (one.endpoints?.length ?? 0) <= 50));
  }
});
