// The addresses that Ingresses show, and what becomes of them when the controller goes.
// Facts: ingress-nginx internal/ingress/status/status.go and status_test.go, internal/k8s/main_test.go, pkg/flags/flags.go.
import t from "tap";
import { DEFAULT_FLAGS, flagProblem } from "../../ingress/config.ts";
import { statusAddresses } from "../../ingress/report/status-addresses.ts";
import type { Node, Pod, Service } from "../../model/kinds/core-v1.ts";
import { Ingresses, Nodes, Pods } from "../../model/resources.ts";
import { testStore } from "../support/store.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const service = (spec: Service["spec"], ...given: readonly { ip?: string; hostname?: string }[]): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
  spec,
  status: { loadBalancer: { ingress: [...given] } },
});

const published: readonly (readonly [name: string, service: Service | undefined, addresses: string | undefined])[] = [
  ["no Service", undefined, undefined],
  ["ClusterIP", service({ type: "ClusterIP", clusterIP: "1.1.1.1" }), "1.1.1.1"],
  ["ClusterIP, whatever externalIPs say", service({ type: "ClusterIP", clusterIP: "1.1.1.1", externalIPs: ["9.9.9.9"] }), "1.1.1.1"],
  ["NodePort", service({ type: "NodePort", clusterIP: "1.1.1.1" }), "1.1.1.1"],
  [
    "NodePort with externalIPs",
    service({ type: "NodePort", clusterIP: "1.1.1.1", externalIPs: ["9.9.9.9", "8.8.8.8"] }),
    "8.8.8.8 9.9.9.9",
  ],
  ["ExternalName", service({ type: "ExternalName", externalName: "foo.bar" }), "foo.bar"],
  [
    "LoadBalancer, in order",
    service({ type: "LoadBalancer" }, { ip: "10.0.0.9" }, { hostname: "foo" }, { ip: "10.0.0.2", hostname: "bar" }, { ip: "10.0.0.1" }),
    "10.0.0.1 10.0.0.9 bar/10.0.0.2 foo",
  ],
  ["an externalIP that the balancer has", service({ type: "LoadBalancer", externalIPs: ["10.0.0.1"] }, { ip: "10.0.0.1" }), "10.0.0.1"],
  ["LoadBalancer that waits", service({ type: "LoadBalancer" }), ""],
];

t.test("of a Service", async (t) => {
  for (const [name, object, expected] of published) {
    const { store } = await testStore();
    const reader = object ? { get: () => object as never } : store;
    const found = statusAddresses(reader, DEFAULT_FLAGS, []);
    t.equal(found?.map(({ ip, hostname }) => [hostname, ip].filter((text) => text !== undefined).join("/")).join(" "), expected, name);
  }
});

t.test("of a flag", async (t) => {
  const { store } = await testStore();
  const rows: readonly (readonly [string, readonly object[]])[] = [
    ["127.0.0.1", [{ ip: "127.0.0.1" }]],
    ["1.1.1.1,127.0.0.1,  a.example", [{ ip: "1.1.1.1" }, { ip: "127.0.0.1" }, { hostname: "a.example" }]],
    ["fd00::1", [{ ip: "fd00::1" }]],
    ["1.2", [{ hostname: "1.2" }]],
  ];
  for (const [publishStatusAddress, expected] of rows)
    t.strictSame(statusAddresses(store, { ...DEFAULT_FLAGS, publishStatusAddress }, []), expected, publishStatusAddress);
});

t.test("of the nodes of ready controllers, without a Service", async (t) => {
  const { store } = await testStore();
  const node = (name: string, ...addresses: readonly (readonly [type: string, address: string])[]): Node => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    spec: {},
    status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
  });
  await store.create(Nodes, node("both", ["InternalIP", "10.0.0.1"], ["ExternalIP", "11.0.0.2"]));
  await store.create(Nodes, node("inner", ["ExternalIP", ""], ["InternalIP", "10.0.0.3"], ["InternalIP", "fd00::1"]));
  const pod = (nodeName: string, ready = true): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: nodeName },
    spec: { nodeName, containers: [] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  });
  const ips = (flags: Partial<typeof DEFAULT_FLAGS>, ...pods: readonly Pod[]): readonly unknown[] | undefined =>
    statusAddresses(store, { ...DEFAULT_FLAGS, publishService: "", ...flags }, pods)?.map(({ ip }) => ip);
  t.strictSame(ips({}, pod("both")), ["11.0.0.2"]);
  t.strictSame(ips({ reportNodeInternalIp: true }, pod("both")), ["10.0.0.1"]);
  t.strictSame(ips({}, pod("both"), pod("both"), pod("inner")), ["10.0.0.3", "11.0.0.2", "fd00::1"]);
  t.strictSame(ips({}, pod("both", false), pod("gone")), []);
});

const harness = await createHarness(t);

async function start(flags: readonly string[] = []): Promise<World> {
  const world = await harness.start({ flags: ["--publish-status-address=1.1.0.0", ...flags] });
  await world.component.start();
  await addIngress(world, ingress("web", "web.example", "echo"));
  return world;
}
const shown = (world: World): unknown => world.store.get(Ingresses, "default", "web")?.status?.loadBalancer?.ingress ?? [];

await t.test("a status that somebody empties is filled again (test/e2e/status/update.go)", async (t) => {
  await using world = await start();
  t.strictSame(shown(world), [{ ip: "1.1.0.0" }]);
  const empty = { subresource: "status" } as const;
  await world.store.mutate(Ingresses, "default", "web", (edited) => void (edited.status = { loadBalancer: {} }), empty);
  await world.settle();
  t.strictSame(shown(world), [{ ip: "1.1.0.0" }]);
  await world.component.stop();
});

for (const flag of ["--update-status=false", "--disable-leader-election"])
  await t.test(flag, async (t) => {
    await using world = await start([flag]);
    t.strictSame(shown(world), []);
    await world.component.stop();
  });

await t.test("the last controller to be deleted takes its address along", async (t) => {
  const rows: readonly (readonly [name: string, flags: readonly string[], others: number, deleted: boolean, left: number])[] = [
    ["the last", [], 0, true, 0],
    ["another runs", [], 1, true, 1],
    ["two addresses", ["--publish-status-address=1.1.0.0,2.2.0.0"], 0, true, 2],
    ["--update-status-on-shutdown=false", ["--update-status-on-shutdown=false"], 0, true, 1],
    ["its container alone ends", [], 0, false, 1],
  ];
  for (const [name, flags, others, deleted, left] of rows) {
    const world = await start(flags);
    const pod = (podName: string): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "ingress-nginx", name: podName, finalizers: ["test/kept"] },
      spec: { containers: [{ name: "controller", image: "x" }] },
    });
    await world.create(Pods, pod(`controller-${world.ip}`));
    for (let i = 0; i < others; i++) await world.create(Pods, pod(`other-${i}`));
    if (deleted) await world.store.delete(Pods, "ingress-nginx", `controller-${world.ip}`);
    await world.shutDown();
    await world.settle();
    t.equal((shown(world) as readonly unknown[]).length, left, name);
    await world.component.stop();
    await world[Symbol.asyncDispose]();
  }
});

t.test("flags that exclude or need each other", async (t) => {
  const rows: readonly (readonly [args: readonly string[], problem: string | undefined])[] = [
    [
      ["--publish-service=a/b", "--publish-status-address=1.1.1.1"],
      "flags --publish-service and --publish-status-address are mutually exclusive",
    ],
    [
      ["--watch-namespace=a", "--watch-namespace-selector=a=b"],
      "flags --watch-namespace and --watch-namespace-selector are mutually exclusive",
    ],
    [
      ["--metrics-per-undefined-host", "--metrics-per-host=false"],
      "--metrics-per-undefined-host=true must be passed with --metrics-per-host=true",
    ],
    [["--publish-service=", "--publish-status-address=1.1.1.1", "--metrics-per-undefined-host=true"], undefined],
  ];
  for (const [args, problem] of rows) t.equal(flagProblem(args), problem, args.join(" "));
});
