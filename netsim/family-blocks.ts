// The blocks of one IP family in a cluster's address plan: pods, Services, nodes and the load balancer pool, and the addresses in them
// that have a name. Upstream: the address families of kube-controller-manager's --cluster-cidr and --service-cluster-ip-range.
import { Cidr } from "../model/ip.ts";

/** Blocks of one family; of IPv4 a node has a /24 of pod addresses, of IPv6 a /64. */
export interface FamilyBlocks {
  readonly pods: Cidr;
  readonly services: Cidr;
  readonly nodes: Cidr;
  readonly loadBalancers: Cidr;
  /** Tenth address of the service block: cluster DNS. */
  readonly dnsIp: string;
  /** First address of the service block: Service default/kubernetes. */
  readonly apiIp: string;
  /** Address of the `index`-th node, from 0. */
  nodeIp(index: number): string;
  /** Pod block of the `index`-th node. */
  podCidrOf(index: number): Cidr;
}

/** Blocks as text; without a pool, it is the .255.0/24 (IPv6: ff00/120) of the node block. */
export interface FamilyBlockTexts {
  readonly pods: string;
  readonly services: string;
  readonly nodes: string;
  readonly loadBalancers?: string | undefined;
}

/** The IPv6 blocks of the `index`-th cluster, beside its IPv4 ones in a dual-stack cluster. */
export function ipv6Blocks(index: number): FamilyBlockTexts {
  const prefix = `fd00:${index}`;
  return { pods: `${prefix}:244::/56`, services: `${prefix}:96::/112`, nodes: `${prefix}:18::/112` };
}

/** Throws RangeError when a block is malformed or the node block has no room for a pool. */
export function createFamilyBlocks(texts: FamilyBlockTexts): FamilyBlocks {
  const pods = new Cidr(texts.pods);
  const services = new Cidr(texts.services);
  const nodes = new Cidr(texts.nodes);
  return {
    pods,
    services,
    nodes,
    loadBalancers: new Cidr(texts.loadBalancers ?? poolOf(nodes)),
    dnsIp: services.at(10),
    apiIp: services.at(1),
    nodeIp: (nodeIndex) => nodes.at(2 + nodeIndex),
    podCidrOf: (nodeIndex) => pods.subnet(nodeIndex, pods.family === "IPv4" ? 24 : 64),
  };
}

function poolOf(nodes: Cidr): string {
  const prefix = nodes.family === "IPv4" ? 24 : 120;
  if (nodes.prefixLength > prefix) throw new RangeError(`node block ${nodes} is too small for a load balancer pool`);
  return nodes.subnet(nodes.prefixLength > prefix - 8 ? 2 ** (prefix - nodes.prefixLength) - 1 : 255, prefix).toString();
}
