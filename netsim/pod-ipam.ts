// Pod addresses: a block per node, an address per pod. Upstream: kube-controller-manager's node IPAM with the host-local plugin.
// A freed address is reused last, so that a replaced pod gets a new one.
import { Cidr } from "../model/ip.ts";

export interface PodIpam {
  /** Block of the `nodeIndex`-th node; throws RangeError when the pod block has no room for it. */
  blockOf(nodeIndex: number): Cidr;
  /** A free address of the node; throws when there is none. Never the block's first, second (the gateway) or last address. */
  allocate(nodeIndex: number): string;
  /** Harmless when the address is free or foreign. */
  release(ip: string): void;
}

interface NodeBlock {
  readonly cidr: Cidr;
  readonly last: bigint;
  fresh: bigint;
  readonly freed: string[];
}

export function createPodIpam(options: { readonly podCidr: string; readonly nodeCidrPrefix?: number }): PodIpam {
  const pods = new Cidr(options.podCidr);
  const prefix = options.nodeCidrPrefix ?? (pods.family === "IPv4" ? 24 : 64);
  if (prefix < pods.prefixLength) throw new RangeError(`a /${prefix} per node does not fit in pod block ${pods}`);
  const blocks = new Map<number, NodeBlock>();
  const allocated = new Map<string, NodeBlock>();

  const block = (nodeIndex: number): NodeBlock => {
    const known = blocks.get(nodeIndex);
    if (known) return known;
    if (nodeIndex < 0 || BigInt(nodeIndex) >= 1n << BigInt(prefix - pods.prefixLength)) {
      throw new RangeError(`pod block ${pods} has no /${prefix} for node ${nodeIndex}`);
    }
    const cidr = pods.subnet(nodeIndex, prefix);
    const made = { cidr, last: cidr.size - 2n, fresh: 2n, freed: [] };
    blocks.set(nodeIndex, made);
    return made;
  };
  return {
    blockOf: (nodeIndex) => block(nodeIndex).cidr,
    allocate(nodeIndex) {
      const node = block(nodeIndex);
      const ip = node.fresh <= node.last ? node.cidr.at(node.fresh++) : node.freed.shift();
      if (ip === undefined) throw new Error(`no IP addresses available in range set: ${node.cidr.at(2)}-${node.cidr.at(node.last)}`);
      allocated.set(ip, node);
      return ip;
    },
    release(ip) {
      const node = allocated.get(ip);
      if (!allocated.delete(ip)) return;
      node?.freed.push(ip);
    },
  };
}
