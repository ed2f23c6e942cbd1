// rewrite in its whole grammar. Facts: CoreDNS 1.14.7, plugin/rewrite (README and tables of cases).
import t from "tap";
import type { Query, Reply } from "../../dns/message.ts";
import { dataText, recordType } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { externalName, namespace, WEB, webAndDb } from "./objects.ts";
import { answerData, answering, answerLines, faultOf, testChain } from "./plugin-harness.ts";

const HOSTS = `hosts {
 127.0.0.1 to.example bar.example.com foo.example.org corednsnginx.coredns.rocks a.svc.b x.coredns.maps a.b
 127.0.0.2 new.target.net
 ttl 60
 fallthrough
}
kubernetes cluster.local`;

const ask = async (rules: string, name: string, type: string, more?: Partial<Query>): Promise<Reply> =>
  testChain(`. {\n${rules}\n${HOSTS}\n}`, []).ask(name, type, more);

const A = "60 A 127.0.0.1";
const rows: readonly [rules: string, name: string, type: string, expected: string][] = [
  ["rewrite name from.example to.example", "from.example.", "A", `NOERROR from.example. ${A}`],
  ["rewrite name exact From.Example. to.example.", "FROM.example.", "A", `NOERROR from.example. ${A}`],
  ["rewrite stop name exact from.example to.example answer auto", "from.example.", "A", `NOERROR from.example. ${A}`],
  // A word is made a whole name, also where it is only the beginning of one.
  ["rewrite name prefix foo bar", "foo.example.com.", "A", `NOERROR bar.example.com. ${A}`],
  ["rewrite name prefix foo. bar.", "foo.example.com.", "A", `NOERROR bar.example.com. ${A}`],
  ["rewrite name prefix foo bar answer auto", "foo.example.com.", "A", `NOERROR foo.example.com. ${A}`],
  ["rewrite name prefix fo ba", "foo.example.com.", "A", "SERVFAIL"],
  ["rewrite name suffix com org", "foo.example.com.", "A", `NOERROR foo.example.org. ${A}`],
  ["rewrite name suffix .com .org answer auto", "foo.example.com.", "A", `NOERROR foo.example.com. ${A}`],
  [
    "rewrite name suffix .ingress.coredns.rocks nginx.coredns.rocks answer auto",
    "coredns.ingress.coredns.rocks.",
    "A",
    `NOERROR coredns.ingress.coredns.rocks. ${A}`,
  ],
  ["rewrite name substring service svc", "a.service.b.", "A", `NOERROR a.svc.b. ${A}`],
  ["rewrite name substring service svc answer auto", "a.service.b.", "A", `NOERROR a.service.b. ${A}`],
  ["rewrite name regex (.*)\\.coredns\\.rocks {1}.coredns.maps", "x.coredns.rocks.", "A", `NOERROR x.coredns.maps. ${A}`],
  ["rewrite name regex (.*)\\.coredns\\.rocks {1}.coredns.maps answer auto", "x.coredns.rocks.", "A", `NOERROR x.coredns.rocks. ${A}`],
  [
    "rewrite name regex (.*)\\.coredns\\.rocks {1}.coredns.maps answer name (.*)\\.coredns\\.maps {1}.coredns.works",
    "x.coredns.rocks.",
    "A",
    `NOERROR x.coredns.works. ${A}`,
  ],
  ["rewrite stop {\n name regex (.)-(.)\\.z {1}.{2}\n answer name (.)\\.(.) {1}-{2}.z\n}", "a-b.z.", "A", `NOERROR a-b.z. ${A}`],
  ["rewrite name regex (?i)(.*)\\.COREDNS\\.rocks {1}.coredns.maps", "x.coredns.rocks.", "A", `NOERROR x.coredns.maps. ${A}`],
  [
    "rewrite stop {\n name suffix .arpa .arpa\n answer auto\n answer value (.*)\\.target\\.net\\. {1}.shown.net.\n}",
    "2.0.0.127.in-addr.arpa.",
    "PTR",
    "NOERROR 2.0.0.127.in-addr.arpa. 60 PTR new.shown.net.",
  ],
  ["rewrite name from.example too..many.dots", "from.example.", "A", "SERVFAIL"],
  ["rewrite name a.x to.example\nrewrite name to.example new.target.net", "a.x.", "A", `NOERROR a.x. ${A}`],
  ["rewrite continue name a.x b.x\nrewrite name b.x to.example", "a.x.", "A", `NOERROR a.x. ${A}`],
  ["rewrite continue name b.x to.example\nrewrite name a.x b.x", "a.x.", "A", "SERVFAIL"],
  ["rewrite type ANY A", "to.example.", "ANY", `NOERROR to.example. ${A}`],
  ["rewrite type any hinfo", "to.example.", "ANY", "NOERROR"],
  // TTL: one value, or a range that is open on one side.
  ["rewrite ttl to.example 15", "to.example.", "A", "NOERROR to.example. 15 A 127.0.0.1"],
  ["rewrite ttl exact to.example. 90-", "to.example.", "A", "NOERROR to.example. 90 A 127.0.0.1"],
  ["rewrite ttl suffix .example -30", "to.example.", "A", "NOERROR to.example. 30 A 127.0.0.1"],
  ["rewrite ttl regex (.*)\\.example 30-300", "to.example.", "A", `NOERROR to.example. ${A}`],
  ["rewrite ttl prefix to 0", "to.example.", "A", "NOERROR to.example. 0 A 127.0.0.1"],
  ["rewrite ttl substring other 15", "to.example.", "A", `NOERROR to.example. ${A}`],
  // RCODE: also of replies without a record, and of those that no plugin wrote.
  ["rewrite rcode nope.org SERVFAIL NOERROR", "nope.org.", "A", "NOERROR"],
  ["rewrite rcode regex (.*)\\.org 2 3", "nope.org.", "A", "NXDOMAIN"],
  ["rewrite rcode suffix .svc.cluster.local NXDOMAIN refused", "x.y.svc.cluster.local.", "A", "REFUSED"],
  ["rewrite rcode prefix x servfail NOERROR", "nope.org.", "A", "SERVFAIL"],
  ["rewrite rcode substring .org. 2 NOTZONE", "nope.org.", "A", "NOTZONE"],
];

t.test("names, types, TTLs and codes", async (t) => {
  for (const [rules, name, type, expected] of rows)
    t.equal(answerLines(await ask(rules, name, type)), expected, `${name} ${type}: ${rules}`);
});

const CLUSTER = "my.cluster.local.";
const NAPTR_TEXTS = "\0\x64\0\x0a\x01S\x07SIP+D2U\x0a!^.*$!sip!";
const OWN = { name: CLUSTER, ttl: 5 };
const raw = (code: number, text: string): ResourceRecord => ({ ...OWN, type: "RAW", code, class: 1, data: Buffer.from(text, "latin1") });
const rawText = (text: string): string => `\\# ${text.length} ${Buffer.from(text, "latin1").toString("hex")}`;
const values: readonly [record: ResourceRecord, held: string, shown: string][] = [
  [
    { ...OWN, type: "SRV", priority: 0, weight: 100, port: 100, target: "srv1.my.cluster.local." },
    "srv1.my",
    "SRV 0 100 100 srv1.my.domain.uk.",
  ],
  [{ ...OWN, type: "CNAME", target: "cname.cluster.local." }, "cname", "CNAME cname.domain.uk."],
  [{ ...OWN, type: "MX", preference: 1, exchange: "mx1.cluster.local." }, "mx1", "MX 1 mx1.domain.uk."],
  [{ ...OWN, type: "NS", target: "ns1.cluster.local." }, "ns1", "NS ns1.domain.uk."],
  [
    { ...OWN, type: "SOA", mname: "ns1.cluster.local.", rname: "a.cluster.local.", serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
    "ns1",
    "SOA ns1.domain.uk. a.cluster.local. 1 2 3 4 5",
  ],
  [raw(39, "\x05dname\x07cluster\x05local\0"), "dname", `DNAME ${rawText("\x05dname\x06domain\x02uk\0")}`],
  [
    raw(35, `${NAPTR_TEXTS}\x04_sip\x04_udp\x07cluster\x05local\0`),
    "_sip._udp",
    `NAPTR ${rawText(`${NAPTR_TEXTS}\x04_sip\x04_udp\x06domain\x02uk\0`)}`,
  ],
  // What is cut off stays as it is.
  [raw(35, "\0\x64\0\x0a\x01"), "x", `NAPTR ${rawText("\0\x64\0\x0a\x01")}`],
];

t.test("names of the cluster", async (t) => {
  const table: readonly [rules: string, name: string, type: string, expected: string][] = [
    ["rewrite name web.example web.default.svc.cluster.local", "web.example.", "A", "NOERROR A 127.96.0.12"],
    ["rewrite name suffix .corp. .default.svc.cluster.local.", "web.corp.", "A", "NOERROR A 127.96.0.12"],
    [
      "rewrite name regex (.*)\\.my\\.org {1}.default.svc.cluster.local answer name (.*)\\.default\\.svc\\.cluster\\.local {1}.my.org",
      "web.my.org.",
      "A",
      "NOERROR A 127.96.0.12",
    ],
    [
      "rewrite stop name a.x web.default.svc.cluster.local\nrewrite name web.default.svc.cluster.local db.default.svc.cluster.local",
      "a.x.",
      "A",
      "NOERROR A 127.96.0.12",
    ],
    ["rewrite continue name a.x b.x\nrewrite name b.x web.default.svc.cluster.local", "a.x.", "A", "NOERROR A 127.96.0.12"],
    ["rewrite type MX A", WEB, "MX", "NOERROR A 127.96.0.12"],
  ];
  for (const [rules, name, type, expected] of table)
    t.equal(answerData(await testChain(`. {\n${rules}\nkubernetes cluster.local\n}`, webAndDb).ask(name, type)), expected, rules);
});

t.test("names in what an answer holds, and of what comes with it", async (t) => {
  const back = "answer value (.*)\\.cluster\\.local {1}.domain.uk";
  const rules = [
    `name regex (.*)\\.domain\\.uk {1}.cluster.local answer name (.*)\\.cluster\\.local {1}.domain.uk ${back}`,
    `continue name regex (.*)\\.domain\\.uk {1}.cluster.local answer name (.*)\\.cluster\\.local {1}.domain.uk ${back}`,
    `stop name suffix .domain.uk .cluster.local answer auto ${back}`,
    "continue name suffix .domain.uk .domain.us answer auto\nrewrite stop name suffix .domain.us .cluster.local answer auto",
  ];
  for (const rule of rules)
    for (const [record, held, shown] of values) {
      const exchange = answering(({ name }) => {
        if (name !== CLUSTER) throw new Error("another question");
        return { answers: [record], additionals: [{ name: `${held}.cluster.local.`, type: "A", ttl: 5, address: "127.0.0.1" }] };
      });
      const reply = await testChain(`. {\nrewrite ${rule}\nforward . 127.9.0.1\n}`, [], { exchange }).ask("my.domain.uk.", "ANY");
      t.equal(reply.answers.map((each) => `${recordType(each)} ${dataText(each)}`).join(), shown, rule);
      t.strictSame([reply.answers[0]?.name, reply.additionals[0]?.name], ["my.domain.uk.", `${held}.domain.uk.`], rule);
    }
});

t.test("CNAME targets", async (t) => {
  const objects = [
    namespace("default"),
    externalName("default/one", "old.target.net"),
    externalName("default/chain", "one.default.svc.cluster.local"),
  ];
  const owner = "one.default.svc.cluster.local.";
  const found = `NOERROR ${owner} 5 CNAME new.target.net.; new.target.net. 60 A 127.0.0.2`;
  const table: readonly [rule: string, name: string, expected: string][] = [
    ["cname old.target.net new.target.net", owner, found],
    ["cname exact old.target.net. new.target.net.", owner, found],
    ["cname prefix old new", owner, found],
    ["cname suffix ld.target.net. ew.target.net.", owner, "NOERROR one.default.svc.cluster.local. 5 CNAME oew.target.net."],
    ["cname substring old.tar new.tar", owner, found],
    ["cname regex (.*)\\.target\\.net\\. new.target.net.", owner, found],
    ["cname regex old\\.(.*) new.{1}", owner, found],
    ["cname exact other.net new.target.net", owner, `NOERROR ${owner} 5 CNAME old.target.net.`],
    [
      "cname old.target.net new.target.net",
      "chain.default.svc.cluster.local.",
      `NOERROR chain.default.svc.cluster.local. 5 CNAME ${owner}; ${found.slice(8)}`,
    ],
  ];
  for (const [rule, name, expected] of table)
    t.equal(answerLines(await testChain(`. {\nrewrite ${rule}\n${HOSTS}\n}`, objects).ask(name, "A")), expected, rule);
});

t.test("classes: another class is refused at the door, unless forward opens it", async (t) => {
  const chaos = { question: { name: "to.example.", type: 1, class: 3 } };
  const rules = "rewrite continue class HS CH\nrewrite class CH IN";
  t.equal(answerLines(await ask(rules, "to.example.", "A", chaos)), "REFUSED");
  t.equal(answerLines(await ask(`${rules}\nforward other.example 127.0.0.9`, "to.example.", "A", chaos)), `NOERROR to.example. ${A}`);
});

t.test("EDNS0 options of the query, as its answer shows them", async (t) => {
  const option = (code: number, text: string) => ({ code, data: Buffer.from(text, "latin1") });
  const options = async (rules: string, given: ReturnType<typeof option>[] | undefined, more: Partial<Query> = {}): Promise<string> => {
    const edns = given && { udpSize: 1232, version: 0, do: false, options: given };
    const reply = await ask(rules, "to.example.", "A", { edns, ...more });
    const shown = reply.edns ?? edns;
    return (shown?.options ?? []).map(({ code, data }) => `${code}=${Buffer.from(data).toString("hex")}`).join(" ");
  };
  const foobar = [option(0xffee, "foobar")];
  const six = { client: { ip: "2001:db8::1:2", port: 513 } };
  const table: readonly [rules: string, given: typeof foobar | undefined, expected: string, more?: Partial<Query>][] = [
    ["edns0 local set 0xffee 0xabcdef", undefined, "65518=abcdef"],
    ["edns0 local set 65518 ab", foobar, "65518=6162"],
    ["edns0 local append 0xffee ab", undefined, "65518=6162"],
    ["edns0 local append 0xffee ab", foobar, "65518=666f6f626172"],
    ["edns0 local replace 0xffee ab", foobar, "65518=6162"],
    ["edns0 local replace 0xffee ab", [], ""],
    ["edns0 local unset 0xffee", foobar, ""],
    ["edns0 local set 0xffee ab revert", undefined, ""],
    ["edns0 local set 0xffee ab revert", foobar, "65518=666f6f626172"],
    // The first that changes something ends it, unless it says continue; what is reverted goes one step back.
    ["edns0 local replace 0xffee ab\nrewrite edns0 local set 0xffee cd", foobar, "65518=6162"],
    ["edns0 local replace 0xffee ab\nrewrite edns0 local set 0xffee cd", [], "65518=6364"],
    ["continue edns0 local set 0xffee abcd\nrewrite edns0 local replace 0xffee bcde revert", [], "65518=61626364"],
    ["edns0 local set 0xffee {qname}", [], `65518=${Buffer.from("to.example.").toString("hex")}`],
    ["edns0 local set 0xffee {qtype}", [], "65518=0001"],
    ["edns0 local set 0xffee {client_ip}", [], "65518=7ff40109"],
    ["edns0 local set 0xffee {client_ip}", [], "65518=20010db8000000000000000000010002", six],
    ["edns0 local set 0xffee {client_port}", [], "65518=0201", six],
    ["edns0 local set 0xffee {protocol}", [], "65518=756470"],
    ["edns0 local set 0xffee {server_ip}", [], "65518=7ff40002"],
    ["edns0 local set 0xffee {server_port}", [], "65518=0035"],
    ["edns0 local set 0xffee {kubernetes/client-namespace}", [], ""],
    ["edns0 nsid set", foobar, "65518=666f6f626172 3="],
    ["edns0 nsid replace", [option(3, "me")], "3="],
    ["edns0 nsid unset", [option(3, "me")], ""],
    ["edns0 subnet set 24 56", [], "8=000118007ff401"],
    ["edns0 subnet set 20 56", [], "8=000114007ff400"],
    ["edns0 subnet set 24 56", [], "8=0002380020010db8000000", six],
    ["edns0 subnet append 0 0", [], "8=00010000"],
    ["edns0 subnet unset", [option(8, "\0\x01\0\0")], ""],
  ];
  for (const [rules, given, expected, more] of table)
    t.equal(await options(`rewrite ${rules}`, given, more), expected, `${rules} ${given?.length ?? "no OPT"}`);
});

t.test("a code that nobody has written becomes a message here, and errors tells what was asked", async (t) => {
  const rows: readonly [rules: string, name: string, expected: string][] = [
    ["rewrite name a.x b.y", "A.x.", "0 b.y. A: plugin/kubernetes: no next plugin found"],
    ["rewrite ttl a.x 5", "a.x.", "0 a.x. A: plugin/kubernetes: no next plugin found"],
    ["rewrite rcode a.x SERVFAIL NXDOMAIN", "a.x.", "0 a.x. A: plugin/kubernetes: no next plugin found"],
    ["rewrite type A AAAA", "a.x.", "0 a.x. AAAA: plugin/kubernetes: no next plugin found"],
    // A rule that goes on and changes no answer does not write.
    ["rewrite continue type A AAAA", "a.x.", "2 a.x. AAAA: plugin/kubernetes: no next plugin found"],
    ["rewrite name b.x b.y", "a.x.", "2 a.x. A: plugin/kubernetes: no next plugin found"],
    ["rewrite name suffix .x ..y", "a.x.", "2 a.x. A: invalid name after rewrite: a..y."],
  ];
  for (const [rules, name, expected] of rows) {
    const { ask, lines } = testChain(`. {\nerrors\n${rules}\nkubernetes cluster.local\n}`, []);
    await ask(name, "A");
    t.strictSame(lines, [`[ERROR] plugin/errors: ${expected}`], rules);
  }
});

const faults: readonly [rule: string, message: string][] = [
  ["", "2:1 no rule type specified"],
  ["foo", '2:9 invalid rule type "foo"'],
  ["unknown-action name a.com b.com", '2:9 invalid rule type "unknown-action"'],
  ["stop", "2:9 stop rule must begin with a rule type"],
  ["continue", "2:9 continue rule must begin with a rule type"],
  ["answer name bar foo", "2:9 response rewrites must begin with a name rule"],
  ["stop {\n answer name bar foo\n name regex foo bar\n}", "3:2 response rewrites must begin with a name rule"],
  ["stop {\n name regex foo bar\n answer name bar foo\n name baz\n}", "3:2 name answer rule for regex rule: 2 arguments required"],
  ["name", "2:9 too few arguments for a name rule"],
  ["name a.com", "2:9 too few arguments"],
  ["name a.com b.com c.com", "2:9 name rule supports only exact, prefix, suffix, substring, and regex name matching, received: a.com"],
  ["name regex ([a]\\.com new-{1}.com", "2:9 invalid regex matching pattern: ([a]\\.com"],
  ["name regex (.*).coredns.rocks {1}.{2}.coredns.rocks", "2:9 the rewrite regex pattern"],
  ["name regex a b NoAnswer name a b", "2:9 exceeded the number of arguments"],
  ["name regex a b answer ttl a b", '2:9 invalid type "ttl" for answer rule'],
  ["name suffix a b answer", "2:9 invalid arguments for suffix rule"],
  ["name suffix a b answer other", '2:9 invalid type "other"'],
  ["name suffix a b answer auto answer", "2:9 type missing for answer rule"],
  ["name regex a b answer auto answer name a b", "2:9 auto name answer rule cannot be combined with explicit name anwer rules"],
  ["name regex a b answer name (.*).a {1}.{2}.b", "2:9 name answer rule for regex rule: the rewrite regex pattern ({1}.{2}.b) uses more"],
  ["name suffix a b answer value ( b", "2:9 value answer rule for suffix rule: invalid regex matching pattern: ("],
  [`name regex ${"a".repeat(10_001)} b`, "2:9 regex pattern too long: 10001 > 10000"],
  ["type a", "2:9 type rules must have exactly two arguments"],
  ["type any a a", "2:9 type rules must have exactly two arguments"],
  ["type XY A", '2:9 invalid type "XY"'],
  ["class ch in in", "2:9 class rules must have exactly two arguments"],
  ["class IN WV", '2:9 invalid class "WV"'],
  ["ttl a.com", "2:9 too few (1) arguments for a ttl rule"],
  ["ttl a.com -", "2:9 invalid TTL '-' for a ttl rule"],
  ["ttl a.com 30-10", "2:9 invalid TTL '30-10' for a ttl rule"],
  ["ttl a.com 1-2-3", "2:9 invalid TTL '1-2-3' for a ttl rule"],
  ["ttl other a.com 5", "2:9 ttl rule supports only exact"],
  ["ttl exact a.com 5 6", "2:9 many few arguments for a ttl rule"],
  ["ttl regex ( 5", "2:9 invalid regex pattern in a ttl rule: ("],
  ["rcode regex ( 2 3", "2:9 invalid regex pattern in a rcode rule: ("],
  ["cname regex ( a", "2:9 invalid cname rewrite regex pattern: ("],
  ["rcode a.com SERVFAIL", "2:9 too few (2) arguments for a rcode rule"],
  ["rcode a.com FAIL NOERROR", "2:9 invalid matching RCODE 'FAIL'"],
  ["rcode a.com 2 24", "2:9 invalid replacement RCODE '24'"],
  ["cname a.com", "2:9 too few (1) arguments for a cname rule"],
  ["cname near a.com b.com", "2:9 unknown cname rewrite type: near"],
  ["edns0 local", "2:9 too few arguments for an EDNS0 rule"],
  ["edns0 local foo 0xffee ab", '2:9 invalid action: "foo"'],
  ["edns0 other set", '2:9 invalid rule type "other"'],
  ["edns0 local set 0xffee", "2:9 EDNS0 local rules require three or four args"],
  ["edns0 local set word ab", '2:9 strconv.ParseUint: parsing "word": invalid syntax'],
  ["edns0 local set 0x10000 ab", '2:9 strconv.ParseUint: parsing "0x10000": value out of range'],
  ["edns0 local set 0xffee 0xabc", "2:9 encoding/hex"],
  ["edns0 local set 0xffee {dummy}", '2:9 unsupported variable name "{dummy}"'],
  ["edns0 local unset 0xffee revert", "2:9 local unset action requires exactly two arguments"],
  ["edns0 nsid set junk", "2:9 EDNS0 NSID rules can accept no more than one arg"],
  ["edns0 nsid unset revert", "2:9 nsid unset action requires exactly one argument"],
  ["edns0 subnet set -1 56", '2:9 strconv.ParseUint: parsing "-1": invalid syntax'],
  ["edns0 subnet set 33 56", "2:9 invalid IPv4 bit mask length 33"],
  ["edns0 subnet set 24 129", "2:9 invalid IPv6 bit mask length 129"],
  ["edns0 subnet append 24 56 72", "2:9 EDNS0 subnet rules require three or four args"],
  ["edns0 subnet unset 24 56", "2:9 subnet unset action requires exactly one argument"],
];

t.test("rules that are refused", async (t) => {
  for (const [rule, expected] of faults) {
    const text = faultOf(`. {\nrewrite ${rule}\n}`).replace("Corefile:", "").replace(" - Error during parsing:", "");
    t.ok(text.startsWith(`plugin/rewrite: ${expected}`), `${rule}: ${text}`);
  }
});
