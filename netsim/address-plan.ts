// Where cluster addresses are on this machine: the blocks of a cluster, and cluster address → socket address.
// `direct`: the address is the socket address. `mapped`: every listener is a free port of one loopback address.
// This file alone knows the difference; everything else speaks cluster addresses.
import { Cidr } from "../model/ip.ts";
import type { Protocol, SocketAddress } from "../model/ports.ts";
import { blockTest, isLoopback } from "./ip-block.ts";

export type AddressPlanKind = "direct" | "mapped";
export type AddressBlock = "pod" | "service" | "node" | "load-balancer";

export interface AddressPlanOptions {
  readonly kind: AddressPlanKind;
  /** 0…63; moves every default block, so that clusters live side by side. */
  readonly index: number;
  /** Default 127.(244−index).0.0/16. */
  readonly podCidr?: string;
  /** Default 127.(96+index).0.0/16. */
  readonly serviceCidr?: string;
  /** Default 127.(18+index).0.0/16; the load balancer pool is its .255.0/24. */
  readonly nodeCidr?: string;
  readonly loadBalancerCidr?: string;
  /** Where a mapped listener is; default 127.0.0.1. */
  readonly loopback?: "127.0.0.1" | "::1";
}

export interface AddressPlan {
  readonly kind: AddressPlanKind;
  readonly index: number;
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
  blockOf(ip: string): AddressBlock | undefined;
  isClusterAddress(ip: string): boolean;
  /** Socket addresses to try for a listener on a cluster address, best first; port 0 is any free port. */
  candidates(address: SocketAddress, protocol: Protocol): readonly SocketAddress[];
}

/** The port at which a listener is found when its own cannot be had: 80 → 8080, 443 → 8443, 53 → 8053. */
export const fallbackPort = (port: number): number => port + 8000;

/** Throws RangeError when a block is malformed, blocks overlap, the index is out of range, or a direct block is not loopback. */
export function createAddressPlan(options: AddressPlanOptions): AddressPlan {
  const { kind, index, loopback = "127.0.0.1" } = options;
  if (!Number.isInteger(index) || index < 0 || index > 63) throw new RangeError(`cluster index ${index} is not in 0…63`);
  const pods = new Cidr(options.podCidr ?? `127.${244 - index}.0.0/16`);
  const services = new Cidr(options.serviceCidr ?? `127.${96 + index}.0.0/16`);
  const nodes = new Cidr(options.nodeCidr ?? `127.${18 + index}.0.0/16`);
  const loadBalancers = new Cidr(options.loadBalancerCidr ?? poolOf(nodes));
  checkBlocks(kind, { pod: pods, service: services, node: nodes, "load balancer": loadBalancers });
  const [inPods, inServices, inNodes, inPool] = [blockTest(pods), blockTest(services), blockTest(nodes), blockTest(loadBalancers)];

  const blockOf = (ip: string): AddressBlock | undefined => {
    if (inPods(ip)) return "pod";
    if (inServices(ip)) return "service";
    if (inPool(ip)) return "load-balancer";
    return inNodes(ip) ? "node" : undefined;
  };
  const anywhere = { ip: loopback, port: 0 };
  return {
    kind,
    index,
    pods,
    services,
    nodes,
    loadBalancers,
    dnsIp: services.at(10),
    apiIp: services.at(1),
    nodeIp: (nodeIndex) => nodes.at(2 + nodeIndex),
    podCidrOf: (nodeIndex) => pods.subnet(nodeIndex, pods.family === "IPv4" ? 24 : 64),
    blockOf,
    isClusterAddress: (ip) => blockOf(ip) !== undefined,
    candidates(address) {
      if (kind === "mapped") return blockOf(address.ip) === "node" ? [{ ip: loopback, port: address.port }, anywhere] : [anywhere];
      const fallback = fallbackPort(address.port);
      return fallback > 65535 ? [address, anywhere] : [address, { ip: address.ip, port: fallback }, anywhere];
    },
  };
}

function poolOf(nodes: Cidr): string {
  const prefix = nodes.family === "IPv4" ? 24 : 120;
  if (nodes.prefixLength > prefix) throw new RangeError(`node block ${nodes} is too small for a load balancer pool`);
  return nodes.subnet(nodes.prefixLength > prefix - 8 ? 2 ** (prefix - nodes.prefixLength) - 1 : 255, prefix).toString();
}

function checkBlocks(kind: AddressPlanKind, blocks: Readonly<Record<string, Cidr>>): void {
  const entries = Object.entries(blocks);
  for (const [name, block] of entries) {
    const last = block.at(block.size - 1n);
    if (kind === "direct" && !(isLoopback(block.at(0)) && isLoopback(last))) {
      throw new RangeError(
        `${name} block ${block} is not loopback: the direct address plan needs blocks in 127.0.0.0/8 (use the mapped plan)`,
      );
    }
    for (const [otherName, other] of entries) {
      const nested = name === "load balancer" && otherName === "node";
      if (otherName !== name && !nested && other.contains(block.at(0))) {
        throw new RangeError(`${name} block ${block} overlaps ${otherName} block ${other}`);
      }
    }
  }
}
