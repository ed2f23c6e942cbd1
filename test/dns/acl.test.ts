// acl: who may ask what. Facts: CoreDNS 1.14.7, plugin/acl and its tables of cases.
import t from "tap";
import { decodeReply } from "../../dns/decode.ts";
import { encodeQuery } from "../../dns/encode.ts";
import { refuses, testChain, testServer } from "./plugin-harness.ts";

const ORG = (...policies: readonly string[]): string => `acl example.org {\n${policies.join("\n")}\n}`;
const WWW = "www.example.org.";

/** What became of a question: the next plugin says FORMERR. */
type Outcome = "passed" | "blocked" | "filtered" | "dropped";
const rows: readonly [stanzas: string, name: string, type: string, client: string, expected: Outcome][] = [
  [ORG("block type A net 192.168.0.0/16"), WWW, "A", "192.168.0.2", "blocked"],
  [ORG("block type A net 192.168.0.0/16"), WWW, "A", "192.167.0.2", "passed"],
  [ORG("block type A net 192.168.0.0/16"), WWW, "AAAA", "192.168.0.2", "passed"],
  [ORG("block type * net 192.168.0.0/16"), WWW, "AAAA", "192.168.0.2", "blocked"],
  [ORG("block type A"), WWW, "A", "10.1.0.2", "blocked"],
  [ORG("block type A"), WWW, "AAAA", "10.1.0.2", "passed"],
  [ORG("block type A net *"), WWW, "A", "::1", "blocked"],
  [ORG("block type TXT ANY CNAME net 192.168.3.0/24"), WWW, "CNAME", "192.168.3.1", "blocked"],
  [ORG("block type CDS ZONEMD EUI48"), WWW, "ZONEMD", "192.168.3.1", "blocked"],
  [ORG("block type A net 192.168.1.2"), WWW, "A", "192.168.1.2", "blocked"],
  [ORG("block type A net 192.168.1.2"), WWW, "A", "192.168.1.3", "passed"],
  [ORG("block net 192.168.1.0/24 192.168.3.0/24"), WWW, "A", "192.168.3.9", "blocked"],
  [ORG("FILTER type A net 192.168.0.0/16"), WWW, "A", "192.168.0.2", "filtered"],
  [ORG("filter type A net 192.168.0.0/16"), WWW, "A", "192.167.0.2", "passed"],
  [ORG("allow net 192.168.0.0/16", "block"), WWW, "A", "192.168.0.2", "passed"],
  [ORG("allow type * net 192.168.0.0/16", "block"), WWW, "A", "10.1.0.2", "blocked"],
  [ORG("drop net 192.168.0.0/16"), WWW, "A", "192.168.0.2", "dropped"],
  [ORG("block net 192.168.1.0/24", "drop net 192.168.0.0/16"), WWW, "A", "192.168.1.2", "blocked"],
  [ORG("drop net 192.168.0.0/16", "block net 192.168.1.0/24"), WWW, "A", "192.168.1.1", "dropped"],
  [ORG("drop type A", "allow net 192.168.0.0/16"), WWW, "A", "192.168.1.1", "dropped"],
  [ORG("drop type A", "allow net 192.168.0.0/16"), WWW, "AAAA", "192.168.1.1", "passed"],
  ["acl a.example.org {\nblock net 192.168.1.0/24\n}", "a.example.org.", "A", "192.168.1.2", "blocked"],
  ["acl a.example.org {\nblock net 192.168.1.0/24\n}", WWW, "A", "192.168.1.2", "passed"],
  ["acl {\nblock net 192.168.1.0/24\n}", "a.example.com.", "A", "192.168.1.2", "blocked"],
  ["acl a.example.org {\nblock\n}\nacl b.example.org {\nblock net 192.168.2.0/24\n}", "b.example.org.", "A", "192.168.2.2", "blocked"],
  ["acl a.example.org {\nblock\n}\nacl b.example.org {\nblock net 192.168.2.0/24\n}", "b.example.org.", "A", "192.168.1.2", "passed"],
  ["acl a.example.org {\nallow\n}\nacl example.org {\nblock\n}", "a.example.org.", "A", "192.168.1.2", "passed"],
  [ORG("block net 2001:db8:abcd:0012::0/64"), WWW, "A", "2001:db8:abcd:12::1230", "blocked"],
  [ORG("block net 2001:db8:abcd:0012::0/64"), WWW, "A", "2001:db8:abcd:13::", "passed"],
  [ORG("block net 2001:0db8:85a3:0000:0000:8a2e:0370:7334"), WWW, "A", "2001:db8:85a3::8a2e:370:7334", "blocked"],
  [ORG("block net fe80::/10"), WWW, "A", "fe80::1%eth0", "blocked"],
];

t.test("what becomes of a question", async (t) => {
  for (const [stanzas, name, type, ip, expected] of rows) {
    const { ask } = testChain(`. {\nrewrite rcode regex .* SERVFAIL FORMERR\n${stanzas}\n}`, []);
    const { rcode, dropped, answers } = await ask(name, type, { client: { ip, port: 1 } });
    const outcome = dropped ? "dropped" : ({ REFUSED: "blocked", NOERROR: "filtered", FORMERR: "passed" } as Record<string, string>)[rcode];
    t.equal(outcome, expected, `${stanzas}: ${name} ${type} ${ip}`);
    t.equal(answers.length, 0);
  }
});

t.test("over the wire: extended errors, silence, counts, and nothing remembered for another client", async (t) => {
  const corefile =
    ". {\nacl {\nblock type TXT\nfilter type MX\ndrop type SRV\nallow net 127.0.0.1\nblock\n}\ncache\nhosts {\n127.0.0.9 a.example\n}\n}";
  const { server, metrics } = testServer(corefile, []);
  const ask = (type: number, ip = "127.0.0.1", udpSize = 1232): Buffer | undefined => {
    let answer: Buffer | undefined;
    const message = encodeQuery(7, "a.example.", type, udpSize === 0 ? {} : { udpSize });
    server.serve(message, { transport: "udp", client: { ip, port: 1 }, port: 53 }, (bytes) => void (answer = bytes));
    return answer;
  };
  const ede = (answer: Buffer | undefined): string | undefined => answer?.subarray(-6).toString("hex");
  t.equal(ede(ask(16)), "000f0002000f", "blocked");
  t.equal(ede(ask(15)), "000f00020011", "filtered");
  // An OPT record of 4096 bytes with DO, for those who have sent none; with the client's size for those who have.
  t.match(ask(16, "127.0.0.1", 0)?.toString("hex"), /0000291000000080000006000f0002000f$/);
  t.match(ask(15)?.toString("hex"), /00002904d0000080000006000f00020011$/);
  t.equal(ask(33), undefined, "dropped");
  for (let i = 0; i < 3; i++) t.equal(decodeReply(ask(1) ?? Buffer.alloc(0)).answers.length, 1);
  t.equal(decodeReply(ask(1, "127.0.0.2") ?? Buffer.alloc(0)).rcode, "REFUSED");
  const text = metrics.text();
  for (const [action, count] of [
    ["blocked", 3],
    ["filtered", 2],
    ["dropped", 1],
  ] as const)
    t.match(text, `coredns_acl_${action}_requests_total{server="dns://:53",zone=".",view=""} ${count}`);
  t.match(text, 'coredns_acl_allowed_requests_total{server="dns://:53",view=""} 3');
});

t.test("stanzas that are refused", async (t) => {
  const rows: readonly [policy: string, message: string][] = [
    ["block A net 192.168.0.0/16", `unexpected token "A"; expect 'type | net'`],
    ["block type net 192.168.0.0/16", 'no token specified in "type" section'],
    ["block type cds", 'unexpected token "cds"; expect legal QTYPE'],
    ["block type ABC net 192.168.0.0/16", 'unexpected token "ABC"; expect legal QTYPE'],
    ["blck type A", `unexpected token "blck"; expect 'allow', 'block', 'filter' or 'drop'`],
    ["block type A net 192.168.0/16", 'illegal CIDR notation "192.168.0/16"'],
    ["block type A net 192.168.0.0/33", 'illegal CIDR notation "192.168.0.0/33"'],
    ["block type A net 2001::85a3::8a2e:370:7334", 'illegal CIDR notation "2001::85a3::8a2e:370:7334/128"'],
  ];
  refuses(
    t,
    rows.map(([policy, message]) => [`acl {\n${policy}\n}`, message]),
  );
});
