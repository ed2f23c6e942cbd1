// Which endpoints of a ServicePort a node's rules may use: readiness, terminating fall-back, topology hints, local policies.
// Upstream: pkg/proxy/topology.go CategorizeEndpoints.
import { ipFamily, type IpFamily } from "../model/ip.ts";
import { type EndpointSets, externallyAccessible, type ProxyEndpoint, type ServicePort } from "./service-port.ts";

/** A node as its rules see it. */
export interface NodeView {
  readonly name: string;
  /** First of each family is the primary one. */
  readonly addresses: readonly string[];
  readonly zone: string;
  /** False when the node is being deleted, or about to be by the cluster autoscaler: load balancers should let go of it. */
  readonly eligible?: boolean;
}

export const primaryAddress = ({ addresses }: NodeView, family: IpFamily): string | undefined =>
  addresses.find((ip) => ipFamily(ip) === family);

/** True on a node whose primary address is in a port's source ranges: such a node may also have the load balancer's addresses as its own. */
export function isInSourceRanges(node: NodeView, { family, sourceRanges }: ServicePort): boolean {
  const ip = primaryAddress(node, family);
  return ip !== undefined && sourceRanges.some((range) => range.contains(ip));
}

const isReady = (endpoint: ProxyEndpoint): boolean => endpoint.ready;
const isServingTerminating = (endpoint: ProxyEndpoint): boolean => endpoint.serving && endpoint.terminating;

/** Ready ones, else those that terminate but still serve; the same array when all are ready. */
function readyOrServing(endpoints: readonly ProxyEndpoint[]): readonly ProxyEndpoint[] {
  if (endpoints.every(isReady)) return endpoints;
  const ready = endpoints.filter(isReady);
  return ready.length > 0 ? ready : endpoints.filter(isServingTerminating);
}

/** Hints count only when every ready endpoint has one and some endpoint is hinted for this node (or else its zone). */
function topologyOf(ready: readonly ProxyEndpoint[], node: NodeView, preferSameNode: boolean): EndpointSets["topology"] {
  const usable = (hints: (endpoint: ProxyEndpoint) => readonly string[], here: string): boolean =>
    here !== "" && ready.every((e) => hints(e).length > 0) && ready.some((e) => hints(e).includes(here));
  if (preferSameNode && usable((endpoint) => endpoint.nodeHints, node.name)) return "node";
  return usable((endpoint) => endpoint.zoneHints, node.zone) ? "zone" : "";
}

/** The sets of one port on one node, memoised while port and node stay the same. `preferSameNode` is the gate of KEP-3015. */
export function categorize(port: ServicePort, node: NodeView, preferSameNode = true): EndpointSets {
  if (port.sets) return port.sets;
  if (!preferSameNode) return compute(port, node, false);
  let views = memo.get(node);
  if (!views) memo.set(node, (views = new WeakMap()));
  let sets = views.get(port);
  if (!sets) views.set(port, (sets = compute(port, node, true)));
  return sets;
}

function union<T>(all: readonly T[], some: readonly T[], others: readonly T[]): readonly T[] {
  const either = new Set([...some, ...others]);
  return all.filter((item) => either.has(item));
}

/** By node first: there are few of them, so that the outer look is cheap. */
const memo = new WeakMap<NodeView, WeakMap<ServicePort, EndpointSets>>();

/** A ServicePort whose sets are not known yet. */
export type BarePort = Omit<ServicePort, "sets">;

const ANY_NODE: NodeView = { name: "", addresses: [], zone: "" };

/** The sets that hold on every node; undefined when they depend on the node. */
export function setsOfEveryNode(port: BarePort): EndpointSets | undefined {
  const local = port.internalLocal || (port.externalLocal && externallyAccessible(port));
  const hinted = port.endpoints.some((endpoint) => endpoint.zoneHints.length > 0 || endpoint.nodeHints.length > 0);
  return local || hinted ? undefined : compute(port, ANY_NODE, true);
}

function compute(port: BarePort, node: NodeView, preferSameNode: boolean): EndpointSets {
  const usesCluster = !port.internalLocal || externallyAccessible(port);
  const usesLocal = port.internalLocal || (externallyAccessible(port) && port.externalLocal);
  const usable = readyOrServing(port.endpoints);
  const topology = usable[0]?.ready ? topologyOf(usable, node, preferSameNode) : "";
  const hinted = (endpoint: ProxyEndpoint): boolean =>
    topology === "node" ? endpoint.nodeHints.includes(node.name) : topology === "zone" ? endpoint.zoneHints.includes(node.zone) : true;
  const cluster = usesCluster ? (topology === "" ? usable : usable.filter(hinted)) : undefined;
  const local = usesLocal ? readyOrServing(port.endpoints.filter((endpoint) => endpoint.node === node.name)) : undefined;
  const reachable = !local ? (cluster ?? []) : !cluster ? local : union(port.endpoints, cluster, local);
  const total = `${port.endpoints.length} endpoint${port.endpoints.length === 1 ? "" : "s"}`;
  const text = (some: readonly ProxyEndpoint[] = [], how = ""): string => {
    const fallBack = some.length > 0 && !some.some(isReady) ? ", all terminating" : "";
    return `${some.length} of ${total}${how}${fallBack}`;
  };
  const hint = topology === "" ? "" : `, hinted for this ${topology}`;
  return { cluster, local, reachable, topology, clusterText: text(cluster, hint), localText: text(local) };
}
