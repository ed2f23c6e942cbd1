// At which addresses of a node NodePorts answer. Upstream: pkg/proxy/util/nodeport_addresses.go; `primary`: cmd/kube-proxy/app/server.go.
import { type Cidr, type IpFamily, ipFamily } from "../model/ip.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { type NodeView, primaryAddress } from "./topology.ts";

/** The node's first address of each family only. */
export const PRIMARY = "primary";

/** True when all of a node's addresses of a family answer: a block holds all, or blocks of the other family only are given. */
export function nodePortsEverywhere(config: ProxyConfig, node: NodeView, family: IpFamily): boolean {
  const wanted = selected(config);
  return wanted === PRIMARY ? primaryAddress(node, family) === undefined : blocksOf(wanted, family) === undefined;
}

/** True when the node's own 127.0.0.1 takes NodePorts, as iptables mode can. */
export function localhostHasNodePorts(config: ProxyConfig): boolean {
  const wanted = selected(config);
  if (config.mode !== "iptables" || !config.localhostNodePorts || wanted === PRIMARY) return false;
  return blocksOf(wanted, "IPv4")?.some((block) => block.contains("127.0.0.1")) ?? true;
}

/** True when NodePorts answer on this address of the node. */
export function hasNodePorts(ip: string, node: NodeView, config: ProxyConfig): boolean {
  const family = ipFamily(ip);
  if (!family) return false;
  if (!node.addresses.includes(ip)) return ip === "127.0.0.1" && localhostHasNodePorts(config);
  const wanted = selected(config);
  if (wanted === PRIMARY) return ip === primaryAddress(node, family);
  return blocksOf(wanted, family)?.some((block) => block.contains(ip)) ?? true;
}

/** Mode nftables narrows by itself, the others do not. */
const selected = ({ mode, nodePortAddresses }: ProxyConfig): ProxyConfig["nodePortAddresses"] =>
  nodePortAddresses ?? (mode === "nftables" ? PRIMARY : undefined);

/** The blocks that narrow one family. */
function blocksOf(all: readonly Cidr[] = [], family: IpFamily): readonly Cidr[] | undefined {
  const blocks = all.filter((block) => block.family === family);
  return blocks.length === 0 || blocks.some(({ prefixLength }) => prefixLength === 0) ? undefined : blocks;
}
