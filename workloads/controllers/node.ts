// Nodes: their objects, kept as the cluster's configuration says, and the Leases that show they are alive.
// Upstream: pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus, component-helpers apimachinery/lease; labels and taints as kind and kubeadm set them.
// Left out: the node lifecycle controller (a node never becomes unreachable by itself).
import { microTimestamp, timestamp, type Clock, type Timer } from "../../model/clock.ts";
import { StatusError, isStatus } from "../../model/errors.ts";
import { createIds } from "../../model/ids.ts";
import type { Lease } from "../../model/kinds/coordination-v1.ts";
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from "../../model/kinds/core-v1.ts";
import type { Component } from "../../model/ports.ts";
import { seededRandom, type Random } from "../../model/random.ts";
import { Leases, Namespaces, Nodes } from "../../model/resources.ts";
import type { Store } from "../../store/contract.ts";

/** A node of the cluster, as configured. */
export interface NodeConfig {
  readonly name: string;
  readonly ip: string;
  /** Every address of a dual-stack node, `ip` first. */
  readonly ips?: readonly string[];
  readonly podCIDR: string;
  /** Its pod block of each family, `podCIDR` first. */
  readonly podCIDRs?: readonly string[];
  readonly controlPlane: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface NodeControllerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly nodes: readonly NodeConfig[];
  /** Shown in containerRuntimeVersion. */
  readonly version: string;
}

const KUBELET_VERSION = "v1.33.4";
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
/** A /24's worth of pods; upstream's default is 110. */
const MAX_PODS = "250";
const LEASE_NAMESPACE = "kube-node-lease";

/** Registers nodes and renews their Leases; a Node that a user deletes is not registered again before the next start. */
export function createNodeController({ store, clock, random, nodes, version }: NodeControllerOptions): Component {
  let timer: Timer | undefined;
  let stopped = false;
  const renewAll = async (): Promise<void> => {
    for (const node of nodes) {
      if (stopped) return;
      if (store.get(Nodes, "", node.name)) await renewLease(store, clock, node.name).catch(ignoreRefusal);
    }
    if (!stopped) timer = clock.after(RENEW_MS, () => void renewAll(), { background: true });
  };
  return {
    async start() {
      const tainted = nodes.length > 1;
      for (const node of nodes) await register(store, buildNode(node, tainted, version, clock, random), clock);
      if (!store.get(Namespaces, "", LEASE_NAMESPACE)) {
        const lease = { apiVersion: "v1", kind: "Namespace", metadata: { name: LEASE_NAMESPACE }, spec: {} } as const;
        await store.create(Namespaces, lease).catch(ignoreRefusal);
      }
      await renewAll();
    },
    async stop() {
      stopped = true;
      timer?.cancel();
    },
    [Symbol.asyncDispose]() {
      return this.stop();
    },
  };
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StatusError)) throw error;
}

async function register(store: Store, node: Node, clock: Clock): Promise<void> {
  const existing = store.get(Nodes, "", node.metadata.name);
  if (!existing) {
    const created = await store.create(Nodes, node);
    if (!created.status?.addresses && node.status)
      await store.update(Nodes, { ...created, status: node.status }, { subresource: "status" });
    return;
  }
  const conditions = nodeConditions(timestamp(clock), existing.status?.conditions);
  await store.update(Nodes, { ...existing, status: { ...node.status, conditions } }, { subresource: "status" });
}

/** The Node object of a configured node, Ready from the start. */
export function buildNode(config: NodeConfig, tainted: boolean, version: string, clock: Clock, random: Random): Node {
  const os = process.platform === "win32" ? "windows" : process.platform === "darwin" ? "darwin" : "linux";
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const resources = { cpu: "8", "ephemeral-storage": "102625208Ki", "hugepages-2Mi": "0", memory: "32Gi", pods: MAX_PODS };
  const status: NodeStatus = {
    capacity: resources,
    allocatable: resources,
    conditions: nodeConditions(timestamp(clock), undefined),
    addresses: [
      ...(config.ips ?? [config.ip]).map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: config.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: systemInfo(config, os, arch, version, random),
  };
  const controlPlane = config.controlPlane
    ? { "node-role.kubernetes.io/control-plane": "", ...(tainted ? {} : { "node.kubernetes.io/exclude-from-external-load-balancers": "" }) }
    : {};
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: config.name,
      annotations: { "node.alpha.kubernetes.io/ttl": "0" },
      labels: {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": os,
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": os,
        ...controlPlane,
        ...config.labels,
      },
    },
    spec: {
      podCIDR: config.podCIDR,
      podCIDRs: config.podCIDRs ?? [config.podCIDR],
      providerID: `loopkube://${config.name}`,
      ...(config.controlPlane && tainted ? { taints: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] } : {}),
    },
    status,
  };
}

function systemInfo(config: NodeConfig, os: string, arch: string, version: string, random: Random): NodeSystemInfo {
  const ids = createIds(seededRandom(`${random.fork(`node/${config.name}`).int(0x7fffffff)}`));
  return {
    machineID: ids.hex(32),
    systemUUID: ids.uid(),
    bootID: ids.uid(),
    kernelVersion: process.release.name === "node" ? `node-${process.version}` : "unknown",
    osImage: `loopkube ${version}`,
    containerRuntimeVersion: `loopkube://${version}`,
    kubeletVersion: KUBELET_VERSION,
    kubeProxyVersion: "",
    operatingSystem: os,
    architecture: arch,
  };
}

function nodeConditions(now: string, old: readonly NodeCondition[] | undefined): readonly NodeCondition[] {
  const facts = [
    ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
  ] as const;
  return facts.map(([type, status, reason, message]) => {
    const before = old?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
    return { type, status, lastHeartbeatTime: now, lastTransitionTime, reason, message };
  });
}

async function renewLease(store: Store, clock: Clock, name: string): Promise<void> {
  const existing = store.get(Leases, LEASE_NAMESPACE, name);
  const renewTime = microTimestamp(clock);
  if (existing) return void (await store.update(Leases, { ...existing, spec: { ...existing.spec, renewTime } }));
  const node = store.get(Nodes, "", name);
  const lease: Lease = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name,
      namespace: LEASE_NAMESPACE,
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid: node?.metadata.uid ?? "" }],
    },
    spec: { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime },
  };
  try {
    await store.create(Leases, lease);
  } catch (error) {
    if (!isStatus(error, "AlreadyExists")) throw error;
  }
}
