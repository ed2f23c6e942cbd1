// The nftables text: its chains as upstream writes them, and the real nft loading and listing it again unchanged.
import t from "tap";
import { execFileSync } from "node:child_process";
import { missingPrograms } from "../../support/command.ts";
import { nftRuleset } from "../../../proxy/rulesets/nft-ruleset.ts";
import { Cidr } from "../../../model/ip.ts";
import type { ProxyConfig } from "../../../proxy/index.ts";
import { dualStack, overall } from "./overall-services.ts";

/** Blocks of a listing by first line, element order (which is a hash table's) and wrapping aside. */
function blocksOf(listing: string): Record<string, string> {
  const blocks: Record<string, string> = {};
  let table = "";
  for (const block of listing.split(/\n(?=\t(?:set|map|chain) |table )/)) {
    const [head = ""] = block.split("\n", 1);
    if (head.startsWith("table")) table = head;
    const elements = /elements = \{([^}]*)\}/s.exec(block)?.[1];
    const sorted = elements
      ?.split(",")
      .map((text) => text.trim())
      .sort()
      .join(", ");
    blocks[`${table} ${head.trim()}`] = block.replace(/elements = \{[^}]*\}/s, () => `elements = { ${sorted} }`).replace(/\s+\}?\s*$/, "");
  }
  return blocks;
}

const text = nftRuleset(overall());

function chain(name: string): readonly string[] {
  const body = text.split(`\tchain ${name} {\n`)[1]?.split("\n\t}")[0] ?? "";
  return body.split("\n").map((line) => line.trim());
}

t.test("chains of a ClusterIP", async (t) => {
  t.same(chain("service-ULMVA6XW-ns1/svc1/tcp/p80"), [
    "ip daddr 172.30.0.41 ip saddr != 10.0.0.0/8 jump mark-for-masquerade",
    "numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 }",
  ]);
  t.same(chain("endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"), [
    "ip saddr 10.180.0.1 jump mark-for-masquerade",
    "meta l4proto tcp dnat to 10.180.0.1:80",
  ]);
});

t.test("externalTrafficPolicy Local without local endpoints: short-circuits, and drops for the rest", async (t) => {
  t.same(chain("external-42NFTM6N-ns2/svc2/tcp/p80"), [
    'ip saddr 10.0.0.0/8 goto service-42NFTM6N-ns2/svc2/tcp/p80 comment "short-circuit pod traffic"',
    'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
    'fib saddr type local goto service-42NFTM6N-ns2/svc2/tcp/p80 comment "short-circuit local traffic"',
  ]);
  for (const element of ["192.168.99.22 . tcp . 80", "1.2.3.4 . tcp . 80", "tcp . 3001"]) {
    t.ok(text.includes(`${element} comment "ns2/svc2:p80" : drop`), element);
  }
});

t.test("two endpoints, affinity, source ranges, no endpoints", async (t) => {
  t.same(
    chain("service-LAUZTJTB-ns4/svc4/tcp/p80")[1],
    "numgen random mod 2 vmap { 0 : goto endpoint-UNZV3OEC-ns4/svc4/tcp/p80__10.180.0.4/80, 1 : goto endpoint-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80 }",
  );
  const name = "GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80";
  t.equal(chain("service-HVFWP5L3-ns5/svc5/tcp/p80")[1], `ip saddr @affinity-${name} goto endpoint-${name}`);
  t.equal(chain(`endpoint-${name}`)[1], `update @affinity-${name} { ip saddr }`);
  t.same(chain("firewall-HVFWP5L3-ns5/svc5/tcp/p80"), ["ip saddr != 203.0.113.0/25 drop"]);
  t.ok(text.includes("5.6.7.8 . tcp . 80 : goto firewall-HVFWP5L3-ns5/svc5/tcp/p80"));
  t.ok(text.includes('172.30.0.46 . tcp . 80 comment "ns6/svc6:p80" : goto reject-chain'));
});

t.test("masquerade-all", async (t) => {
  t.ok(nftRuleset(overall({ masqueradeAll: true })).includes("\t\tip daddr 172.30.0.41 jump mark-for-masquerade\n"));
});

t.test("NodePorts on primary addresses, on given ones, and on all", async (t) => {
  const rules = (overrides: Partial<ProxyConfig>, addresses = ["192.168.0.2", "192.168.1.2"]): readonly string[] => {
    const input = overall(overrides);
    const listing = nftRuleset({ ...input, node: { ...input.node, addresses } });
    const found = listing.split("\n").filter((line) => /(service|no-endpoint)-nodeports$|\{ 192\.168\.[01]\.2 \}$/.test(line));
    if (!listing.includes("set nodeport-ips")) found.push("no set");
    return found.map((line) => line.trim());
  };
  const narrowed = (addresses: string): readonly string[] => [
    `elements = { ${addresses} }`,
    "ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports",
    "ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports",
  ];
  t.same(rules({}), narrowed("192.168.0.2"));
  t.same(rules({ nodePortAddresses: "primary" }), narrowed("192.168.0.2"));
  t.same(rules({ nodePortAddresses: [new Cidr("192.168.1.0/24")] }), narrowed("192.168.1.2"));
  const all = { nodePortAddresses: [new Cidr("0.0.0.0/0")] };
  t.same(rules(all), [
    "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports",
    "ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports",
    "no set",
  ]);
  t.match(rules(all, ["127.18.0.2"])[0], "ip daddr != 127.0.0.1 ", "nodes here have loopback addresses");
});

t.test("one Service only", async (t) => {
  const one = nftRuleset({ ...overall(), service: "ns1/svc1" });
  t.ok(one.includes("service-ULMVA6XW") && !one.includes("svc2"));
});

function whyNoNft(): string | false {
  const missing = missingPrograms("nft", "unshare");
  if (missing) return missing;
  try {
    execFileSync("unshare", ["-rn", "nft", "list", "ruleset"], { stdio: "pipe" });
    return false;
  } catch (error) {
    return `nft in a network namespace of its own does not work here: ${error instanceof Error ? error.message.split("\n")[0] : ""}`;
  }
}

t.test("source ranges that overlap, and one that holds all", { skip: whyNoNft() }, async (t) => {
  const rows = [
    [["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "9.0.0.0/8"], "ip saddr != { 9.0.0.0/8, 10.0.0.0/8 } drop"],
    [["0.0.0.0/0", "10.1.0.0/16"], "ip saddr != 0.0.0.0/0 drop"],
  ] as const;
  for (const [ranges, rule] of rows) {
    const input = nftRuleset(overall({}, ranges));
    t.ok(input.includes(rule), rule);
    t.doesNotThrow(() => loaded(input));
  }
});

const loaded = (input: string): string =>
  execFileSync("unshare", ["-rn", "sh", "-c", "nft -f - && nft list ruleset"], { input, encoding: "utf8" });

t.test("nft loads the text as it is, and lists it again as it was", { skip: whyNoNft() }, async (t) => {
  t.same(blocksOf(loaded(text)), blocksOf(text));
  const everywhere = nftRuleset(overall({ nodePortAddresses: [new Cidr("0.0.0.0/0")] }));
  t.same(blocksOf(loaded(everywhere)), blocksOf(everywhere));
});

t.test("both families, all protocols, Local policies, several source ranges", { skip: whyNoNft() }, async (t) => {
  const input = dualStack();
  const both = nftRuleset(input);
  t.match(both, /^table ip6 kube-proxy \{$/m);
  t.match(both, "meta l4proto sctp dnat to [fd00:10:244::7]:53");
  t.same(blocksOf(loaded(both)), blocksOf(both));
});
