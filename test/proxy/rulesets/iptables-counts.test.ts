// The counts agree with the ruleset that is printed, for every mixture of Services.
import t from "tap";
import { countIptablesRules } from "../../../proxy/rulesets/iptables-counts.ts";
import { iptablesRuleset } from "../../../proxy/rulesets/iptables-ruleset.ts";
import type { RulesetInput } from "../../../proxy/rulesets/port-plan.ts";
import { dualStack, overall } from "./overall-services.ts";
import { Cidr } from "../../../model/ip.ts";

const KERNEL_CHAIN = /^-A (INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING) /;

const SAVE = { IPv4: "iptables-save", IPv6: "ip6tables-save" };

/** Rules of kube-proxy's chains in the printed text; undefined when the family is not there. */
function printed(input: RulesetInput, family: "IPv4" | "IPv6"): { readonly filter: number; readonly nat: number } | undefined {
  const text = iptablesRuleset(input)
    .split(/^# /m)
    .find((part) => part.startsWith(SAVE[family]));
  const count = (table: string): number =>
    (text?.split(`*${table}\n`)[1]?.split("COMMIT")[0] ?? "")
      .split("\n")
      .filter((line) => line.startsWith("-A ") && !KERNEL_CHAIN.test(line)).length;
  return text === undefined ? undefined : { filter: count("filter"), nat: count("nat") };
}

const ROWS: readonly (readonly [string, RulesetInput])[] = [
  ["every kind of chain", overall({ mode: "iptables" })],
  ["NodePorts on one block", overall({ mode: "iptables", nodePortAddresses: [new Cidr("192.168.0.0/24")] })],
  ["NodePorts on 127.0.0.1 too", overall({ mode: "iptables", nodePortAddresses: [new Cidr("127.0.0.0/8")] })],
  ["no NodePorts on 127.0.0.1", overall({ mode: "iptables", localhostNodePorts: false })],
  ["masquerade all", overall({ mode: "iptables", masqueradeAll: true })],
  ["no detector", overall({ mode: "iptables", localDetector: false })],
  ["a node inside the source ranges", overall({ mode: "iptables" }, ["192.168.0.0/16"])],
  ["two families", dualStack()],
];
for (const [title, input] of ROWS) {
  t.test(title, async (t) => {
    for (const family of ["IPv4", "IPv6"] as const) {
      const wanted = printed(input, family);
      if (!wanted) continue;
      const { total, last } = countIptablesRules(input, family, () => true);
      t.same(total, wanted, family);
      t.same(last, total, "all Services changed");
    }
  });
}

t.test("a sync in which one Service changed writes its chains and what leads to all", async (t) => {
  const input = overall({ mode: "iptables" });
  const none = countIptablesRules(input, "IPv4", () => false);
  const one = countIptablesRules(input, "IPv4", (service) => service === "ns4/svc4");
  t.equal(one.last.filter, one.total.filter, "the filter table is written whole");
  // KUBE-EXT: 2, KUBE-SVC: 1 + 2, KUBE-SEP: 2 × 2.
  t.equal(one.last.nat - none.last.nat, 9);
});
