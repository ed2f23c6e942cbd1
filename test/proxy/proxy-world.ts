// A store, a fabric with two nodes and a proxy, with helpers to make Services, slices and pods that answer with their name.
import { createServer } from "node:net";
import { realClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Node, Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import type { Endpoint, EndpointPort } from "../../model/kinds/discovery-v1.ts";
import type { Listening, Peer, Protocol, SocketAddress } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { EndpointSlices, Nodes, Services } from "../../model/resources.ts";
import { createProxy, type Proxy, type ProxyOptions } from "../../proxy/index.ts";
import { createStore, type Store } from "../../store/index.ts";
import { connected, dialUnlessDropped, type PodPeer, readAll, testFabric, type TestFabric } from "../netsim/test-fabric.ts";

export interface World extends TestFabric {
  readonly store: Store;
  readonly proxy: Proxy;
  /** A Service with ClusterIP `.host` of the service block. */
  service(name: string, host: number, spec?: ServiceSpec, annotations?: Readonly<Record<string, string>>): Promise<Service>;
  /** Writes (or rewrites) the Service's one slice. */
  endpoints(
    name: string,
    endpoints: readonly Endpoint[],
    ports?: readonly EndpointPort[],
    annotations?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** A pod that answers each connection (or datagram) with its name and the peer address it sees. */
  serve(pod: PodPeer, port: number, protocol?: Protocol): Promise<Listening>;
  /** What a program of this machine reads from a cluster address, or the errno of its failure. */
  ask(to: SocketAddress): Promise<string>;
  /** The same from inside. */
  askAs(from: Peer, to: SocketAddress): Promise<string>;
}

const HTTP: readonly EndpointPort[] = [{ name: "", protocol: "TCP", port: 80 }];

export async function proxyWorld(
  t: { teardown(callback: () => Promise<void>): void },
  options: Partial<ProxyOptions> = {},
): Promise<World> {
  const base = await testFabric(t);
  const { fabric, plan } = base;
  const store = await createStore({ clock: realClock, ids: createIds(seededRandom("world")) });
  for (const [i, zone] of ["a", "b"].entries()) {
    const node: Node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: `node-${i}`, labels: { "topology.kubernetes.io/zone": zone } },
      spec: {},
      status: { addresses: [{ type: "InternalIP", address: plan.nodeIp(i) }] },
    };
    await store.create(Nodes, node);
  }
  const proxy = createProxy({
    store,
    fabric,
    clock: realClock,
    random: seededRandom("world"),
    serviceCIDRs: [plan.services.toString()],
    onSynced: () => fabric.decideAgain(),
    ...options,
  });
  fabric.hooks.verdict = proxy.verdict;
  fabric.hooks.closed = (flow) => proxy.closed(flow);
  fabric.hooks.loadBalancerNodes = proxy.loadBalancerNodes;
  await proxy.start();
  t.teardown(async () => {
    await proxy.stop();
    await store.close();
  });
  const errno = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : String(error));
  return {
    ...base,
    store,
    proxy,
    service(name, host, spec = {}, annotations = {}) {
      const clusterIP = plan.services.at(host);
      const object: Service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, namespace: "default", annotations },
        spec: { clusterIP, ports: [{ port: 80 }], ...spec },
      };
      return store.create(Services, object);
    },
    async endpoints(name, endpoints, ports = HTTP, annotations = {}) {
      const slice = {
        apiVersion: "discovery.k8s.io/v1" as const,
        kind: "EndpointSlice" as const,
        metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name }, annotations },
        addressType: "IPv4",
        endpoints,
        ports,
      };
      if (store.get(EndpointSlices, "default", `${name}-1`)) await store.update(EndpointSlices, slice);
      else await store.create(EndpointSlices, slice);
      await store.settle();
    },
    serve(pod, port, protocol = "TCP") {
      if (protocol === "UDP") {
        return fabric.expose(
          { ip: pod.ip, port },
          protocol,
          { type: "datagram", handler: (_message, source, reply) => reply(Buffer.from(`${pod.name} ${source.ip}`)) },
          pod,
        );
      }
      const server = createServer((socket) => socket.end(`${pod.name} ${socket.remoteAddress}`));
      return fabric.expose({ ip: pod.ip, port }, protocol, { type: "server", server }, pod);
    },
    async ask(to) {
      try {
        // Where it listens for this user: a port below 1024 may have moved.
        return await readAll(await connected(fabric.socketOf(to, "TCP") ?? to, false));
      } catch (error) {
        return errno(error);
      }
    },
    async askAs(from, to) {
      try {
        const socket = await dialUnlessDropped(fabric, from, to);
        if (!socket) return "ETIMEDOUT";
        const answer = await readAll(socket);
        socket.destroy();
        return answer;
      } catch (error) {
        return errno(error);
      }
    },
  };
}

export const endpoint = (pod: PodPeer, conditions: Endpoint["conditions"] = { ready: true }, extra: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [pod.ip],
  nodeName: pod.node,
  ...(conditions ? { conditions } : {}),
  targetRef: { kind: "Pod", namespace: pod.namespace, name: pod.name },
  ...extra,
});
