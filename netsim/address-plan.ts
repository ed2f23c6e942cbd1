// Where cluster addresses are on this machine: the blocks of a cluster, and cluster address → socket address.
// `direct`: the address is the socket address. `mapped`: every listener is a free port of one loopback address.
// This file alone knows the difference; everything else speaks cluster addresses.
import type { Cidr, IpFamily } from "../model/ip.ts";
import type { Protocol, SocketAddress } from "../model/ports.ts";
import { createFamilyBlocks, type FamilyBlocks, ipv6Blocks } from "./family-blocks.ts";
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
  /** Default IPv4 alone; IPv4 then IPv6 is dual-stack, with fd00:<index>: blocks beside the others, in a mapped plan only. */
  readonly ipFamilies?: readonly IpFamily[];
}

/** The blocks of the first family, those of the second, and what both mean on this machine. */
export interface AddressPlan extends FamilyBlocks {
  readonly kind: AddressPlanKind;
  readonly index: number;
  /** The IPv6 blocks of a dual-stack cluster. */
  readonly secondary: FamilyBlocks | undefined;
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
  const primary = createFamilyBlocks({
    pods: options.podCidr ?? `127.${244 - index}.0.0/16`,
    services: options.serviceCidr ?? `127.${96 + index}.0.0/16`,
    nodes: options.nodeCidr ?? `127.${18 + index}.0.0/16`,
    loadBalancers: options.loadBalancerCidr,
  });
  checkBlocks(kind, namesOf(primary));
  const secondary = isDualStack(options, primary) ? createFamilyBlocks(ipv6Blocks(index)) : undefined;
  const blockOfFirst = blockTestOf(primary);
  const blockOfSecond = secondary && blockTestOf(secondary);
  const blockOf = blockOfSecond ? (ip: string) => blockOfFirst(ip) ?? blockOfSecond(ip) : blockOfFirst;
  const anywhere = { ip: loopback, port: 0 };
  return {
    ...primary,
    kind,
    index,
    secondary,
    blockOf,
    isClusterAddress: (ip) => blockOf(ip) !== undefined,
    candidates(address) {
      if (secondary && address.ip.includes(":")) return ipv6Candidates(address, blockOf(address.ip) === "node");
      if (kind === "mapped") return blockOf(address.ip) === "node" ? [{ ip: loopback, port: address.port }, anywhere] : [anywhere];
      const fallback = fallbackPort(address.port);
      return fallback > 65535 ? [address, anywhere] : [address, { ip: address.ip, port: fallback }, anywhere];
    },
  };
}

/** On ::1; where the machine has no IPv6, on 127.0.0.1. */
function ipv6Candidates({ port }: SocketAddress, sameNumber: boolean): readonly SocketAddress[] {
  const free = [
    { ip: "::1", port: 0 },
    { ip: "127.0.0.1", port: 0 },
  ];
  return sameNumber ? [{ ip: "::1", port }, ...free] : free;
}

function blockTestOf({ pods, services, nodes, loadBalancers }: FamilyBlocks): (ip: string) => AddressBlock | undefined {
  const [inPods, inServices, inNodes, inPool] = [blockTest(pods), blockTest(services), blockTest(nodes), blockTest(loadBalancers)];
  return (ip) => {
    if (inPods(ip)) return "pod";
    if (inServices(ip)) return "service";
    if (inPool(ip)) return "load-balancer";
    return inNodes(ip) ? "node" : undefined;
  };
}

function isDualStack({ kind, ipFamilies = ["IPv4"] }: AddressPlanOptions, primary: FamilyBlocks): boolean {
  const text = ipFamilies.join(",");
  if (text === "IPv4") return false;
  if (text !== "IPv4,IPv6")
    throw new RangeError(`IP families ${text || "(none)"} are not supported: use IPv4, or IPv4,IPv6 for dual-stack`);
  if (kind === "direct") {
    throw new RangeError("dual-stack needs the mapped address plan: IPv6 has no loopback block whose addresses could be dialled directly");
  }
  const other = Object.entries(namesOf(primary)).find(([, block]) => block.family !== "IPv4");
  if (other) throw new RangeError(`${other[0]} block ${other[1]} is not IPv4: in a dual-stack cluster IPv4 is the first family`);
  return true;
}

const namesOf = ({ pods, services, nodes, loadBalancers }: FamilyBlocks): Readonly<Record<string, Cidr>> => ({
  pod: pods,
  service: services,
  node: nodes,
  "load balancer": loadBalancers,
});

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
