// What mirrors hand-made Endpoints, in rows. A subset is `ports: ready | not ready`, a slice `name ports: endpoints`, `!` not ready; `~` is an
// update, `+` a create, `-` a delete. Facts: k8s pkg/controller/endpointslicemirroring/reconciler.go, its TestReconcile.
import t from "tap";
import type { EndpointAddress, EndpointSubset } from "../../model/kinds/core-v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { mirroredSubsets, mirrorSlices } from "../../services/mirrored-slices.ts";

const words = (text = ""): readonly string[] => text.trim().split(/\s+/).filter(Boolean);
const ports = (text: string): readonly EndpointPort[] =>
  words(text.replaceAll(",", " ")).map((port) => ({ name: `p${port}`, protocol: "TCP", port: Number(port) }));
const ip = (word: string): string => (word.includes(":") ? word : `192.0.2.${word}`);

function subset(text: string): EndpointSubset {
  const [head = "", rest = ""] = text.split("= ");
  const [ready, notReady] = rest.split("|");
  const addresses = (list?: string): readonly EndpointAddress[] => words(list).map((word) => ({ ip: ip(word) }));
  return {
    addresses: addresses(ready),
    notReadyAddresses: addresses(notReady),
    ports: ports(head).map(({ name, port }) => ({ name: name ?? "", port: port ?? 0 })),
  };
}

function slice(text: string): EndpointSlice {
  const [head = "", rest] = text.split("= ");
  const [name = "", numbers = ""] = words(head);
  const endpoints = words(rest).map((word): Endpoint => ({
    addresses: [ip(word.replace("!", ""))],
    conditions: { ready: !word.includes("!") },
  }));
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name },
    addressType: "IPv4",
    endpoints,
    ports: ports(numbers),
  };
}

const show = ({ ports = [], endpoints = [] }: Pick<EndpointSlice, "ports" | "endpoints">): string =>
  `${ports.map(({ port }) => port).join()}= ${endpoints.map(({ addresses, conditions }) => `${(addresses[0] ?? "").replace("192.0.2.", "")}${conditions?.ready ? "" : "!"}`).join(" ")}`;

function changes(
  subsets: readonly string[],
  existing: readonly string[],
  max?: number,
  family: "IPv4" | "IPv6" = "IPv4",
  stale = "",
): readonly string[] {
  const wanted = mirroredSubsets(subsets.map(subset), max);
  const { create, update, remove } = mirrorSlices(existing.map(slice), wanted, family, ({ metadata }) => metadata.name === stale);
  return [
    ...create.map((content) => `+ ${show(content)}`),
    ...update.map((each) => `~${each.slice.metadata.name} ${show(each.content)}`),
    ...remove.map(({ metadata }) => `-${metadata.name}`),
  ];
}

const ROWS: readonly (readonly [name: string, subsets: readonly string[], existing: readonly string[], expected: readonly string[]])[] = [
  ["nothing", [], [], []],
  ["one subset", ["80= 1 2"], [], ["+ 80= 1 2"]],
  ["not ready ones come last", ["80= 1 | 2"], [], ["+ 80= 1 2!"]],
  ["ready and not ready: not ready", ["80= 1 2 | 1"], [], ["+ 80= 1! 2"]],
  ["two sets of ports", ["80= 1", "80,443= 2"], [], ["+ 80= 1", "+ 80,443= 2"]],
  ["subsets of the same ports share a slice", ["80= 1", "80= 2"], [], ["+ 80= 1 2"]],
  ["mirrored already", ["80= 1 2"], ["a 80= 2 1"], []],
  ["one more goes into the slice", ["80= 1 2"], ["a 80= 1"], ["~a 80= 1 2"]],
  ["what stays keeps its place", ["80= 1 2 3 4"], ["a 80= 3 9 1"], ["~a 80= 3 1 2 4"]],
  ["no longer ready", ["80= 1 | 2"], ["a 80= 1 2"], ["~a 80= 1 2!"]],
  ["the first slice of those with the same ports is kept", ["80= 1 2"], ["a 80= 1", "b 80= 2"], ["~a 80= 1 2", "-b"]],
  ["an extra slice goes though the first is right", ["80= 1"], ["a 80= 1", "b 80= 1"], ["-b"]],
  ["other ports: the slice is used again", ["443= 1"], ["a 80= 1"], ["~a 443= 1"]],
  ["no addresses", ["80= "], ["a 80= 1"], ["-a"]],
  ["no subsets", [], ["a 80= 1", "b 443= 1"], ["-a", "-b"]],
];
for (const [name, subsets, existing, expected] of ROWS) t.strictSame(changes(subsets, existing), expected, name);

t.strictSame(changes(["80= 1 2 3 | 4"], [], 2), ["+ 80= 1 2"], "ready ones first, up to the limit");
t.strictSame(changes(["80= 1 2 3", "80= 4 5 6"], [], 2), ["+ 80= 1 2 4 5"], "each subset has its own limit");
t.equal(mirroredSubsets([subset("80= 1 2 3 | 4"), subset("80= 1")], 2).skipped, 2);
t.strictSame(changes(["80= 1 2001:db8::1 2"], [], 2), ["+ 80= 1"], "a subset's limit is of both families together");
t.strictSame(changes(["80= 1 2001:db8::1 2"], [], 2, "IPv6"), ["+ 80= 2001:db8::1"]);
t.strictSame(changes(["80= 1"], ["a 80= 1"], undefined, "IPv4", "a"), ["~a 80= 1"], "labels or annotations have changed");
