// The composition root: one place that builds a cluster's parts, joins them, starts them in order and stops them in reverse.
//
//   store ◄── admission            fabric ◄── hooks: identify (pods, nodes) · verdict (proxy) · policy, fault (policy)
//     ▲ writes                       ▲ listeners, dials
//   api · services · workloads ──► kubelets ──► pods (coredns, ingress-nginx and yours)       gateway
import { type Api, apiAdmission, createApi } from "../api/index.ts";
import { defaultCorefile } from "../dns/index.ts";
import { createIngress } from "../ingress/index.ts";
import type { JsonObject } from "../model/object.ts";
import type { Diagnostics, Image } from "../model/ports.ts";
import { Services } from "../model/resources.ts";
import { createPodIpam } from "../netsim/index.ts";
import { faultAdmission } from "../policy/index.ts";
import { createServiceControllers, serviceAdmission } from "../services/index.ts";
import type { Store } from "../store/index.ts";
import { createWorkloads, withTools, type Workloads, workloadAdmission } from "../workloads/index.ts";
import { type ClusterCertificates, createCertificates } from "./certificates.ts";
import { deliveryDiagnostics, hopsOf, listenerDiagnostics } from "./diagnostics.ts";
import { blocksOf, CLUSTER_DOMAIN, createFoundation, DEFAULT_NAME, type Foundation } from "./foundation.ts";
import { createIngressPorts } from "./ingress-ports.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { Lifecycle } from "./lifecycle.ts";
import { createNetwork, type Network, podPeerOf } from "./network.ts";
import type { ClusterOptions } from "./options.ts";
import { clusterFirst, questionName } from "./resolv-conf.ts";
import { type Cluster, createRunningCluster } from "./running-cluster.ts";
import { withUpstreamReach } from "./upstream-reach.ts";
import { COREDNS_IMAGE, createSystemObjects, INGRESS_IMAGE, INGRESS_LABELS, INGRESS_NAME, INGRESS_NAMESPACE } from "./system-objects.ts";

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
  const foundation = await createFoundation(options, life);
  const { store, clock, random, delayMs, plan, nodes, controlPlane } = foundation;
  const ingress = createIngress({ store, clock, random: random.fork("ingress"), delayMs });
  const steps = apiAdmission();
  const serviceCIDRs = blocksOf(plan, "services");
  const clusterBlocks = blocksOf(plan, "pods", "services", "nodes", "loadBalancers");
  store.admit(
    ...steps.first,
    ...workloadAdmission({ clock, random }),
    ...serviceAdmission({
      serviceCIDRs,
      clusterBlocks,
      random: random.fork("services"),
      ...(options.nodePortRange && { nodePortRange: options.nodePortRange }),
    }),
    ...ingress.admission,
    faultAdmission(),
    ...steps.last,
  );
  const network = createNetwork(foundation, options);
  const { fabric, proxy, policy, gateway, hostPorts, resolve } = network;
  const certificates = createCertificates(["127.0.0.1", "::1", plan.apiIp, ...nodes.flatMap((node) => node.ips ?? [node.ip])]);
  const images = new Map<string, Image>([
    [COREDNS_IMAGE, withTools(network.dns.image)],
    [INGRESS_IMAGE, withTools(ingress.image)],
  ]);
  const workloads = createPods(foundation, options, network, images, certificates.ca);
  const services = createServiceControllers({ store, clock, loadBalancerPools: blocksOf(plan, "loadBalancers"), serviceCIDRs });
  const cluster: { status?: () => JsonObject } = {};
  const self: Diagnostics = { name: "cluster", status: () => cluster.status?.() ?? {} };
  const diagnostics = [
    self,
    network.dns.diagnostics,
    listenerDiagnostics(fabric, hostPorts),
    proxy,
    ...policy.diagnostics,
    withUpstreamReach(ingress.diagnostics, policy.diagnostics, () => podPeerOf(store, INGRESS_NAMESPACE, INGRESS_LABELS)),
    deliveryDiagnostics(fabric),
    workloads,
  ];
  const api = createApiServer(foundation, network, workloads, diagnostics, certificates);

  await life.start(fabric);
  await life.start(api);
  await hostPorts.serveApi(api.server, controlPlane.ip);
  await createSystemObjects(store, {
    apiServiceIp: plan.apiIp,
    dnsServiceIp: plan.dnsIp,
    apiNodeIp: controlPlane.ip,
    corefile: options.corefile ?? defaultCorefile(CLUSTER_DOMAIN),
    corefileImports: options.corefileImports ?? {},
    dnsReplicas: options.dnsReplicas ?? 2,
  });
  for (const component of [services, policy, proxy, workloads, ingress.component, gateway]) await life.start(component);
  hostPorts.gatewayIs(gateway.socket);
  await hostPorts.publishDns(plan.dnsIp);
  await hostPorts.publishIngress(await loadBalancerIp(store, INGRESS_NAMESPACE, INGRESS_NAME));
  const ingressPorts = createIngressPorts({ store, clock, fabric, namespace: INGRESS_NAMESPACE, name: INGRESS_NAME });
  await life.start(ingressPorts.component);

  const { name, seed } = foundation;
  const entryName = name === DEFAULT_NAME ? DEFAULT_NAME : `${DEFAULT_NAME}-${name}`;
  const entry = kubeconfigOf({
    name: entryName,
    server: `https://${hostPorts.text("api")}`,
    ca: certificates.ca,
    admin: certificates.admin,
  });
  const proxyMode = options.proxyMode ?? "iptables";
  const running = createRunningCluster({
    name,
    seed,
    store,
    fabric,
    plan,
    nodes,
    clock,
    resolve,
    hostPorts,
    ingressPorts,
    entry,
    proxyMode,
    domain: CLUSTER_DOMAIN,
    life,
  });
  cluster.status = running.status;
  return running;
}

function createPods(
  { store, clock, random, delayMs, plan, nodes }: Foundation,
  options: ClusterOptions,
  { fabric, resolve, gateway }: Network,
  systemImages: ReadonlyMap<string, Image>,
  caCertificate: string,
): Workloads {
  return createWorkloads({
    store,
    fabric,
    ipam: createPodIpam({ podCidr: String(plan.pods) }),
    ...(plan.secondary && { secondaryIpam: createPodIpam({ podCidr: String(plan.secondary.pods) }) }),
    clock,
    random: random.fork("workloads"),
    resolve,
    nodes,
    dns: { ip: plan.dnsIp, domain: CLUSTER_DOMAIN },
    images: [new Map(Object.entries(options.images ?? {})), systemImages],
    delayMs,
    strictImages: options.strictImages ?? false,
    gateway: () => gateway.socket,
    caCertificate,
  });
}

function createApiServer(
  { store, clock, ids, plan, controlPlane }: Foundation,
  { fabric, flows, resolve }: Network,
  workloads: Workloads,
  diagnostics: readonly Diagnostics[],
  certificates: ClusterCertificates,
): Api {
  return createApi({
    store,
    streams: workloads.streams,
    diagnostics,
    tls: { ...certificates.server, ca: certificates.ca },
    clock,
    ids,
    dial: (to, signal) => fabric.dial({ kind: "node", name: controlPlane.name, ip: controlPlane.ip }, to, { signal }),
    dig: (from, host, type, search) =>
      resolve.query(from, clusterFirst(from, plan.dnsIp, CLUSTER_DOMAIN), questionName(host, type), type, { search }),
    trace: (signal, follow) => hopsOf(fabric, signal, follow),
    flows: (signal, follow) => flows.subscribe(signal, follow),
  });
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
