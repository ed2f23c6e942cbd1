// Cluster DNS under measurement, in a process of its own: store, fabric and one coredns pod over 10,000 Services, asked at the pod's address.
// Takes "empty" (answers kept so far are dropped, as by a reload) and "headless" over IPC and answers with a figure.
import "../cli/v8-flags.ts";
import { Writable } from "node:stream";
import { createDns, createResolver } from "../dns/index.ts";
import { realClock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import type { ConfigMap } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import type { ContainerContext, Peer } from "../model/ports.ts";
import { seededRandom } from "../model/random.ts";
import { ConfigMaps, EndpointSlices, Namespaces, Services } from "../model/resources.ts";
import { claimClusterIndex, createAddressPlan, createFabric } from "../netsim/index.ts";
import { createStore } from "../store/index.ts";
import { defaultCorefile } from "../dns/index.ts";
import { COUNT, namespaces, serviceOf } from "./dns-names.ts";

const random = seededRandom("bench");
const claim = await claimClusterIndex();
const plan = createAddressPlan({ kind: "direct", index: claim.index });
const fabric = createFabric({ clock: realClock, random: random.fork("fabric"), plan });
await fabric.start();
const store = await createStore({ clock: realClock, ids: createIds(random.fork("ids")) });
for (const name of ["default", "kube-system", ...namespaces()])
  await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} });
for (let index = 0; index < COUNT; index++) await store.create(Services, serviceOf(index));
let edition = 0;
const configMap = (): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "coredns", namespace: "kube-system" },
  data: { Corefile: `# ${edition++}\n${process.env["COREFILE"] ?? defaultCorefile("cluster.local")}` },
});
await store.create(ConfigMaps, configMap());

const headless = (changed: number): EndpointSlice[] =>
  Array.from({ length: 10 }, (_, part) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `many-${part}`, namespace: "default", labels: { "kubernetes.io/service-name": "many" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    endpoints: Array.from({ length: 100 }, (_unused, index) => ({
      addresses: [plan.podCidrOf(0).at(200 + ((part * 100 + index + (part === 0 && index === 0 ? changed : 0)) % 2000))],
      conditions: { ready: true },
    })),
  }));
await store.create(Services, {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "many", namespace: "default" },
  spec: { type: "ClusterIP", clusterIP: "None", clusterIPs: ["None"], ports: [{ name: "http", port: 80, protocol: "TCP" }] },
});
for (const slice of headless(0)) await store.create(EndpointSlices, slice);

const dns = createDns({ store, clock: realClock, random });
const ip = plan.podCidrOf(0).at(2);
const peer: Peer = { kind: "pod", namespace: "kube-system", name: "coredns", ip, node: "loopkube-control-plane" };
let onLine: ((text: string) => void) | undefined;
const said = (text: string): Promise<void> =>
  new Promise((resolve) => {
    onLine = (line) => void (line.includes(text) && resolve());
  });
const stdout = new Writable({
  write(chunk, _encoding, done) {
    onLine?.(String(chunk));
    done();
  },
});
const abort = new AbortController();
const context: ContainerContext = {
  pod: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: peer.name, namespace: "kube-system" },
    spec: { containers: [] },
    status: { podIPs: [{ ip }] },
  },
  container: "coredns",
  peer,
  hostname: peer.name,
  argv: [],
  env: {},
  ports: [],
  files: { read: () => undefined, write: () => undefined, generate: () => undefined, remove: () => false, list: () => [] },
  listen: (port, server) => fabric.expose({ ip, port }, "TCP", { type: "server", server }, peer),
  listenUdp: (port, handler) => fabric.expose({ ip, port }, "UDP", { type: "datagram", handler }, peer),
  dial: (host, port, dial) => fabric.dial(peer, { ip: host, port }, dial),
  openDatagram: (onMessage) => fabric.openDatagram(peer, onMessage),
  lookup: () => Promise.reject(new Error("not here")),
  resolve: createResolver({ network: fabric, clock: realClock, random: random.fork("resolver") }),
  resolvConf: { nameservers: [], searches: [], options: [] },
  stdout,
  stderr: stdout,
  clock: realClock,
  random: random.fork(ip),
  signal: abort.signal,
};
const started = said("CoreDNS-");
const exit = dns.image.program(context);
await started;

let changes = 0;
process.on("message", async (message) => {
  if (message === "empty") {
    const reloaded = said("Reloading complete");
    await store.update(ConfigMaps, configMap());
    await reloaded;
  } else if (message === "change") {
    const [slice] = headless(1000 + (++changes % 900));
    if (slice) await store.update(EndpointSlices, slice);
    await store.settle();
  }
  process.send?.({ done: message });
});
process.on("SIGTERM", async () => {
  abort.abort();
  await exit;
  await store.close();
  await fabric.stop();
  await claim.release();
  process.exit(0);
});
process.send?.({ udp: fabric.socketOf({ ip, port: 53 }, "UDP"), tcp: fabric.socketOf({ ip, port: 53 }, "TCP") });
