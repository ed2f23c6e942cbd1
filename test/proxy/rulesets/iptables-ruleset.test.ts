// The iptables text, rule by rule, in iptables-save's spelling of what upstream's TestOverallIPTablesRules expects.
import t from "tap";
import { iptablesRuleset } from "../../../proxy/rulesets/iptables-ruleset.ts";
import { Cidr } from "../../../model/ip.ts";
import type { RulesetInput } from "../../../proxy/rulesets/port-plan.ts";
import { dualStack, manyEndpoints, overall } from "./overall-services.ts";

const lines = iptablesRuleset(overall({ mode: "iptables" })).split("\n");
const rulesOf = (chain: string): readonly string[] => lines.filter((line) => line.startsWith(`-A ${chain} `));

const expected: readonly string[] = [
  '-A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O',
  '-A KUBE-SERVICES -d 192.168.99.22/32 -p tcp -m comment --comment "ns2/svc2:p80 external IP" -m tcp --dport 80 -j KUBE-EXT-GNZBNJ2PO5MGZ6GT',
  '-A KUBE-SERVICES -d 5.6.7.8/32 -p tcp -m comment --comment "ns5/svc5:p80 loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-NUKIZ6OKUXPJNT4C',
  '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
  '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns3/svc3:p80" -m tcp --dport 3003 -j KUBE-EXT-X27LE4BHSL4DOUIK',
  '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns2/svc2:p80 health check node port" -m tcp --dport 30000 -j ACCEPT',
  '-A KUBE-EXT-4SW47YFZTEDKD3PK -m comment --comment "masquerade traffic for ns4/svc4:p80 external destinations" -j KUBE-MARK-MASQ',
  '-A KUBE-EXT-GNZBNJ2PO5MGZ6GT -s 10.0.0.0/8 -m comment --comment "pod traffic for ns2/svc2:p80 external destinations" -j KUBE-SVC-GNZBNJ2PO5MGZ6GT',
  '-A KUBE-EXT-GNZBNJ2PO5MGZ6GT -m comment --comment "masquerade LOCAL traffic for ns2/svc2:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
  '-A KUBE-FW-NUKIZ6OKUXPJNT4C -s 203.0.113.0/25 -m comment --comment "ns5/svc5:p80 loadbalancer IP" -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
  '-A KUBE-FW-NUKIZ6OKUXPJNT4C -m comment --comment "other traffic to ns5/svc5:p80 will be dropped by KUBE-PROXY-FIREWALL"',
  '-A KUBE-PROXY-FIREWALL -d 5.6.7.8/32 -p tcp -m comment --comment "ns5/svc5:p80 traffic not accepted by KUBE-FW-NUKIZ6OKUXPJNT4C" -m tcp --dport 80 -j DROP',
  '-A KUBE-SEP-C6EBXVWJJZMIWKLZ -s 10.180.0.5/32 -m comment --comment "ns4/svc4:p80" -j KUBE-MARK-MASQ',
  '-A KUBE-SEP-C6EBXVWJJZMIWKLZ -p tcp -m comment --comment "ns4/svc4:p80" -m tcp -j DNAT --to-destination 10.180.0.5:80',
  '-A KUBE-SVC-4SW47YFZTEDKD3PK ! -s 10.0.0.0/8 -d 172.30.0.44/32 -p tcp -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
  '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC',
  '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ',
  '-A KUBE-SERVICES -d 172.30.0.46/32 -p tcp -m comment --comment "ns6/svc6:p80 has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
  '-A KUBE-EXTERNAL-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns2/svc2:p80 has no local endpoints" -m tcp --dport 80 -j DROP',
  '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "ns2/svc2:p80 has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 3001 -j DROP',
];
for (const rule of expected) t.ok(lines.includes(rule), rule);

t.test("affinity: rcheck before the choice, set at the endpoint", async (t) => {
  const recent = "--name KUBE-SEP-I77PXRDZVX7PMWMN --mask 255.255.255.255 --rsource";
  t.match(rulesOf("KUBE-SVC-NUKIZ6OKUXPJNT4C")[1], `-m recent --rcheck --seconds 10800 --reap ${recent} -j KUBE-SEP-I77PXRDZVX7PMWMN`);
  t.match(rulesOf("KUBE-SEP-I77PXRDZVX7PMWMN")[1], `-m recent --set ${recent} -m tcp -j DNAT`);
});

t.test("the rule for NodePorts is the last of KUBE-SERVICES", async (t) => {
  const nat = lines.slice(lines.indexOf("*nat")).filter((line) => line.startsWith("-A KUBE-SERVICES "));
  t.match(nat.at(-1), "-j KUBE-NODEPORTS");
});

t.test("every chain that is jumped to is declared, and every declared one is used", async (t) => {
  const declared = new Set(lines.flatMap((line) => /^:(KUBE-\S+)/.exec(line)?.[1] ?? []));
  const used = new Set(lines.flatMap((line) => /-j (KUBE-\S+)/.exec(line)?.[1] ?? []));
  t.same(
    [...used].filter((chain) => !declared.has(chain)),
    [],
  );
  t.same(
    [...declared].filter((chain) => !used.has(chain)),
    [],
  );
});

t.test("a guard stands before 127.0.0.0/8 when NodePorts answer there, in IPv4 only", async (t) => {
  const guard =
    '-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP';
  const firewall = (input: RulesetInput): readonly string[] =>
    iptablesRuleset(input)
      .split("\n")
      .filter((line) => line.includes("KUBE-FIREWALL"));
  const all = [":KUBE-FIREWALL - [0:0]", "-A INPUT -j KUBE-FIREWALL", "-A OUTPUT -j KUBE-FIREWALL", guard];
  const rows: readonly (readonly [string, RulesetInput, readonly string[]])[] = [
    ["by default", overall({ mode: "iptables" }), all],
    ["two families", dualStack(), all],
    ["off", overall({ mode: "iptables", localhostNodePorts: false }), []],
    ["blocks without it", overall({ mode: "iptables", nodePortAddresses: [new Cidr("192.168.0.0/24")] }), []],
    ["blocks with it", overall({ mode: "iptables", nodePortAddresses: [new Cidr("127.0.0.0/8")] }), all],
    ["a block that holds all", overall({ mode: "iptables", nodePortAddresses: [new Cidr("0.0.0.0/0")] }), all],
  ];
  for (const [title, input, wanted] of rows) t.same(firewall(input), wanted, title);
});

t.test("above 1,000 endpoints the rules of endpoints have no comments, those of Services keep theirs", async (t) => {
  for (const [count, comments] of [
    [1000, true],
    [1001, false],
  ] as const) {
    const text = iptablesRuleset(manyEndpoints(count));
    t.equal(text.includes(' -m comment --comment "ns1/big:p80" '), comments, `${count}`);
    t.ok(text.includes('"ns1/big:p80 cluster IP"'));
  }
});
