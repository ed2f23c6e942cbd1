// The composition root: one place that builds a cluster's parts, joins them, starts them in order and stops them in reverse.
//
//   store ◄── admission            fabric ◄── hooks: identify (pods, nodes) · verdict (proxy) · policy, fault (policy)
//     ▲ writes                       ▲ listeners, dials
//   api · services · workloads ──► kubelets ──► pods (coredns, ingress-nginx and yours)       gateway
import { apiAdmission, createApi } from "../api/index.ts";
import { createDns, createResolver, defaultCorefile } from "../dns/index.ts";
import { createIngress } from "../ingress/index.ts";
import { realClock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import { canonicalIp } from "../model/ip.ts";
import type { JsonObject } from "../model/object.ts";
import type { Component, Diagnostics, Hop, Image, Peer } from "../model/ports.ts";
import { seededRandom } from "../model/random.ts";
import { Pods, Services } from "../model/resources.ts";
import { type AddressPlan, claimClusterIndex, createAddressPlan, createFabric, createGateway, createPodIpam, type Fabric, FlowFeed, hostPort } from "../netsim/index.ts";
import { createPolicy, faultAdmission } from "../policy/index.ts";
import { createProxy } from "../proxy/index.ts";
import { createServiceControllers, serviceAdmission } from "../services/index.ts";
import { createStore, type Store } from "../store/index.ts";
import { createWorkloads, workloadAdmission } from "../workloads/index.ts";
import { createCertificates } from "./certificates.ts";
import { descriptorEvents } from "./descriptor-events.ts";
import { createHostPorts } from "./host-ports.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { ClusterOptions } from "./options.ts";
import { nodesOf } from "./nodes.ts";
import { clusterFirst } from "./resolv-conf.ts";
import { type Cluster, createRunningCluster } from "./running-cluster.ts";
import { COREDNS_IMAGE, createSystemObjects, INGRESS_IMAGE, INGRESS_NAME, INGRESS_NAMESPACE } from "./system-objects.ts";

const DOMAIN = "cluster.local";
const DEFAULT_NAME = "loopkube";

/**
 * Starts a cluster in this process and resolves when its API answers; pods, DNS and ingress follow (`ready()`). Never touches files.
 * Rejects when no cluster index is free, or an option is malformed (RangeError); nothing is left behind then.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const life = new Lifecycle();
  try {
    return await build(options, life);
  } catch (error) {
    await life.stop();
    throw error;
  }
}

async function build(options: ClusterOptions, life: Lifecycle): Promise<Cluster> {
  const name = options.name ?? DEFAULT_NAME;
  const clock = options.clock ?? realClock;
  const seed = options.seed ?? realClock.now() % 1_000_000;
  const random = seededRandom(seed);
  const ids = createIds(random.fork("ids"));
  const delayMs = options.propagationDelayMs ?? 0;
  const claim = await claimClusterIndex();
  life.onStop(() => claim.release());
  const plan = createPlan(options, claim.index);
  const nodes = nodesOf(name, options.nodes ?? 3, plan);

  const store = await createStore({ clock, ids });
  life.onStop(() => store.close());
  const ingress = createIngress({ store, clock, random: random.fork("ingress"), delayMs });
  const admission = apiAdmission();
  store.admit(
    ...admission.first,
    ...workloadAdmission({ clock, random }),
    ...serviceAdmission({ serviceCIDRs: blocksOf(plan, "services"), clusterBlocks: blocksOf(plan, "pods", "services", "nodes", "loadBalancers"), random: random.fork("services") }),
    ...ingress.admission,
    faultAdmission(),
    ...admission.last,
  );

  const onPressure = descriptorEvents({ store, clock, node: nodes[0]?.name ?? "" });
  const budget = options.descriptorBudget === undefined ? {} : { descriptorBudget: options.descriptorBudget };
  const fabric = createFabric({ clock, random: random.fork("fabric"), plan, nodes, onPressure, ...budget });
  const proxy = createProxy({ store, fabric, clock, random: random.fork("proxy"), delayMs, mode: options.proxyMode ?? "iptables", nodeModes: options.nodeProxyModes ?? {}, scheduler: options.ipvsScheduler ?? "rr", serviceCIDRs: blocksOf(plan, "services"), clusterCIDRs: blocksOf(plan, "pods") });
  const policy = createPolicy({ store, fabric, clock, random: random.fork("policy"), delayMs });
  fabric.hooks.verdict = (flow) => proxy.verdict(flow);
  fabric.hooks.closed = (flow) => proxy.closed(flow);
  const feed = new FlowFeed(clock, () => fabric.flows.list());
  fabric.hooks.delivered = feed.delivered;
  fabric.hooks.loadBalancerNodes = (destination, protocol) => proxy.loadBalancerNodes(destination, protocol);
  const dns = createDns({ store, clock, random: random.fork("dns"), delayMs, zone: DOMAIN });
  const resolve = createResolver({ network: fabric, clock, random: random.fork("resolver") });
  const certificates = createCertificates(clock, ["127.0.0.1", "::1", plan.apiIp, ...nodes.flatMap((node) => node.ips ?? [node.ip])]);
  const hostPorts = createHostPorts(fabric, options);
  const gateway = createGateway({
    fabric,
    resolve,
    clock,
    host: hostPorts.wanted("gateway"),
    pod: (namespace, pod) => podPeer(store, namespace, pod),
    servicePorts: (namespace, service) => store.get(Services, namespace, service)?.spec.ports?.map(({ port }) => port),
  });
  const workloads = createWorkloads({
    store,
    fabric,
    ipam: createPodIpam({ podCidr: String(plan.pods) }),
    ...(plan.secondary && { secondaryIpam: createPodIpam({ podCidr: String(plan.secondary.pods) }) }),
    clock,
    random: random.fork("workloads"),
    resolve,
    nodes,
    dns: { ip: plan.dnsIp, domain: DOMAIN },
    images: [new Map(Object.entries(options.images ?? {})), new Map<string, Image>([[COREDNS_IMAGE, { runtime: "inline", program: dns.program }], [INGRESS_IMAGE, { runtime: "inline", program: ingress.program }]])],
    delayMs,
    strictImages: options.strictImages ?? false,
    gateway: () => gateway.socket,
    caCertificate: certificates.ca,
  });
  const cluster: { status?: () => JsonObject } = {};
  const diagnostics = [{ name: "cluster", status: () => cluster.status?.() ?? {} }, dns.diagnostics, listenerDiagnostics(fabric), proxy, ...policy.diagnostics, ingress.diagnostics, workloads];
  const api = createApi({
    store,
    streams: workloads.streams,
    diagnostics,
    tls: { ...certificates.server, ca: certificates.ca },
    clock,
    ids,
    dial: (to, signal) => fabric.dial({ kind: "node", name: nodes[0]?.name ?? "", ip: nodes[0]?.ip ?? "" }, to, { signal }),
    dig: (from, host, type, search) => resolve.query(from, clusterFirst(from, plan.dnsIp, DOMAIN), host, type, { search }),
    trace: (signal, follow) => hopsOf(fabric, signal, follow),
    flows: (signal, follow) => feed.subscribe(signal, follow),
  });

  await life.start(fabric);
  await life.start(api);
  await hostPorts.serveApi(api.server, nodes[0]?.ip ?? "");
  const entry = kubeconfigOf({ name: entryName(name), server: `https://${hostPorts.text("api")}`, ca: certificates.ca, admin: certificates.admin });
  await createSystemObjects(store, {
    apiServiceIp: plan.apiIp,
    dnsServiceIp: plan.dnsIp,
    apiNodeIp: nodes[0]?.ip ?? "",
    corefile: options.corefile ?? defaultCorefile(DOMAIN),
    dnsReplicas: options.dnsReplicas ?? 2,
  });
  const components: Component[] = [createServiceControllers({ store, clock, loadBalancerPools: blocksOf(plan, "loadBalancers"), serviceCIDRs: blocksOf(plan, "services") }), policy, proxy, workloads, ingress.component, gateway];
  for (const component of components) await life.start(component);
  hostPorts.gatewayIs(gateway.socket);
  await hostPorts.publishDns(plan.dnsIp);
  await hostPorts.publishIngress(await loadBalancerIp(store, INGRESS_NAMESPACE, INGRESS_NAME));
  const proxyMode = options.proxyMode ?? "iptables";
  const running = createRunningCluster({ name, seed, store, fabric, plan, nodes, clock, resolve, hostPorts, entry, proxyMode, domain: DOMAIN, life });
  cluster.status = running.status;
  return running;
}

function createPlan(options: ClusterOptions, index: number): AddressPlan {
  const { ipFamilies } = options;
  const kind = options.addressPlan ?? (process.platform === "darwin" || (ipFamilies?.length ?? 1) > 1 ? "mapped" : "direct");
  return createAddressPlan({
    kind,
    index,
    ...(ipFamilies && { ipFamilies }),
    ...(options.podCidr === undefined ? {} : { podCidr: options.podCidr }),
    ...(options.serviceCidr === undefined ? {} : { serviceCidr: options.serviceCidr }),
  });
}

/** Blocks of these names, of the first family and then of the second. */
const blocksOf = (plan: AddressPlan, ...names: readonly ("pods" | "services" | "nodes" | "loadBalancers")[]): readonly string[] =>
  [plan, plan.secondary].flatMap((family) => (family ? names.map((name) => String(family[name])) : []));

const entryName = (name: string): string => (name === DEFAULT_NAME ? DEFAULT_NAME : `${DEFAULT_NAME}-${name}`);

async function* hopsOf(fabric: Fabric, signal: AbortSignal, follow: boolean): AsyncIterable<Hop> {
  yield* fabric.trace.recent();
  if (follow) yield* fabric.trace.subscribe(signal);
}

/** Tells where a program of this machine dials a cluster address. */
function listenerDiagnostics(fabric: Fabric): Diagnostics {
  return {
    name: "listener",
    async explain({ host, ip = canonicalIp(host), port, protocol }) {
      if (ip === undefined) return undefined;
      const socket = fabric.socketOf({ ip, port }, protocol);
      if (!socket) return { title: "listener", lines: [`nothing listens at ${hostPort({ ip, port })}`], ip, port };
      const text = hostPort(socket);
      return { title: "listener", lines: [`a program of this machine dials ${text}`], ip, port, socket: text };
    },
  };
}

/** The first address that the load balancer controller gives to a Service. */
async function loadBalancerIp(store: Store, namespace: string, name: string): Promise<string> {
  const cursor = store.cursor({ name: "load-balancer-address" });
  try {
    for await (const _changes of cursor.batches([Services])) {
      const ip = store.get(Services, namespace, name)?.status?.loadBalancer?.ingress?.[0]?.ip;
      if (ip !== undefined) return ip;
    }
  } finally {
    cursor.close();
  }
  throw new Error(`Service ${namespace}/${name} got no address`);
}

function podPeer(store: Store, namespace: string, name: string): Peer | undefined {
  const pod = store.get(Pods, namespace, name);
  const ip = pod?.status?.podIP;
  return pod && ip !== undefined ? { kind: "pod", namespace, name, ip, node: pod.spec.nodeName ?? "" } : undefined;
}
