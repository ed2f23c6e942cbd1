// whoami, any, chaos, minimal, nsid, local and header, each by what a client sees. Facts: CoreDNS 1.14.7, the plugins' handlers and tests, test/server_test.go.
import t from "tap";
import type { Query, Reply } from "../../dns/message.ts";
import { zoneLine } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { namespace, service, slice } from "./objects.ts";
import { answering, refuses, testChain } from "./plugin-harness.ts";

const show = ({ rcode, aa, answers, authorities, additionals }: Reply): string =>
  [`${rcode}${aa ? " aa" : ""}`, ...[answers, authorities, additionals].map((records) => records.map(zoneLine).join("; "))].join(" | ");
const hex = (...texts: readonly string[]): string => {
  const data = Buffer.from(texts.map((text) => String.fromCharCode(text.length) + text).join(""), "latin1");
  return `\\# ${data.length} ${data.toString("hex")}`;
};
const objects = [
  namespace("default"),
  service("default/web", "127.96.0.12", "http:80/TCP"),
  service("default/db", "None", "http:80/TCP"),
  slice("default/db", ["127.244.1.2=db-0"], { name: "http", port: 80 }),
];
const client = (ip: string, transport: "udp" | "tcp" = "udp"): Partial<Query> => ({ client: { ip, port: 40212 }, transport });
const chaos = (name: string, type = 16): Partial<Query> => ({ question: { name, type, class: 3 } });

const localSoa = (name: string): string => `${name} 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800`;

const rows: readonly [stanzas: string, name: string, type: string, expected: string, more?: Partial<Query>][] = [
  [
    "whoami",
    "Example.ORG.",
    "A",
    "NOERROR aa |  |  | Example.ORG. 0 IN A 127.0.0.9; _udp.Example.ORG. 0 IN SRV 0 0 40212 .",
    client("127.0.0.9"),
  ],
  ["whoami", "a.", "SRV", "NOERROR aa |  |  | a. 0 IN AAAA 2003::1; _tcp.a. 0 IN SRV 0 0 40212 .", client("2003::1", "tcp")],
  ["whoami", "a.", "A", "NOERROR aa |  |  | a. 0 IN A 127.0.0.9; _udp.a. 0 IN SRV 0 0 40212 .", client("::ffff:127.0.0.9")],
  ["whoami", ".", "NS", "NOERROR aa |  |  | . 0 IN A 127.0.0.9; _udp. 0 IN SRV 0 0 40212 .", client("127.0.0.9")],
  // It stands behind all others.
  [
    "whoami\nkubernetes cluster.local",
    "web.default.svc.cluster.local.",
    "A",
    "NOERROR aa | web.default.svc.cluster.local. 5 IN A 127.96.0.12 |  | ",
  ],
  ["any", "a.", "ANY", `NOERROR | a. 8482 IN HINFO ${hex("ANY obsoleted", "See RFC 8482")} |  | `],
  [
    "any\nkubernetes cluster.local",
    "web.default.svc.cluster.local.",
    "A",
    "NOERROR aa | web.default.svc.cluster.local. 5 IN A 127.96.0.12 |  | ",
  ],
  [
    "chaos CoreDNS-001 miek",
    "version.bind.",
    "TXT",
    `NOERROR | version.bind. 0 CH TXT ${hex("CoreDNS-001")} |  | `,
    chaos("version.bind."),
  ],
  ["chaos v2", "version.server.", "TXT", `NOERROR | version.server. 0 CH TXT ${hex("v2")} |  | `, chaos("version.server.")],
  ["chaos", "Version.Bind.", "TXT", `NOERROR | Version.Bind. 0 CH TXT ${hex("CoreDNS-1.14.7")} |  | `, chaos("Version.Bind.")],
  [
    'chaos v3 "Miek Gieben"',
    "authors.bind.",
    "TXT",
    `NOERROR | authors.bind. 0 CH TXT ${hex("Miek Gieben")} |  | `,
    chaos("authors.bind."),
  ],
  ["chaos", "hostname.bind.", "TXT", `NOERROR | hostname.bind. 0 CH TXT ${hex("coredns-0")} |  | `, chaos("hostname.bind.")],
  ["chaos", "id.server.", "TXT", `NOERROR | id.server. 0 CH TXT ${hex("coredns-0")} |  | `, chaos("id.server.")],
  [
    `chaos ${"x".repeat(300)}`,
    "version.bind.",
    "TXT",
    `NOERROR | version.bind. 0 CH TXT ${hex("x".repeat(255))} |  | `,
    chaos("version.bind."),
  ],
  ["local", "localhost.", "A", "NOERROR | localhost. 604800 IN A 127.0.0.1 |  | "],
  ["local", "localHOst.", "AAAA", "NOERROR | localHOst. 604800 IN AAAA ::1 |  | "],
  ["local", "localhost.", "NS", "NOERROR | localhost. 604800 IN NS localhost. |  | "],
  ["local", "localhost.", "SOA", `NOERROR | ${localSoa("localhost.")} |  | `],
  ["local", "localhost.", "MX", `NOERROR |  | ${localSoa("localhost.")} | `],
  ["local", "127.in-addr.arpa.", "A", `NOERROR |  | ${localSoa("127.in-addr.arpa.")} | `],
  ["local", "0.in-addr.arpa.", "NS", "NOERROR | 0.in-addr.arpa. 604800 IN NS localhost. |  | "],
  ["local", "a.localhost.", "A", "NOERROR | a.localhost. 604800 IN A 127.0.0.1 |  | "],
  ["local", "A.b.Localhost.", "AAAA", "NOERROR | A.b.Localhost. 604800 IN AAAA ::1 |  | "],
  ["local", "a.localhost.", "MX", `NOERROR |  | ${localSoa("a.localhost.")} | `],
  ["local", "localhost.example.net.", "A", "NOERROR | localhost.example.net. 604800 IN A 127.0.0.1 |  | "],
  ["local {\n localhost_prefix off\n}", "localhost.example.net.", "A", "SERVFAIL |  |  | "],
  ["local {\n localhost_prefix off\n}", "a.localhost.", "A", "NOERROR | a.localhost. 604800 IN A 127.0.0.1 |  | "],
  ["local", "1.0.0.127.in-addr.arpa.", "PTR", "NOERROR | 1.0.0.127.in-addr.arpa. 604800 IN PTR localhost. |  | "],
  ["local", "1.0.0.127.in-addr.arpa.", "MX", `NOERROR |  | ${localSoa("127.in-addr.arpa.")} | `],
  ["local", "2.0.0.127.in-addr.arpa.", "PTR", `NXDOMAIN |  | ${localSoa("127.in-addr.arpa.")} | `],
  ["local", "nolocalhost.", "A", "SERVFAIL |  |  | "],
  ["chaos", "other.bind.", "TXT", "SERVFAIL |  |  | ", chaos("other.bind.")],
  ["chaos", "authors.bind.", "SRV", "SERVFAIL |  |  | ", chaos("authors.bind.", 33)],
  ["chaos", "version.bind.", "TXT", "SERVFAIL |  |  | "],
  ["whoami", "version.bind.", "TXT", "REFUSED |  |  | ", chaos("version.bind.")],
  [
    "minimal\nkubernetes cluster.local",
    "_http._tcp.db.default.svc.cluster.local.",
    "SRV",
    "NOERROR aa | _http._tcp.db.default.svc.cluster.local. 5 IN SRV 0 100 80 db-0.db.default.svc.cluster.local. |  | ",
  ],
];

t.test("answers", async (t) => {
  for (const [stanzas, name, type, expected, more] of rows)
    t.equal(show(await testChain(`. {\n${stanzas}\n}`, objects).ask(name, type, more)), expected, `${stanzas}: ${name} ${type}`);
});

t.test("chaos tells each author once, in any order", async (t) => {
  const { ask } = testChain(". {\nchaos v a b c a\n}", []);
  const orders = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const { answers } = await ask("authors.bind.", "TXT", chaos("authors.bind."));
    orders.add(answers.map((record) => (record.type === "RAW" ? Buffer.from(record.data).toString().slice(1) : "")).join(""));
  }
  t.strictSame([...orders].sort(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
});

t.test("minimal leaves denials, errors and delegations whole", async (t) => {
  const A: ResourceRecord = { name: "example.com.", type: "A", ttl: 293, address: "127.1.0.1" };
  const ns: ResourceRecord = { name: "example.com.", type: "NS", ttl: 7, target: "ns1.example.com." };
  const glue: ResourceRecord = { ...A, name: "ns1.example.com." };
  const soa = {
    name: "com.",
    type: "SOA",
    ttl: 7,
    mname: "a.",
    rname: "b.",
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 5,
  } as const;
  const cases: readonly [
    rcode: Reply["rcode"],
    answers: readonly ResourceRecord[],
    authorities: readonly ResourceRecord[],
    whole: boolean,
  ][] = [
    ["NOERROR", [A], [], false],
    ["NOERROR", [A], [ns], false],
    ["NOERROR", [], [ns], true],
    ["NOERROR", [], [soa], true],
    ["NXDOMAIN", [], [soa], true],
    ["SERVFAIL", [A], [ns], true],
  ];
  for (const [rcode, answers, authorities, whole] of cases) {
    const exchange = answering(() => ({ rcode, answers, authorities, additionals: [glue] }));
    const reply = await testChain(". {\nminimal\nforward . 127.9.0.1\n}", [], { exchange }).ask("example.com.", "A");
    const counts = [reply.answers.length, reply.authorities.length, reply.additionals.length];
    t.strictSame(counts, whole ? [answers.length, authorities.length, 1] : [answers.length, 0, 0], `${rcode} ${counts.join()}`);
  }
});

t.test("header sets and clears flags of what is written", async (t) => {
  const asked: boolean[] = [];
  const exchange = answering(({ recursionDesired }) => {
    asked.push(recursionDesired);
    return { ra: true };
  });
  const table: readonly [stanza: string, flags: string, asked: boolean][] = [
    ["header {\n response set aa\n}", "qr,aa,rd,ra", true],
    ["header {\n response set aa\n response clear ra rd\n}", "qr,aa", true],
    ["header {\n Response Clear RA\n}", "qr,rd", true],
    ["header {\n query clear rd\n}", "qr,ra", false],
    ["header {\n query clear rd\n response set rd\n}", "qr,rd,ra", false],
  ];
  for (const [stanza, flags, recursion] of table) {
    const { ask, lines } = testChain(`. {\nlog . "{>rflags}"\n${stanza}\nforward . 127.9.0.1\n}`, [], { exchange });
    await ask("a.", "A");
    t.strictSame(lines, [`[INFO] ${flags}`], stanza);
    t.equal(asked.pop(), recursion, stanza);
  }
  const nobody = testChain(". {\nheader {\n response set aa ra\n}\nkubernetes cluster.local\n}", []);
  t.equal(show(await nobody.ask("a.", "A")), "SERVFAIL |  |  | ", "what nobody wrote has no flags to set");
});

t.test("nsid answers those who ask for it", async (t) => {
  const edns = (...options: readonly number[]) => ({
    edns: { udpSize: 1232, version: 0, do: false, options: options.map((code) => ({ code, data: new Uint8Array() })) },
  });
  const shown = async (stanza: string, more: Partial<Query>): Promise<string | undefined> => {
    const reply = await testChain(`. {\n${stanza}\nwhoami\n}`, []).ask("a.", "A", more);
    return reply.edns?.options.map(({ code, data }) => `${code} ${Buffer.from(data).toString()}`).join();
  };
  t.equal(await shown("nsid use1 a", edns(3)), "3 use1 a");
  t.equal(await shown("nsid", edns(10, 3)), "3 coredns-0");
  t.equal(await shown("nsid use1", edns(10)), undefined);
  t.equal(await shown("nsid use1", {}), undefined);
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["whoami x", "Wrong argument count"],
    ["any x", "Wrong argument count"],
    ["any {\n x\n}", "unknown property 'x'"],
    ["local x", "Wrong argument count"],
    ["local {\n x\n}", "unknown property 'x'"],
    ["local {\n localhost_prefix\n}", "Wrong argument count"],
    ["local {\n localhost_prefix no\n}", `localhost_prefix expects 'on' or 'off', got "no"`],
    ["header", "Wrong argument count or unexpected line ending after 'header'"],
    ["header {\n answer set aa\n}", "setting up rule: invalid selector=answer should be query or response"],
    ["header {\n response\n}", "setting up rule: no flag action provided"],
    ["header {\n response set\n}", "setting up rule: invalid length for flags, at least one should be provided"],
    ["header {\n response toggle ra\n}", "setting up rule: unknown flag action=toggle, should be set or clear"],
    ["header {\n query set ra qq\n}", "setting up rule: unknown/unsupported flag=qq"],
    ["minimal x", "Wrong argument count"],
    ["chaos v2 {\n unknown\n}", "unknown property 'unknown'"],
    ["nsid\nnsid", "this plugin can only be used once per Server Block"],
  ]);
});
