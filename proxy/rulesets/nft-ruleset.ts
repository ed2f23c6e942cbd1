// The rules of one node as kube-proxy's nftables mode writes them: table `kube-proxy`, its base chains, sets, maps and service chains.
// Upstream: pkg/proxy/nftables/proxier.go (one chain per endpoint, as until 1.35).
import { Cidr, type IpFamily, ipToBigInt } from "../../model/ip.ts";
import { nodePortsEverywhere } from "../node-port-addresses.ts";
import { hostPort, type ProxyEndpoint, type ServicePort } from "../service-port.ts";
import type { NodeView } from "../topology.ts";
import { nftEndpointChain, nftServiceChain } from "./chain-names.ts";
import { type NftChain, type NftSet, type NftTable, nftTableText } from "./nft-table.ts";
import { familiesOf, nodePortIps, podBlocks, type PortPlan, portPlans, type RulesetInput, sourceRanges } from "./port-plan.ts";

const MASQUERADE = "jump mark-for-masquerade";

/** The text that `nft list ruleset` shows on the node; without --nodeport-addresses, as nftables' default is: the primary ones. */
export function nftRuleset(input: RulesetInput): string {
  const config = { ...input.config, mode: "nftables" as const };
  return familiesOf(input)
    .map((family) => nftTableText(nftTable({ ...input, config }, family)))
    .join("");
}

/** One family's table. */
export function nftTable(input: RulesetInput, family: IpFamily): NftTable {
  const table = baseTable(input, family);
  for (const ip of nodePortIps(input, family)) elements(table, "nodeport-ips").set(ip, {});
  for (const plan of portPlans(input, family)) addPort(table, plan, input);
  return table;
}

function elements(table: NftTable, name: string): NftSet["elements"] {
  return table.sets.get(name)?.elements ?? new Map();
}

function baseTable({ config, node }: RulesetInput, family: IpFamily): NftTable {
  const ip = family === "IPv4" ? "ip" : "ip6";
  const address = family === "IPv4" ? "ipv4_addr" : "ipv6_addr";
  const set = (type: string, comment: string): NftSet => ({ type, verdicts: false, comment, elements: new Map() });
  const map = (type: string, comment: string): NftSet => ({ type, verdicts: true, comment, elements: new Map() });
  const toService = `${address} . inet_proto . inet_service`;
  const toNodePort = "inet_proto . inet_service";
  const blocks = config.serviceCIDRs.filter((block) => block.family === family).map(String);
  const look = `${ip} daddr . meta l4proto . th dport vmap`;
  const everywhere = nodePortsEverywhere(config, node, family);
  const nodePortIp = everywhere ? `${ip} daddr != ${localhostOf(node, family)}` : `${ip} daddr @nodeport-ips`;
  const nodePort = `${nodePortIp} meta l4proto . th dport vmap`;
  const unallocated = blocks.length > 0 ? [`${ip} daddr ${nftGroup(blocks)} drop comment "Drop traffic to unallocated ClusterIPs"`] : [];
  return {
    family: ip,
    name: "kube-proxy",
    comment: "rules for kube-proxy",
    sets: new Map<string, NftSet>([
      ["cluster-ips", set(address, "Active ClusterIPs")],
      ...(everywhere ? [] : [["nodeport-ips", set(address, "IPs that accept NodePort traffic")] as const]),
      ["firewall-ips", map(toService, "destinations that are subject to LoadBalancerSourceRanges")],
      ["no-endpoint-nodeports", map(toNodePort, "vmap to drop or reject packets to service nodeports with no endpoints")],
      ["no-endpoint-services", map(toService, "vmap to drop or reject packets to services with no endpoints")],
      ["service-ips", map(toService, "ClusterIP, ExternalIP and LoadBalancer IP traffic")],
      ["service-nodeports", map(toNodePort, "NodePort traffic")],
    ]),
    chains: new Map<string, NftChain>([
      chain("filter-prerouting-pre-dnat", ["ct state new jump firewall-check"], "type filter hook prerouting priority dstnat - 10"),
      chain("filter-output-pre-dnat", ["ct state new jump firewall-check"], "type filter hook output priority -110"),
      chain(
        "filter-input",
        ["ct state new jump nodeport-endpoints-check", "ct state new jump service-endpoints-check"],
        "type filter hook input priority filter",
      ),
      chain(
        "filter-forward",
        ["ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check"],
        "type filter hook forward priority filter",
      ),
      chain(
        "filter-output",
        ["ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check"],
        "type filter hook output priority filter",
      ),
      chain("nat-prerouting", ["jump services"], "type nat hook prerouting priority dstnat"),
      chain("nat-output", ["jump services"], "type nat hook output priority -100"),
      chain("nat-postrouting", ["jump masquerading"], "type nat hook postrouting priority srcnat"),
      chain("services", [`${look} @service-ips`, `${everywhere ? "fib daddr type local " : ""}${nodePort} @service-nodeports`]),
      chain("service-endpoints-check", [`${look} @no-endpoint-services`]),
      chain("nodeport-endpoints-check", [`${nodePort} @no-endpoint-nodeports`]),
      chain("firewall-check", [`${look} @firewall-ips`]),
      chain("cluster-ips-check", [
        `${ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`,
        ...unallocated,
      ]),
      chain("mark-for-masquerade", ["meta mark set meta mark | 0x00004000"]),
      chain("masquerading", [
        "meta mark & 0x00004000 == 0x00000000 return",
        "meta mark set meta mark ^ 0x00004000",
        "masquerade fully-random",
      ]),
      ["reject-chain", { comment: "helper for @no-endpoint-services / @no-endpoint-nodeports", rules: ["reject"] }],
    ]),
  };
}

/** Never a NodePort's address: localhost. A node whose own address is a loopback one gives up 127.0.0.1 only. */
function localhostOf({ addresses }: NodeView, family: IpFamily): string {
  if (family === "IPv6") return "::1";
  return addresses.some((ip) => ip.startsWith("127.")) ? "127.0.0.1" : "127.0.0.0/8";
}

const chain = (name: string, rules: readonly string[], hook?: string): readonly [string, NftChain] => [
  name,
  hook === undefined ? { rules } : { rules, hook },
];

function addPort(table: NftTable, plan: PortPlan, { config, node }: RulesetInput): void {
  const { port, cluster, local, reachable, external, internalRefusal, externalRefusal } = plan;
  const ip = table.family;
  const base = nftServiceChain(port);
  const protocol = port.protocol.toLowerCase();
  const outside = [...port.externalIPs, ...port.loadBalancerIPs];
  const to = (address: string): string => `${address} . ${protocol} . ${port.port}`;
  const put = (map: string, key: string, verdict: string, comment?: string): void =>
    void elements(table, map).set(key, comment === undefined ? { verdict } : { verdict, comment });
  const refuse = (map: string, key: string, refusal: "reject" | "drop"): void =>
    put(map, key, refusal === "drop" ? "drop" : "goto reject-chain", port.id);

  elements(table, "cluster-ips").set(port.clusterIP, {});
  const policyChain = (isLocal: boolean): string => `${isLocal ? "local" : "service"}-${base}`;
  if (internalRefusal) refuse("no-endpoint-services", to(port.clusterIP), internalRefusal);
  else put("service-ips", to(port.clusterIP), `goto ${policyChain(port.internalLocal)}`);
  if (external && reachable.length > 0) {
    for (const address of outside) put("service-ips", to(address), `goto external-${base}`);
    if (port.nodePort !== 0) put("service-nodeports", `${protocol} . ${port.nodePort}`, `goto external-${base}`);
  }
  if (external && externalRefusal) {
    for (const address of outside) refuse("no-endpoint-services", to(address), externalRefusal);
    if (port.nodePort !== 0) refuse("no-endpoint-nodeports", `${protocol} . ${port.nodePort}`, externalRefusal);
  }
  if (port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0) {
    for (const address of port.loadBalancerIPs) put("firewall-ips", to(address), `goto firewall-${base}`);
    table.chains.set(`firewall-${base}`, { rules: [`${ip} saddr != ${nftGroup(sourceRanges(port, node))} drop`] });
  }

  const pods = nftGroup(podBlocks(config, port.family).map(String));
  const toClusterIp = `${ip} daddr ${port.clusterIP}`;
  const masquerade = config.masqueradeAll
    ? [`${toClusterIp} ${MASQUERADE}`]
    : pods === ""
      ? []
      : [`${toClusterIp} ${ip} saddr != ${pods} ${MASQUERADE}`];
  for (const [isLocal, endpoints] of [
    [false, cluster],
    [true, local],
  ] as const) {
    if (endpoints.length === 0) continue;
    const first = isLocal === port.internalLocal ? masquerade : [];
    table.chains.set(policyChain(isLocal), { rules: [...first, ...choice(port, endpoints, ip)] });
  }
  if (external && reachable.length > 0) table.chains.set(`external-${base}`, { rules: externalRules(plan, base, ip, pods) });
  for (const endpoint of reachable) addEndpoint(table, port, endpoint);
}

function externalRules({ port, local }: PortPlan, base: string, ip: string, pods: string): readonly string[] {
  if (!port.externalLocal) return [MASQUERADE, `goto service-${base}`];
  return [
    ...(pods === "" ? [] : [`${ip} saddr ${pods} goto service-${base} comment "short-circuit pod traffic"`]),
    `fib saddr type local ${MASQUERADE} comment "masquerade local traffic"`,
    `fib saddr type local goto service-${base} comment "short-circuit local traffic"`,
    ...(local.length > 0 ? [`goto local-${base}`] : []),
  ];
}

function choice(port: ServicePort, endpoints: readonly ProxyEndpoint[], ip: string): readonly string[] {
  const names = endpoints.map((endpoint) => nftEndpointChain(port, endpoint));
  const bound = port.affinitySeconds > 0 ? names.map((name) => `${ip} saddr @affinity-${name} goto endpoint-${name}`) : [];
  return [...bound, `numgen random mod ${names.length} vmap { ${names.map((name, i) => `${i} : goto endpoint-${name}`).join(", ")} }`];
}

function addEndpoint(table: NftTable, port: ServicePort, endpoint: ProxyEndpoint): void {
  const name = nftEndpointChain(port, endpoint);
  const ip = table.family;
  const affinity = port.affinitySeconds > 0;
  if (affinity) {
    const type = ip === "ip" ? "ipv4_addr" : "ipv6_addr";
    table.sets.set(`affinity-${name}`, {
      type,
      verdicts: false,
      sizeLimit: 65_535,
      flags: "dynamic,timeout",
      timeoutSeconds: port.affinitySeconds,
      elements: new Map(),
    });
  }
  table.chains.set(`endpoint-${name}`, {
    rules: [
      `${ip} saddr ${endpoint.ip} ${MASQUERADE}`,
      ...(affinity ? [`update @affinity-${name} { ${ip} saddr }`] : []),
      `meta l4proto ${port.protocol.toLowerCase()} dnat to ${hostPort(endpoint.ip, endpoint.port)}`,
    ],
  });
}

/** Addresses and blocks as `a`, or `{ a, b }` in nft's order. Those inside another are left out: nft refuses overlapping intervals. */
function nftGroup(values: readonly string[]): string {
  const blocks = values.map((text) => ({ text, block: new Cidr(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`) }));
  const kept = blocks.filter(
    ({ block }, i) =>
      !blocks.some(({ block: other }, j) => {
        const larger = other.prefixLength < block.prefixLength || (other.prefixLength === block.prefixLength && j < i);
        return larger && other.contains(block.at(0));
      }),
  );
  const sorted = kept.map(({ text, block }) => ({ text, first: ipToBigInt(block.at(0)) })).sort((a, b) => (a.first < b.first ? -1 : 1));
  return sorted.length > 1 ? `{ ${sorted.map(({ text }) => text).join(", ")} }` : (sorted[0]?.text ?? "");
}
