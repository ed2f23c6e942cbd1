// How kube-proxy's rules grow: generated Services and endpoints in a real store, a proxy whose fabric opens no sockets.
// Load + compile, the longest pause of the event loop, one changed endpoint → rules current, heap, and the time of a verdict.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { nextTurn, realClock, sleep } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import { Cidr } from "../model/ip.ts";
import type { Node, Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import type { Flow, Listening, SocketAddress } from "../model/ports.ts";
import { seededRandom } from "../model/random.ts";
import { EndpointSlices, Nodes, Services } from "../model/resources.ts";
import { createProxy, type Proxy, type ProxyFabric } from "../proxy/index.ts";
import { createStore, type Store } from "../store/index.ts";
import { figure } from "./measure.ts";

const SERVICES = new Cidr("127.96.0.0/16");
const PODS = new Cidr("127.128.0.0/9");
const NODES = new Cidr("127.18.0.0/16");
const NAMESPACE = "scale";

const noSockets: ProxyFabric = {
  listenService: async (address) => listening(address),
  expose: async (address) => listening(address),
  udpFlows: { deleteWhere: () => 0 },
};

const listening = (address: SocketAddress): Listening => ({
  address,
  socket: address,
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
});

interface Size {
  readonly services: number;
  readonly endpoints: number;
  readonly nodes: number;
}

interface Figures {
  readonly writeMs: number;
  readonly loadMs: number;
  readonly pauseMs: number;
  readonly changeMs: number;
  readonly heapMb: number;
  /** Over 64 of the Services, and over all in an order that no cache foresees. */
  readonly verdictUs: { readonly some: number; readonly all: number };
}

function node(index: number): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: `node-${index}`, labels: { "topology.kubernetes.io/zone": `zone-${index % 3}` } },
    spec: {},
    status: { addresses: [{ type: "InternalIP", address: NODES.at(2 + index) }] },
  };
}

function service(index: number): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `svc-${index}`, namespace: NAMESPACE },
    spec: { clusterIP: SERVICES.at(256 + index), ports: [{ name: "http", port: 80, protocol: "TCP" }], selector: { app: `svc-${index}` } },
  };
}

/** Slices of 100. */
function slices(index: number, { endpoints, nodes }: Size): readonly EndpointSlice[] {
  return Array.from({ length: Math.ceil(endpoints / 100) }, (_, part) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `svc-${index}-${part}`, namespace: NAMESPACE, labels: { "kubernetes.io/service-name": `svc-${index}` } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: Array.from({ length: Math.min(100, endpoints - part * 100) }, (_, i) => {
      const number = index * endpoints + part * 100 + i;
      return {
        addresses: [PODS.at(number)],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${number % nodes}`,
        targetRef: { kind: "Pod", namespace: NAMESPACE, name: `pod-${number}` },
      };
    }),
  }));
}

async function fill(store: Store, size: Size): Promise<void> {
  for (let i = 0; i < size.nodes; i++) await store.create(Nodes, node(i));
  for (let i = 0; i < size.services; i++) {
    await store.create(Services, service(i));
    for (const slice of slices(i, size)) await store.create(EndpointSlices, slice);
    if (i % 100 === 0) await nextTurn();
  }
}

async function heapMb(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await nextTurn();
  }
  return process.memoryUsage().heapUsed / 1e6;
}

async function measure(size: Size): Promise<Figures> {
  const before = await heapMb();
  let committedAt = 0;
  const store = await createStore({ clock: realClock, ids: createIds(seededRandom("scale")) });
  store.admit({ name: "CommitTime", admit: (_request, tx) => tx.onCommit(() => (committedAt = performance.now())) });
  const writing = performance.now();
  await fill(store, size);
  const writeMs = performance.now() - writing;
  await heapMb();

  let synced = (): void => {};
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const proxy = createProxy({
    store,
    fabric: noSockets,
    clock: realClock,
    random: seededRandom("scale"),
    serviceCIDRs: [String(SERVICES)],
    onSynced: () => synced(),
  });
  delay.enable();
  // The first interval has no beginning: without it, a pause right away would go unseen.
  await sleep(realClock, 10);
  const loading = performance.now();
  await proxy.start();
  const loadMs = performance.now() - loading;
  const changes: number[] = [];
  for (let round = 0; round < 20; round++) {
    const changed = new Promise<number>((resolve) => (synced = () => resolve(performance.now())));
    await store.mutate(EndpointSlices, NAMESPACE, `svc-${(round * 37) % size.services}-0`, (draft) => {
      const [endpoint] = draft.endpoints ?? [];
      if (endpoint) endpoint.conditions = { ready: endpoint.conditions?.ready !== true, serving: true, terminating: false };
    });
    changes.push((await changed) - committedAt);
    await nextTurn();
  }
  delay.disable();
  const heap = (await heapMb()) - before;
  const verdictUs = {
    some: await verdictTime(proxy, Math.min(64, size.services), size.nodes),
    all: await verdictTime(proxy, size.services, size.nodes),
  };
  await proxy.stop();
  await store.close();
  return {
    writeMs,
    loadMs,
    pauseMs: delay.max / 1e6,
    changeMs: changes.toSorted((a, b) => a - b)[10] ?? Number.NaN,
    heapMb: heap,
    verdictUs,
  };
}

/** Median of several runs over the first `services` Services. */
async function verdictTime(proxy: Proxy, services: number, nodes: number): Promise<number> {
  const runs: number[] = [];
  const count = 20_000;
  const flows = Array.from({ length: count }, (_, i): Flow => {
    const name = `node-${i % nodes}`;
    const ip = PODS.at((i * 7) % 5000);
    return {
      id: i,
      protocol: "TCP",
      from: { kind: "pod", namespace: NAMESPACE, name: "client", ip, node: name },
      source: { ip, port: 40_000 },
      destination: { ip: SERVICES.at(256 + ((i * 7919) % services)), port: 80 },
      node: name,
    };
  });
  for (let run = 0; run < 15; run++) {
    await nextTurn();
    const startedAt = performance.now();
    for (const flow of flows) proxy.verdict(flow);
    runs.push(((performance.now() - startedAt) / count) * 1000);
  }
  return runs.toSorted((a, b) => a - b)[7] ?? Number.NaN;
}

const SIZES: readonly Size[] = [3, 100].flatMap((nodes) => [100, 1000, 10_000].map((services) => ({ services, endpoints: 10, nodes })));
const ONE_LARGE: Size = { services: 1, endpoints: 100_000, nodes: 100 };

/** A Markdown table; heap is exact only with `node --expose-gc`. */
export async function benchProxyScale(): Promise<string> {
  const rows: string[] = [];
  await measure({ services: 200, endpoints: 10, nodes: 3 });
  for (const size of [...SIZES, ONE_LARGE]) {
    const { writeMs, loadMs, pauseMs, changeMs, heapMb: heap, verdictUs } = await measure(size);
    const cells = [
      figure(writeMs),
      figure(loadMs),
      figure(pauseMs),
      figure(changeMs),
      figure(heap),
      figure(verdictUs.some),
      figure(verdictUs.all),
    ];
    rows.push(`| ${size.nodes} | ${size.services} × ${size.endpoints} | ${cells.join(" | ")} |`);
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  return [
    "### kube-proxy: rules at scale",
    "",
    "| nodes | Services × endpoints | written to the store, ms | loaded and compiled, ms | longest pause, ms | one endpoint changed → rules current, ms | heap, MB (store and rules) | verdict over 64 Services, µs | over all, µs |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
