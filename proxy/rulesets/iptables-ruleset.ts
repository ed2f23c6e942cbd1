// The rules of one node as kube-proxy's iptables mode writes them, in the notation of `iptables-save` (IPv6: `ip6tables-save`).
// Upstream: pkg/proxy/iptables/proxier.go. Left out: the kubelet's own chains except KUBE-FIREWALL, counters, and the canary chains.
import { ipFamily, type IpFamily } from "../../model/ip.ts";
import { hasNodePorts, localhostHasNodePorts, nodePortsEverywhere } from "../node-port-addresses.ts";
import { hostPort, type ProxyEndpoint, type ServicePort } from "../service-port.ts";
import { iptablesEndpointChain, iptablesServiceChain } from "./chain-names.ts";
import { familiesOf, podBlocks, type PortPlan, portPlans, type RulesetInput, sourceRanges } from "./port-plan.ts";

/** Above this many endpoints upstream writes no comments on their rules. */
const LARGE_CLUSTER_ENDPOINTS = 1000;

/** The text that `iptables-save` shows on the node. */
export function iptablesRuleset(input: RulesetInput): string {
  const config = { ...input.config, mode: "iptables" as const };
  return familiesOf(input)
    .map((family) => familyText({ ...input, config }, family))
    .join("");
}

class Tables {
  readonly filter = new Map<string, string[]>();
  readonly nat = new Map<string, string[]>();
  readonly input: RulesetInput;
  readonly family: IpFamily;
  readonly comments: boolean;
  constructor(input: RulesetInput, family: IpFamily, endpoints: number) {
    this.input = input;
    this.family = family;
    this.comments = endpoints <= LARGE_CLUSTER_ENDPOINTS;
  }
  add(table: "filter" | "nat", chain: string, ...rules: readonly string[]): void {
    const chains = this[table];
    const known = chains.get(chain);
    if (known) known.push(...rules);
    else chains.set(chain, [...rules]);
  }
  host(ip: string): string {
    return `${ip}/${this.family === "IPv4" ? 32 : 128}`;
  }
}

const comment = (text: string): string => `-m comment --comment "${text}"`;
const portComment = (tables: Tables, text: string): string => (tables.comments ? ` ${comment(text)}` : "");

function familyText(input: RulesetInput, family: IpFamily): string {
  const plans = portPlans(input, family);
  const tables = new Tables(
    input,
    family,
    plans.reduce((sum, plan) => sum + plan.port.endpoints.length, 0),
  );
  addBase(tables);
  if (family === "IPv4" && localhostHasNodePorts(input.config)) addLocalnetGuard(tables);
  for (const plan of plans) addPort(tables, plan);
  for (const rule of nodePortRules(tables)) tables.add("nat", "KUBE-SERVICES", rule);
  return `# ${family === "IPv4" ? "iptables-save" : "ip6tables-save"}\n${tableText("filter", tables.filter, FILTER_HOOKS)}${tableText("nat", tables.nat, NAT_HOOKS)}`;
}

const FILTER_HOOKS = ["INPUT", "FORWARD", "OUTPUT"];
const NAT_HOOKS = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"];

function tableText(name: string, chains: ReadonlyMap<string, readonly string[]>, hooks: readonly string[]): string {
  const own = [...chains.keys()].filter((chain) => !hooks.includes(chain)).sort();
  const lines = [`*${name}`, ...hooks.map((chain) => `:${chain} ACCEPT [0:0]`), ...own.map((chain) => `:${chain} - [0:0]`)];
  for (const chain of [...hooks, ...own]) for (const rule of chains.get(chain) ?? []) lines.push(`-A ${chain} ${rule}`);
  return `${[...lines, "COMMIT"].join("\n")}\n`;
}

function addBase(tables: Tables): void {
  const fresh = "-m conntrack --ctstate NEW";
  const firewall = `${fresh} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`;
  const portals = `${fresh} ${comment("kubernetes service portals")} -j KUBE-SERVICES`;
  const visible = `${fresh} ${comment("kubernetes externally-visible service portals")} -j KUBE-EXTERNAL-SERVICES`;
  tables.add("filter", "INPUT", firewall, `${comment("kubernetes health check service ports")} -j KUBE-NODEPORTS`, visible);
  tables.add("filter", "FORWARD", firewall, `${comment("kubernetes forwarding rules")} -j KUBE-FORWARD`, portals, visible);
  tables.add("filter", "OUTPUT", firewall, portals);
  for (const chain of ["KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"]) tables.add("filter", chain);
  tables.add(
    "filter",
    "KUBE-FORWARD",
    "-m conntrack --ctstate INVALID -j DROP",
    `${comment("kubernetes forwarding rules")} -m mark --mark 0x4000/0x4000 -j ACCEPT`,
    `${comment("kubernetes forwarding conntrack rule")} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  );
  for (const hook of ["PREROUTING", "OUTPUT"]) tables.add("nat", hook, `${comment("kubernetes service portals")} -j KUBE-SERVICES`);
  tables.add("nat", "POSTROUTING", `${comment("kubernetes postrouting rules")} -j KUBE-POSTROUTING`);
  tables.add("nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark 0x4000/0x4000");
  tables.add("nat", "KUBE-NODEPORTS");
  tables.add("nat", "KUBE-SERVICES");
  tables.add(
    "nat",
    "KUBE-POSTROUTING",
    "-m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-j MARK --set-xmark 0x4000/0x0",
    `${comment("kubernetes service traffic requiring SNAT")} -j MASQUERADE --random-fully`,
  );
}

/** NodePorts on 127.0.0.1 need route_localnet, which would let other hosts reach what listens there only. Issue 90259 upstream. */
function addLocalnetGuard(tables: Tables): void {
  for (const hook of ["INPUT", "OUTPUT"]) tables.add("filter", hook, "-j KUBE-FIREWALL");
  const incoming = `! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment("block incoming localnet connections")}`;
  tables.add("filter", "KUBE-FIREWALL", `${incoming} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`);
}

/** Last in KUBE-SERVICES: all local addresses, or one rule for each that NodePorts answer on. */
function nodePortRules(tables: Tables): readonly string[] {
  const { node, config } = tables.input;
  const note = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
  if (nodePortsEverywhere(config, node, tables.family)) {
    const notLocalhost = tables.family === "IPv6" ? "! -d ::1/128 " : config.localhostNodePorts ? "" : "! -d 127.0.0.0/8 ";
    return [`${notLocalhost}${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`];
  }
  const addresses = node.addresses.filter((ip) => ipFamily(ip) === tables.family && hasNodePorts(ip, node, config));
  return addresses.map((ip) => `-d ${tables.host(ip)} ${note} -j KUBE-NODEPORTS`);
}

function addPort(tables: Tables, plan: PortPlan): void {
  const { port, cluster, local, reachable, external, internalRefusal, externalRefusal } = plan;
  const { config, node } = tables.input;
  const protocol = port.protocol.toLowerCase();
  const service = iptablesServiceChain("SVC", port);
  const localChain = iptablesServiceChain("SVL", port);
  const ext = iptablesServiceChain("EXT", port);
  const firewall = iptablesServiceChain("FW", port);
  const to = (ip: string, note: string): string =>
    `-d ${tables.host(ip)} -p ${protocol}${note === "" ? "" : ` ${comment(note)}`} -m ${protocol} --dport ${port.port}`;
  const refusal = (how: "reject" | "drop"): string =>
    how === "drop" ? "DROP" : `REJECT --reject-with ${tables.family === "IPv4" ? "icmp" : "icmp6"}-port-unreachable`;
  const why = (how: "reject" | "drop"): string => `${port.id} has no ${how === "drop" ? "local " : ""}endpoints`;

  if (internalRefusal) {
    tables.add("filter", "KUBE-SERVICES", `${to(port.clusterIP, why(internalRefusal))} -j ${refusal(internalRefusal)}`);
  } else {
    tables.add("nat", "KUBE-SERVICES", `${to(port.clusterIP, `${port.id} cluster IP`)} -j ${port.internalLocal ? localChain : service}`);
  }
  if (external && reachable.length > 0) {
    const filtered = port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0;
    for (const ip of port.externalIPs) tables.add("nat", "KUBE-SERVICES", `${to(ip, `${port.id} external IP`)} -j ${ext}`);
    for (const ip of port.loadBalancerIPs) {
      tables.add("nat", "KUBE-SERVICES", `${to(ip, `${port.id} loadbalancer IP`)} -j ${filtered ? firewall : ext}`);
      if (filtered) tables.add("filter", "KUBE-PROXY-FIREWALL", `${to(ip, `${port.id} traffic not accepted by ${firewall}`)} -j DROP`);
    }
    if (filtered) {
      const lines = sourceRanges(port, node).map(
        (range) => `-s ${range.includes("/") ? range : tables.host(range)} ${comment(`${port.id} loadbalancer IP`)} -j ${ext}`,
      );
      tables.add("nat", firewall, ...lines, comment(`other traffic to ${port.id} will be dropped by KUBE-PROXY-FIREWALL`));
    }
    if (port.nodePort !== 0)
      tables.add("nat", "KUBE-NODEPORTS", `-p ${protocol} ${comment(port.id)} -m ${protocol} --dport ${port.nodePort} -j ${ext}`);
    tables.add("nat", ext, ...externalRules(tables, plan, service, localChain));
  }
  if (external && externalRefusal) {
    const note = why(externalRefusal);
    const end = `-j ${refusal(externalRefusal)}`;
    for (const ip of [...port.externalIPs, ...port.loadBalancerIPs])
      tables.add("filter", "KUBE-EXTERNAL-SERVICES", `${to(ip, note)} ${end}`);
    if (port.nodePort !== 0) {
      const rule = `-p ${protocol} ${comment(note)} -m addrtype --dst-type LOCAL -m ${protocol} --dport ${port.nodePort} ${end}`;
      tables.add("filter", "KUBE-EXTERNAL-SERVICES", rule);
    }
  }
  if (port.healthCheckNodePort !== 0) {
    const note = comment(`${port.id} health check node port`);
    tables.add("filter", "KUBE-NODEPORTS", `-p tcp ${note} -m tcp --dport ${port.healthCheckNodePort} -j ACCEPT`);
  }

  const masquerade = (): readonly string[] => {
    const rule = `${to(port.clusterIP, `${port.id} cluster IP`)} -j KUBE-MARK-MASQ`;
    if (config.masqueradeAll) return [rule];
    return podBlocks(config, tables.family).map((pods) => `! -s ${pods} ${rule}`);
  };
  if (cluster.length > 0) tables.add("nat", service, ...(port.internalLocal ? [] : masquerade()), ...choice(tables, port, cluster));
  if (local.length > 0) tables.add("nat", localChain, ...(port.internalLocal ? masquerade() : []), ...choice(tables, port, local));
  for (const endpoint of reachable) addEndpoint(tables, port, endpoint);
}

function externalRules(tables: Tables, { port, local }: PortPlan, service: string, localChain: string): readonly string[] {
  const about = `${port.id} external destinations`;
  if (!port.externalLocal) return [`${comment(`masquerade traffic for ${about}`)} -j KUBE-MARK-MASQ`, `-j ${service}`];
  return [
    ...podBlocks(tables.input.config, tables.family).map((pods) => `-s ${pods} ${comment(`pod traffic for ${about}`)} -j ${service}`),
    `${comment(`masquerade LOCAL traffic for ${about}`)} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
    `${comment(`route LOCAL traffic for ${about}`)} -m addrtype --src-type LOCAL -j ${service}`,
    ...(local.length > 0 ? [`-j ${localChain}`] : []),
  ];
}

const RECENT_MASK = { IPv4: "255.255.255.255", IPv6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

function choice(tables: Tables, port: ServicePort, endpoints: readonly ProxyEndpoint[]): readonly string[] {
  const note = (endpoint: ProxyEndpoint): string => portComment(tables, `${port.id} -> ${endpoint.id}`).trimStart();
  const join = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(" ");
  const bound =
    port.affinitySeconds === 0
      ? []
      : endpoints.map((endpoint) => {
          const sep = iptablesEndpointChain(port, endpoint);
          const recent = `-m recent --rcheck --seconds ${port.affinitySeconds} --reap --name ${sep} --mask ${RECENT_MASK[port.family]} --rsource`;
          return join(note(endpoint), recent, `-j ${sep}`);
        });
  const picks = endpoints.map((endpoint, i) => {
    const left = endpoints.length - i;
    const statistic = left > 1 ? `-m statistic --mode random --probability ${probabilityText(left)}` : "";
    return join(note(endpoint), statistic, `-j ${iptablesEndpointChain(port, endpoint)}`);
  });
  return [...bound, ...picks];
}

/** 1/n as the kernel keeps it, in units of 2⁻³¹, and iptables-save prints it. */
function probabilityText(n: number): string {
  const written = Number((1 / n).toFixed(10));
  return (Math.round(written * 2 ** 31) / 2 ** 31).toFixed(11);
}

function addEndpoint(tables: Tables, port: ServicePort, endpoint: ProxyEndpoint): void {
  const chain = iptablesEndpointChain(port, endpoint);
  const protocol = port.protocol.toLowerCase();
  const note = portComment(tables, port.id);
  const recent = port.affinitySeconds > 0 ? ` -m recent --set --name ${chain} --mask ${RECENT_MASK[port.family]} --rsource` : "";
  tables.add(
    "nat",
    chain,
    `-s ${tables.host(endpoint.ip)}${note} -j KUBE-MARK-MASQ`,
    `-p ${protocol}${note}${recent} -m ${protocol} -j DNAT --to-destination ${hostPort(endpoint.ip, endpoint.port)}`,
  );
}
