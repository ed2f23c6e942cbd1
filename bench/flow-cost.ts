// What deciding one new flow costs apart from its sockets: the proxy's verdict, the policy's, whether to trace it, and its hops if so.
import { realClock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import type { Pod } from "../model/kinds/core-v1.ts";
import { draft } from "../model/object.ts";
import type { Flow, Peer } from "../model/ports.ts";
import { seededRandom } from "../model/random.ts";
import { EndpointSlices, Namespaces, NetworkPolicies, Nodes, Pods, Services } from "../model/resources.ts";
import { createAddressPlan, createFabric } from "../netsim/index.ts";
import { createPolicy } from "../policy/index.ts";
import { createProxy } from "../proxy/index.ts";
import { createStore } from "../store/index.ts";
import { figure } from "./measure.ts";

const NAMESPACE = "default";
const CALLS = 100_000;
const RUNS = 25;

/** A Markdown table: nanoseconds per call, the lower quartile of several runs. */
export async function benchFlowCost(): Promise<string> {
  const [clock, random] = [realClock, seededRandom("flow")];
  const plan = createAddressPlan({ kind: "mapped", index: 0 });
  const nodes = [0, 1, 2].map((i) => ({ name: `node-${i}`, ip: plan.nodeIp(i) }));
  const fabric = createFabric({ clock, random, plan, nodes });
  const store = await createStore({ clock, ids: createIds(random) });
  await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE }, spec: {} });
  const pod = async (name: string, node: number, host: number): Promise<Peer & { readonly kind: "pod" }> => {
    const ip = plan.podCidrOf(node).at(host);
    const containers = [{ name: "c", ports: [{ name: "http", containerPort: 80 }] }];
    const object: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE, labels: { app: name.replace(/-.*/, "") } },
      spec: { nodeName: `node-${node}`, containers },
    };
    const created = draft(await store.create(Pods, object));
    created.status = { phase: "Running", podIP: ip };
    await store.update(Pods, created, { subresource: "status" });
    return { kind: "pod", namespace: NAMESPACE, name, ip, node: `node-${node}` };
  };
  for (const { name, ip } of nodes) {
    const status = { addresses: [{ type: "InternalIP", address: ip }] };
    await store.create(Nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {}, status });
  }
  const pods = await Promise.all([0, 1, 2].map((i) => pod(`web-${i}`, i, 5)));
  const client = await pod("client", 0, 9);
  const clusterIP = plan.services.at(9);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: NAMESPACE },
    spec: { clusterIP, ports: [{ name: "http", port: 80, protocol: "TCP" }] },
  });
  await store.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: NAMESPACE, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    endpoints: pods.map(({ ip, node }) => ({ addresses: [ip], nodeName: node, conditions: { ready: true } })),
  });
  await store.create(NetworkPolicies, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "web", namespace: NAMESPACE },
    spec: {
      podSelector: { matchLabels: { app: "web" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }], ports: [{ port: "http" }] }],
    },
  });
  const network = { listenService: fabric.listenService.bind(fabric), expose: noServer, udpFlows: fabric.udpFlows };
  const proxy = createProxy({ store, fabric: network, clock, random, serviceCIDRs: [String(plan.services)] });
  const policy = createPolicy({ store, fabric, clock, random });
  await proxy.start();
  await policy.start();
  const flow: Flow = {
    id: 1,
    protocol: "TCP",
    from: client,
    source: { ip: client.ip, port: 40_000 },
    destination: { ip: clusterIP, port: 80 },
    node: "node-0",
  };
  const ends = pods.map(({ ip }) => ({ ip, port: 80 }));
  const verdict = proxy.verdict(flow);
  const rows = [
    ["the proxy's verdict", lowerQuartile(() => proxy.verdict(flow))],
    ["the policy's verdict", lowerQuartile((i) => fabric.hooks.policy?.(flow, ends[i % 3] ?? flow.destination))],
    ["whether to trace", lowerQuartile(() => fabric.trace.sample())],
    ["a hop, of one flow in 64", lowerQuartile(() => fabric.trace.recordOf(1, "node-0", "verdict", verdict, ({ type }) => type, verdict))],
  ] as const;
  await policy.stop();
  await proxy.stop();
  await fabric.stop();
  await store.close();
  return [
    "### What deciding a new flow costs",
    "",
    "| what | ns |",
    "| --- | --- |",
    ...rows.map(([what, ns]) => `| ${what} | ${figure(ns)} |`),
    "",
  ].join("\n");
}

const noServer = async (address: { readonly ip: string; readonly port: number }) => ({
  address,
  socket: address,
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
});

function lowerQuartile(call: (i: number) => unknown): number {
  const runs: number[] = [];
  let used = 0;
  for (let run = 0; run < RUNS; run++) {
    const startedAt = realClock.monotonic();
    for (let i = 0; i < CALLS; i++) if (call(i) !== undefined) used++;
    runs.push(((realClock.monotonic() - startedAt) / CALLS) * 1e6);
  }
  if (used < 0) throw new Error("the calls must not be optimised away");
  return runs.toSorted((a, b) => a - b)[RUNS >> 2] ?? Number.NaN;
}
