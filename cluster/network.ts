// The data side, joined: the fabric with its hooks filled by proxy and policy, DNS, the resolver and the gateway.
import { createDns, createResolver, type Dns } from "../dns/index.ts";
import type { Peer, Resolve } from "../model/ports.ts";
import { matchesSelectorMap } from "../model/selectors.ts";
import { Pods, Services } from "../model/resources.ts";
import { createFabric, createGateway, type Fabric, FlowFeed, type Gateway } from "../netsim/index.ts";
import { createPolicy } from "../policy/index.ts";
import { createProxy, type Proxy } from "../proxy/index.ts";
import type { Store } from "../store/index.ts";
import { descriptorEvents } from "./descriptor-events.ts";
import { blocksOf, CLUSTER_DOMAIN, type Foundation } from "./foundation.ts";
import { createHostPorts, type HostPorts } from "./host-ports.ts";
import type { ClusterOptions } from "./options.ts";

export interface Network {
  readonly fabric: Fabric;
  readonly flows: FlowFeed;
  readonly proxy: Proxy;
  readonly policy: ReturnType<typeof createPolicy>;
  readonly dns: Dns;
  readonly resolve: Resolve;
  readonly hostPorts: HostPorts;
  readonly gateway: Gateway;
}

export function createNetwork({ store, clock, random, delayMs, plan, nodes, controlPlane }: Foundation, options: ClusterOptions): Network {
  const fabric = createFabric({
    clock,
    random: random.fork("fabric"),
    plan,
    nodes,
    onPressure: descriptorEvents({ store, clock, node: controlPlane.name }),
    ...(options.descriptorBudget === undefined ? {} : { descriptorBudget: options.descriptorBudget }),
  });
  const { nodeProxyModes = {} } = options;
  const unknown = Object.keys(nodeProxyModes).find((name) => !nodes.some((node) => node.name === name));
  if (unknown !== undefined)
    throw new RangeError(`no node ${JSON.stringify(unknown)}; there is: ${nodes.map((node) => node.name).join(", ")}`);
  const proxy = createProxy({
    store,
    fabric,
    clock,
    random: random.fork("proxy"),
    delayMs,
    mode: options.proxyMode ?? "iptables",
    nodeModes: nodeProxyModes,
    scheduler: options.ipvsScheduler ?? "rr",
    onSynced: () => fabric.decideAgain(),
    serviceCIDRs: blocksOf(plan, "services"),
    clusterCIDRs: blocksOf(plan, "pods"),
    ...(options.nodePortAddresses && { nodePortAddresses: options.nodePortAddresses }),
  });
  const policy = createPolicy({ store, fabric, clock, random: random.fork("policy"), delayMs });
  const flows = new FlowFeed(clock, () => fabric.flows.list());
  fabric.hooks.verdict = (flow) => proxy.verdict(flow);
  fabric.hooks.loadBalancerNodes = (destination, protocol) => proxy.loadBalancerNodes(destination, protocol);
  fabric.hooks.delivered = flows.delivered;
  fabric.hooks.closed = (flow) => proxy.closed(flow);
  const dns = createDns({ store, clock, random: random.fork("dns"), delayMs, zone: CLUSTER_DOMAIN });
  const resolve = createResolver({ network: fabric, clock, random: random.fork("resolver") });
  const hostPorts = createHostPorts(fabric, options);
  const gateway = createGateway({
    fabric,
    resolve,
    clock,
    host: hostPorts.wanted("gateway"),
    pod: (namespace, name) => podPeer(store, namespace, name),
    servicePorts: (namespace, name) => store.get(Services, namespace, name)?.spec.ports?.map(({ port }) => port),
  });
  return { fabric, flows, proxy, policy, dns, resolve, hostPorts, gateway };
}

/** A pod of a Deployment's that has an address. */
export function podPeerOf(store: Store, namespace: string, labels: Readonly<Record<string, string>>): Peer | undefined {
  const pods = store.list(Pods, { namespace, labels: (found) => matchesSelectorMap(labels, found) });
  return pods.map((pod) => podPeer(store, namespace, pod.metadata.name)).find((peer) => peer !== undefined);
}

function podPeer(store: Store, namespace: string, name: string): Peer | undefined {
  const pod = store.get(Pods, namespace, name);
  const ip = pod?.status?.podIP;
  return pod && ip !== undefined ? { kind: "pod", namespace, name, ip, node: pod.spec.nodeName ?? "" } : undefined;
}
