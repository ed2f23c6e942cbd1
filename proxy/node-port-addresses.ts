// At which addresses of a node NodePorts answer. Upstream: pkg/proxy/util/nodeport_addresses.go.
import { type Cidr, type IpFamily, ipFamily } from "../model/ip.ts";
import type { ProxyConfig } from "./evaluate.ts";
import { type NodeView, primaryAddress } from "./topology.ts";

/** The blocks that narrow one family; undefined when all its addresses answer: a block holds all, or blocks of the other family only are given. */
export function nodePortBlocks(
  { nodePortAddresses }: Pick<ProxyConfig, "nodePortAddresses">,
  family: IpFamily,
): readonly Cidr[] | undefined {
  const blocks = (nodePortAddresses ?? []).filter((block) => block.family === family);
  return blocks.length === 0 || blocks.some(({ prefixLength }) => prefixLength === 0) ? undefined : blocks;
}

/** True when the node's own 127.0.0.1 takes NodePorts, as iptables mode can. */
export function localhostHasNodePorts(config: ProxyConfig): boolean {
  const blocks = nodePortBlocks(config, "IPv4");
  return config.mode === "iptables" && config.localhostNodePorts && (!blocks || blocks.some((block) => block.contains("127.0.0.1")));
}

/** True when NodePorts answer on this address of the node. In mode nftables only its primary addresses do, unless blocks are given. */
export function hasNodePorts(ip: string, node: NodeView, config: ProxyConfig): boolean {
  const family = ipFamily(ip);
  if (!family) return false;
  const blocks = nodePortBlocks(config, family);
  const isIn = (address: string): boolean => blocks === undefined || blocks.some((block) => block.contains(address));
  if (ip === "127.0.0.1" && !node.addresses.includes(ip)) return localhostHasNodePorts(config);
  if (!node.addresses.includes(ip)) return false;
  if (config.mode !== "nftables" || config.nodePortAddresses) return isIn(ip);
  return ip === primaryAddress(node, family);
}
