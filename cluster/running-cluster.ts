// A running cluster as its user holds it: the library's `Cluster`.
import { parsePeer } from "../api/index.ts";
import type { Clock } from "../model/clock.ts";
import type { JsonObject } from "../model/object.ts";
import type { DnsRecord, DnsStep, Peer, ResolvConf, Resolve } from "../model/ports.ts";
import { Services } from "../model/resources.ts";
import { addressError, type AddressPlan, type Fabric } from "../netsim/index.ts";
import type { Store } from "../store/index.ts";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { type Applied, applyManifests, type Manifests, manifestText } from "./apply.ts";
import { addFault, type ClusterFault, type FaultOptions } from "./faults.ts";
import { clusterFetch, type ClusterFetchInit } from "./fetch.ts";
import type { HostPorts } from "./host-ports.ts";
import type { IngressPorts } from "./ingress-ports.ts";
import { type Kubeconfig, kubeconfigText } from "./kubeconfig.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { ClusterNode } from "./nodes.ts";
import { type ReadyOptions, waitUntilReady } from "./readiness.ts";
import { clusterFirst, questionName } from "./resolv-conf.ts";

export interface Cluster extends AsyncDisposable {
  readonly name: string;
  readonly seed: string | number;
  readonly store: Store;
  readonly fabric: Fabric;
  readonly nodes: readonly ClusterNode[];
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** A kubeconfig file's text, with a client certificate. */
  readonly kubeconfig: string;
  readonly kubeconfigEntry: Kubeconfig;
  /** Every address: `{api, dns, gateway, ingress: {http, https, tcp?, udp?}, nodes, addressPlan, …}`. */
  status(): JsonObject;
  /** Server-side applies manifests: YAML, an object, or a list of them. Throws ManifestError with the line of the first that is refused. */
  apply(manifests: Manifests): Promise<readonly Applied[]>;
  /** Resolves when every controller, kubelet and proxy has done what there is to do. */
  settle(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Resolves when every Deployment and pod is ready; rejects after the timeout (default 30 s), naming what is not. */
  ready(options?: ReadyOptions): Promise<void>;
  /** An http request inside the cluster, from the host or `from: "pod/name"`, on a new connection. */
  fetch(url: string, init?: ClusterFetchInit & { readonly from?: string }): Promise<Response>;
  /** The records that cluster DNS answers; empty when it answers none. */
  resolve(name: string, type?: string, options?: { readonly from?: string }): Promise<readonly DnsRecord[]>;
  /** Every question of the search ladder, as `loopkube dig` shows it. */
  dig(name: string, type: string, options?: { readonly from?: string; readonly search?: boolean }): Promise<readonly DnsStep[]>;
  /** Something wrong with links (`{from: "app=client", to: "svc/web", latency: "50ms"}`) until the answer is disposed of. */
  fault(options: FaultOptions): Promise<ClusterFault>;
  stop(): Promise<void>;
}

export interface RunningParts {
  readonly name: string;
  readonly seed: string | number;
  readonly store: Store;
  readonly fabric: Fabric;
  readonly plan: AddressPlan;
  readonly nodes: readonly ClusterNode[];
  readonly clock: Clock;
  readonly resolve: Resolve;
  readonly hostPorts: HostPorts;
  readonly ingressPorts: IngressPorts;
  readonly entry: Kubeconfig;
  readonly proxyMode: string;
  readonly domain: string;
  readonly life: Lifecycle;
}

export function createRunningCluster(parts: RunningParts): Cluster {
  const { store, fabric, plan, hostPorts, life, domain } = parts;
  let client: ApiClient | undefined;
  const host = (ip: string): Peer => ({ kind: "host", ip });
  const peerOf = (from = "host"): Peer => (from === "host" ? host("127.0.0.1") : parsePeer(store, from));
  const confOf = (peer: Peer): ResolvConf => clusterFirst(peer, plan.dnsIp, domain);
  const dig: Cluster["dig"] = async (name, type, { from, search = true } = {}) => {
    const peer = peerOf(from);
    return parts.resolve.query(peer, confOf(peer), questionName(name, type), type, { search });
  };
  const stop = async (): Promise<void> => {
    client?.[Symbol.dispose]();
    await life.stop();
  };
  return {
    name: parts.name,
    seed: parts.seed,
    store,
    fabric,
    nodes: parts.nodes,
    server: `https://${hostPorts.text("api")}`,
    kubeconfig: kubeconfigText(parts.entry),
    kubeconfigEntry: parts.entry,
    status: () => statusOf(parts),
    apply: (manifests) => applyManifests((client ??= createApiClient(parts.entry)), store.resources, manifestText(manifests)),
    settle: (options) => store.settle(options),
    ready: (options) => waitUntilReady(store, options),
    fetch: async (url, { from, ...init } = {}) =>
      clusterFetch(
        async (peer, name, port) => {
          const [ip] = await parts.resolve.lookup(peer, confOf(peer), name);
          if (ip === undefined) throw addressError("connect", "ECONNREFUSED", { ip: name, port });
          return fabric.dial(peer, { ip, port });
        },
        peerOf(from),
        url,
        init,
      ),
    resolve: async (name, type = "A", options = {}) => (await dig(name, type, options)).at(-1)?.answers ?? [],
    dig,
    fault: (options) => addFault(store, options),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Ports below HTTP, where the controller's Service has some. */
function streamPorts(ports: IngressPorts): JsonObject {
  const [tcp, udp] = [ports.list("TCP"), ports.list("UDP")];
  return { ...(Object.keys(tcp).length > 0 && { tcp: { ...tcp } }), ...(Object.keys(udp).length > 0 && { udp: { ...udp } }) };
}

function statusOf({ name, seed, hostPorts, ingressPorts, plan, nodes, proxyMode, fabric, store }: RunningParts): JsonObject {
  const text = (ip: string, port: number, protocol: "TCP" | "UDP"): string => {
    const socket = fabric.socketOf({ ip, port }, protocol);
    return socket ? `${socket.ip}:${socket.port}` : "";
  };
  const nodePort = store
    .list(Services)
    .flatMap((service) => service.spec.ports ?? [])
    .find((port) => port.nodePort !== undefined)?.nodePort;
  return {
    name,
    api: `https://${hostPorts.text("api")}`,
    dns: hostPorts.text("dns"),
    dnsService: text(plan.dnsIp, 53, "UDP"),
    gateway: hostPorts.text("gateway"),
    ingress: { http: hostPorts.text("http"), https: hostPorts.text("https"), ...streamPorts(ingressPorts) },
    nodes: nodes.map(({ name, ip, podCIDR, ips, podCIDRs }) => ({ name, ip, podCIDR, ...(ips && { ips }), ...(podCIDRs && { podCIDRs }) })),
    addressPlan: plan.kind,
    index: plan.index,
    serviceCIDR: String(plan.services),
    podCIDR: String(plan.pods),
    ...(plan.secondary && {
      serviceCIDRs: [plan, plan.secondary].map(({ services }) => String(services)),
      podCIDRs: [plan, plan.secondary].map(({ pods }) => String(pods)),
    }),
    proxyMode,
    seed: String(seed),
    reachable: nodePort === undefined ? {} : { nodePort: text(nodes[0]?.ip ?? "", nodePort, "TCP") },
  };
}
