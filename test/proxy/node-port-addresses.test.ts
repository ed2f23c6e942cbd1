// Rows of k8s pkg/proxy/util/nodeport_addresses_test.go TestGetNodeAddresses, TestContainsIPv4Loopback; and the rule that ends KUBE-SERVICES,
// pkg/proxy/iptables/proxier_test.go Test{Enable,Disable}LocalhostNodePorts{IPv4,IPv6}.
import t from "tap";
import { Cidr } from "../../model/ip.ts";
import type { ProxyConfig } from "../../proxy/index.ts";
import { hasNodePorts, nodePortsEverywhere } from "../../proxy/node-port-addresses.ts";
import { iptablesRuleset } from "../../proxy/rulesets/iptables-ruleset.ts";
import { proxyConfig } from "./proxy-config.ts";
import { overall } from "./rulesets/overall-services.ts";

const cidrs = (text: string): readonly Cidr[] | undefined => (text === "" ? undefined : text.split(" ").map((block) => new Cidr(block)));
const selection = (text: string): ProxyConfig["nodePortAddresses"] => (text === "primary" ? text : cidrs(text));

/** `all` when a family is not narrowed; then the addresses of the node that answer. */
const ROWS: readonly (readonly [name: string, blocks: string, addresses: string, ipv4: string, ipv6: string])[] = [
  ["IPv4 single", "10.20.30.0/24", "10.20.30.51 100.200.201.1", "10.20.30.51", "all"],
  ["IPv4 zero CIDR", "0.0.0.0/0", "10.20.30.51", "all 10.20.30.51", "all"],
  ["IPv6 multiple", "2001:db8::/64 ::1/128", "2001:db8::1 2001:db9::1", "all", "2001:db8::1"],
  ["IPv6 zero CIDR", "::/0", "2001:db8::1", "all", "all 2001:db8::1"],
  ["IPv4 multiple", "10.20.30.0/24 100.200.201.0/24", "10.20.30.51 100.200.201.1", "10.20.30.51 100.200.201.1", "all"],
  ["IPv4 multiple, no match", "10.20.30.0/24 100.200.201.0/24", "192.168.1.2", "", "all"],
  ["empty list, IPv4", "", "192.168.1.2", "all 192.168.1.2", "all"],
  ["empty list, IPv6", "", "2001:db8::1", "all", "all 2001:db8::1"],
  ["IPv4 redundant CIDRs", "1.2.3.0/24 0.0.0.0/0", "1.2.3.4", "all 1.2.3.4", "all"],
  ["dual-stack, redundant IPv4", "0.0.0.0/0 1.2.3.0/24 2001:db8::1/128", "1.2.3.4 2001:db8::1 2001:db8::2", "all 1.2.3.4", "2001:db8::1"],
  ["dual-stack, redundant IPv6", "::/0 1.2.3.0/24 2001:db8::1/128", "1.2.3.4 2001:db8::1", "1.2.3.4", "all 2001:db8::1"],
  ["primary, IPv4", "primary", "10.20.30.51 100.200.201.1", "10.20.30.51", "all"],
  ["primary, dual-stack", "primary", "10.20.30.51 2001:db8::1 10.20.30.52 2001:db8::2", "10.20.30.51", "2001:db8::1"],
  ["IPv4 narrowed, IPv6 not", "10.20.30.0/24", "10.20.30.51 2001:db8::1", "10.20.30.51", "all 2001:db8::1"],
];
for (const [name, blocks, addresses, ipv4, ipv6] of ROWS) {
  const config = { ...proxyConfig, nodePortAddresses: selection(blocks) };
  const node = { name: "n", addresses: addresses.split(" "), zone: "" };
  for (const [family, expected] of [
    ["IPv4", ipv4],
    ["IPv6", ipv6],
  ] as const) {
    const answering = node.addresses.filter((ip) => ip.includes(":") === (family === "IPv6") && hasNodePorts(ip, node, config));
    t.equal([nodePortsEverywhere(config, node, family) ? "all" : "", ...answering].join(" ").trim(), expected, `${name}: ${family}`);
  }
}

t.test("127.0.0.1 in mode iptables", async (t) => {
  const node = { name: "n", addresses: ["10.20.30.51"], zone: "" };
  for (const [blocks, expected] of [
    ["", true],
    ["0.0.0.0/0", true],
    ["127.0.0.0/8", true],
    ["64.0.0.0/2", true],
    ["::/0", true],
    ["10.20.30.0/24", false],
    ["128.0.2.0/28 ::1/128", false],
    ["primary", false],
  ] as const)
    t.equal(hasNodePorts("127.0.0.1", node, { ...proxyConfig, nodePortAddresses: selection(blocks) }), expected, blocks);
  t.notOk(hasNodePorts("127.0.0.1", node, { ...proxyConfig, localhostNodePorts: false }));
  t.notOk(hasNodePorts("127.0.0.1", node, { ...proxyConfig, mode: "nftables" }));
});

t.test("the last rule of KUBE-SERVICES", async (t) => {
  const note = '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"';
  const last = (overrides: Partial<ProxyConfig>): readonly string[] => {
    const input = overall({ mode: "iptables", ...overrides });
    const node = { name: "test-node", addresses: ["192.168.0.2", "192.168.1.2", "2001:db8::1"], zone: "" };
    const lines = iptablesRuleset({ ...input, node }).split("\n");
    return lines.filter((line) => line.endsWith("-j KUBE-NODEPORTS") && line.startsWith("-A KUBE-SERVICES"));
  };
  const any = `${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`;
  const ipv6 = `-A KUBE-SERVICES ! -d ::1/128 ${any}`;
  t.same(last({}), [`-A KUBE-SERVICES ${any}`, ipv6]);
  t.same(last({ localhostNodePorts: false }), [`-A KUBE-SERVICES ! -d 127.0.0.0/8 ${any}`, ipv6]);
  t.same(last({ nodePortAddresses: cidrs("0.0.0.0/0") }), [`-A KUBE-SERVICES ${any}`, ipv6]);
  t.same(last({ nodePortAddresses: "primary" }), [
    `-A KUBE-SERVICES -d 192.168.0.2/32 ${note} -j KUBE-NODEPORTS`,
    `-A KUBE-SERVICES -d 2001:db8::1/128 ${note} -j KUBE-NODEPORTS`,
  ]);
  t.same(last({ nodePortAddresses: cidrs("192.168.0.0/24") }), [`-A KUBE-SERVICES -d 192.168.0.2/32 ${note} -j KUBE-NODEPORTS`, ipv6]);
});

t.test("in mode nftables nothing given is primary, and a block that holds all is all", async (t) => {
  const node = { name: "n", addresses: ["10.20.30.51", "10.20.30.52"], zone: "" };
  const at = (overrides: Partial<ProxyConfig>): readonly string[] =>
    node.addresses.filter((ip) => hasNodePorts(ip, node, { ...proxyConfig, mode: "nftables", ...overrides }));
  t.same(at({}), ["10.20.30.51"]);
  t.same(at({ nodePortAddresses: "primary" }), ["10.20.30.51"]);
  t.same(at({ nodePortAddresses: cidrs("0.0.0.0/0") }), node.addresses);
});
