// The workloads feature put together: nodes with kubelets, the scheduler and the controllers, and the streams into pods.
import type { Clock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import type { Pod } from "../model/kinds/core-v1.ts";
import type { Component, Diagnostics, Image, KubeletStreams, Network, Peer, Resolve } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { Pods } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import { createCronJobController } from "./controllers/cronjob.ts";
import { createDaemonSetController } from "./controllers/daemonset.ts";
import { createDeploymentController } from "./controllers/deployment.ts";
import type { ControllerDependencies } from "./controllers/dependencies.ts";
import { createEventExpiry } from "./controllers/event-expiry.ts";
import { createGarbageCollector } from "./controllers/garbage-collector.ts";
import { createNamespaceContentController, createNamespaceController } from "./controllers/namespace.ts";
import { createNodeController, type NodeConfig } from "./controllers/node.ts";
import { createPodGarbageCollector } from "./controllers/pod-garbage-collector.ts";
import { createJobController } from "./controllers/job.ts";
import { createReplicaSetController } from "./controllers/replicaset.ts";
import { createStatefulSetController } from "./controllers/statefulset.ts";
import { createVolumeClaimController } from "./controllers/volume-claims.ts";
import { ClaimVolumes } from "./kubelet/claim-volumes.ts";
import { ipsOf } from "./kubelet/downward-api.ts";
import { createImageCatalog } from "./kubelet/image-catalog.ts";
import { createKubelet, type Kubelet } from "./kubelet/kubelet.ts";
import type { ExecTool, NodeServices } from "./kubelet/node-services.ts";
import type { ClusterDns } from "./kubelet/pod-dns.ts";
import { inlineRuntime } from "./runtimes/inline.ts";
import { createPrivatePorts } from "./runtimes/port-map.ts";
import { createProcessRuntime } from "./runtimes/process.ts";
import { createReaper, type Reaper } from "./runtimes/reaper.ts";
import { proxyVariables, type GatewayAddress } from "./runtimes/proxy-variables.ts";
import { createWorkerRuntime } from "./runtimes/worker.ts";
import { createScheduler } from "./scheduling/scheduler.ts";
import { unsignedToken } from "./service-account-token.ts";
import { createStreams } from "./streams.ts";

/** The parts of the fabric that workloads use. */
export interface WorkloadFabric extends Network {
  readonly hooks: { identify?: ((ip: string) => Peer | undefined) | undefined };
  killPeer(ip: string): unknown;
}

/** Pod addresses by node, as netsim's PodIpam gives them. */
export interface PodAddressPool {
  allocate(nodeIndex: number): string;
  release(ip: string): void;
}

export interface WorkloadsOptions {
  readonly store: Store;
  readonly fabric: WorkloadFabric;
  readonly ipam: PodAddressPool;
  /** The second family's pool, in a dual-stack cluster: pods then have an address of each. */
  readonly secondaryIpam?: PodAddressPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly resolve: Resolve;
  /** In the order of their pod blocks; the first is the control plane. */
  readonly nodes: readonly NodeConfig[];
  readonly dns: ClusterDns;
  /** Images by name: the user's own first, then those that cluster/ binds (coredns, …), searched in this order before the built-in ones. */
  readonly images?: readonly ReadonlyMap<string, Image>[];
  /** Built-in stand-ins. */
  readonly findImage: (name: string) => Image | undefined;
  /** Commands of `kubectl exec` in inline containers. */
  readonly execTool: ExecTool;
  /** Unknown images fail to pull instead of being stood in for. */
  readonly strictImages?: boolean;
  /** How late kubelets see the store. */
  readonly delayMs?: number;
  /** Read when a process starts. */
  readonly gateway?: () => GatewayAddress | undefined;
  /** PEM of the cluster's CA, for kube-root-ca.crt. */
  readonly caCertificate?: string;
  readonly token?: (pod: Pod) => string;
  readonly version?: string;
  /** Where private ports of process and worker pods begin. */
  readonly firstPrivatePort?: number;
}

export interface Workloads extends Component, Diagnostics {
  readonly streams: KubeletStreams;
  /** Who holds an address: also put into the fabric's hook by start(). */
  identify(ip: string): Peer | undefined;
}

/** Controllers that need nothing but the store, in the order in which they start. */
const CONTROLLERS: readonly ((dependencies: ControllerDependencies) => Component)[] = [
  createNamespaceController,
  createGarbageCollector,
  createScheduler,
  createReplicaSetController,
  createDeploymentController,
  createStatefulSetController,
  createDaemonSetController,
  createJobController,
  createCronJobController,
  createPodGarbageCollector,
  createEventExpiry,
];

/** Wires everything; `createWorkloads` is this with the built-in images and tools. */
export function assembleWorkloads(options: WorkloadsOptions): Workloads {
  const { store, fabric, clock, nodes } = options;
  const random = options.random.fork("workloads");
  const peers = new Map(nodes.flatMap((node) => byAddress(nodePeer(node))));
  const reaper = createReaper();
  const claims = new ClaimVolumes();
  const kubelets = createKubelets(options, random, peers, reaper, claims);
  const dependencies = { store, clock, random };
  const components: readonly Component[] = [
    createNodeController({ ...dependencies, nodes, version: options.version ?? "0.1.0" }),
    createNamespaceContentController(dependencies, options.caCertificate ?? ""),
    ...CONTROLLERS.map((create) => create(dependencies)),
    createVolumeClaimController(dependencies, claims),
    ...kubelets,
  ];
  const ids = createIds(random.fork("exec"));
  const identify = (ip: string): Peer | undefined => peers.get(ip);
  const find = (pod: Pod): ReturnType<Kubelet["worker"]> =>
    kubelets.map((kubelet) => kubelet.worker(pod.metadata.uid ?? "")).find((worker) => worker);
  return {
    name: "pods",
    streams: createStreams({ network: fabric, find, execId: () => ids.hex(64) }),
    identify,
    async start() {
      fabric.hooks.identify ??= identify;
      for (const component of components) await component.start();
    },
    async stop() {
      for (const component of components.toReversed()) await component.stop();
      reaper.close();
    },
    async [Symbol.asyncDispose]() {
      await this.stop();
    },
    status() {
      const phases: Record<string, number> = {};
      for (const pod of store.list(Pods)) {
        const phase = pod.metadata.deletionTimestamp === undefined ? (pod.status?.phase ?? "Pending") : "Terminating";
        phases[phase] = (phases[phase] ?? 0) + 1;
      }
      return { total: store.list(Pods).length, ...phases };
    },
  };
}

const nodePeer = ({ name, ip, ips }: NodeConfig): Peer => ({ kind: "node", name, ip, ...(ips && { ips }) });

/** The peer at each of its addresses, as which it then speaks. */
const byAddress = (peer: Peer): readonly [string, Peer][] => ipsOf(peer).map((ip) => [ip, ip === peer.ip ? peer : { ...peer, ip }]);

function addressesAt(peers: ReadonlyMap<string, Peer>, ip: string): readonly string[] {
  const peer = peers.get(ip);
  return peer ? ipsOf(peer) : [ip];
}

/** `peers` holds who has each pod address now. */
function createKubelets(
  options: WorkloadsOptions,
  random: Random,
  peers: Map<string, Peer>,
  reaper: Reaper,
  claims: ClaimVolumes,
): readonly Kubelet[] {
  const { store, fabric, clock, nodes } = options;
  const images = createImageCatalog(options.images ?? [], options.findImage);
  const privatePorts = createPrivatePorts(options.firstPrivatePort);
  const runtimes = {
    inline: inlineRuntime,
    worker: createWorkerRuntime(privatePorts),
    process: createProcessRuntime({ privatePorts, reaper, proxyVariables: (sandbox) => proxyVariables(sandbox, options.gateway?.()) }),
  };
  return nodes.map((node, index) => {
    const services: Omit<NodeServices, "reader"> = {
      nodeName: node.name,
      nodeIp: node.ip,
      nodePeer: nodePeer(node),
      allocatable: { cpu: "8", memory: "32Gi", "ephemeral-storage": "102625208Ki" },
      store,
      clock,
      random: random.fork(node.name),
      network: fabric,
      resolve: options.resolve,
      dns: options.dns,
      images,
      strictImages: options.strictImages ?? false,
      runtimes,
      recorder: createEventRecorder({ store, clock, component: "kubelet", host: node.name }),
      execTool: options.execTool,
      token: options.token ?? unsignedToken(clock),
      claims,
      pulled: new Set(),
      allocatePeer(namespace, name) {
        const ip = options.ipam.allocate(index);
        const second = options.secondaryIpam && { ips: [ip, options.secondaryIpam.allocate(index)] };
        const peer: Peer = { kind: "pod", namespace, name, ip, ...second, node: node.name };
        for (const [each, holder] of byAddress(peer)) peers.set(each, holder);
        return peer;
      },
      releaseIp(ip) {
        for (const each of addressesAt(peers, ip)) {
          peers.delete(each);
          options.ipam.release(each);
          options.secondaryIpam?.release(each);
        }
      },
      killPeer: (ip) => addressesAt(peers, ip).forEach((each) => fabric.killPeer(each)),
    };
    return createKubelet(services, options.delayMs ?? 0);
  });
}
