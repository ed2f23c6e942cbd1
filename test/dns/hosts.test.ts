// hosts: files, lines in the block, wildcards, what falls through, and when a file is read again. Facts: CoreDNS 1.14.7, plugin/hosts.
import t from "tap";
import { WEB, webAndDb } from "./objects.ts";
import { answerData, answerLines, refuses, takes, testChain } from "./plugin-harness.ts";

const FILE =
  "127.0.0.1 a.example www.a.example # one\n127.0.0.2 a.example\n::1 a.example\n127.0.0.3 b.other\nnonsense c.example\n127.0.0.4 *.wild.example\n" +
  "fe80::1%lo0 six.example\nfe80:0000::2 six.example\n::FFFF:127.0.0.5 mapped.example\n127.0.0.6 Kept.Example Kept.Local\n123.123.123 bogus.example\n";
/** The reverse name of ::1; up to three labels before it are overlooked. */
const ONE = `1.${"0.".repeat(31)}ip6.arpa.`;
const rows: readonly [stanza: string, name: string, type: string, expected: string][] = [
  ["hosts /f", "a.example.", "A", "NOERROR a.example. 3600 A 127.0.0.1; a.example. 3600 A 127.0.0.2"],
  ["hosts /f", "A.Example.", "AAAA", "NOERROR a.example. 3600 AAAA ::1"],
  ["hosts /f", "www.a.example.", "AAAA", "NOERROR"],
  ["hosts /f", "a.example.", "MX", "NOERROR"],
  ["hosts /f", "c.example.", "A", "SERVFAIL"],
  ["hosts /f", "x.wild.example.", "A", "NOERROR x.wild.example. 3600 A 127.0.0.4"],
  ["hosts /f", "x.y.wild.example.", "A", "SERVFAIL"],
  ["hosts /f", "wild.example.", "A", "SERVFAIL"],
  ["hosts /f", "4.0.0.127.in-addr.arpa.", "PTR", "SERVFAIL"],
  ["hosts /f", "six.example.", "AAAA", "NOERROR six.example. 3600 AAAA fe80::1; six.example. 3600 AAAA fe80::2"],
  ["hosts /f", "six.example.", "A", "NOERROR"],
  ["hosts /f", "mapped.example.", "A", "NOERROR mapped.example. 3600 A 127.0.0.5"],
  ["hosts /f", "mapped.example.", "AAAA", "NOERROR"],
  [
    "hosts /f",
    "6.0.0.127.in-addr.arpa.",
    "PTR",
    "NOERROR 6.0.0.127.in-addr.arpa. 3600 PTR kept.example.; 6.0.0.127.in-addr.arpa. 3600 PTR kept.local.",
  ],
  ["hosts /f", `x.${ONE}`, "PTR", `NOERROR x.${ONE} 3600 PTR a.example.`],
  ["hosts /f", `w.x.y.z.${ONE}`, "PTR", "SERVFAIL"],
  ["hosts /f", "bogus.example.", "A", "SERVFAIL"],
  ["hosts /f example", "b.other.", "A", "SERVFAIL"],
  ["hosts /f other", "b.other.", "A", "NOERROR b.other. 3600 A 127.0.0.3"],
  [
    "hosts /f example",
    "1.0.0.127.in-addr.arpa.",
    "PTR",
    "NOERROR 1.0.0.127.in-addr.arpa. 3600 PTR a.example.; 1.0.0.127.in-addr.arpa. 3600 PTR www.a.example.",
  ],
  ["hosts /f example", "3.0.0.127.in-addr.arpa.", "PTR", "SERVFAIL"],
  ["hosts /f {\n no_reverse\n}", "1.0.0.127.in-addr.arpa.", "PTR", "SERVFAIL"],
  ["hosts /f {\n ttl 7\n 127.0.0.9 d.example\n}", "d.example.", "A", "NOERROR d.example. 7 A 127.0.0.9"],
  [
    "hosts /f {\n 127.0.0.9 a.example\n}",
    "a.example.",
    "A",
    "NOERROR a.example. 3600 A 127.0.0.1; a.example. 3600 A 127.0.0.2; a.example. 3600 A 127.0.0.9",
  ],
  ["hosts /none {\n whatever this is\n 127.0.0.9 d.example\n}", "d.example.", "A", "NOERROR d.example. 3600 A 127.0.0.9"],
  ["hosts /f {\n fallthrough\n}\nkubernetes cluster.local", WEB, "A", "NOERROR web.default.svc.cluster.local. 5 A 127.96.0.12"],
  ["hosts /f {\n fallthrough example\n}\nkubernetes cluster.local", WEB, "A", "SERVFAIL"],
  ["hosts /none {\n 127.0.0.9 web.default.svc.cluster.local\n fallthrough\n}\nkubernetes cluster.local", WEB, "TXT", "NOERROR"],
  [
    "hosts /none {\n 127.0.0.9 dns-version.cluster.local\n fallthrough\n fallthrough_unsupported\n}\nkubernetes cluster.local",
    "dns-version.cluster.local.",
    "TXT",
    'NOERROR dns-version.cluster.local. 28800 TXT "1.1.0"',
  ],
];

t.test("answers", async (t) => {
  for (const [stanza, name, type, expected] of rows) {
    const { ask } = testChain(`. {\n${stanza}\n}`, webAndDb, { files: { "/f": FILE } });
    t.equal(answerLines(await ask(name, type)), expected, `${name} ${type}: ${stanza}`);
  }
});

const beside: readonly [stanzas: string, name: string, type: string, expected: string][] = [
  [
    "kubernetes cluster.local\nhosts {\n 127.0.0.9 web.default.svc.cluster.local x.example\n fallthrough\n}",
    WEB,
    "A",
    "NOERROR A 127.0.0.9",
  ],
  ["kubernetes cluster.local\nhosts {\n 127.0.0.9 x.example\n fallthrough\n}", WEB, "A", "NOERROR A 127.96.0.12"],
  ["hosts {\n 127.0.0.9 x.example y.example\n}", "9.0.0.127.in-addr.arpa.", "PTR", "NOERROR PTR x.example., PTR y.example."],
  ["hosts {\n 127.0.0.9 x.example\n no_reverse\n}", "9.0.0.127.in-addr.arpa.", "PTR", "SERVFAIL"],
  ["hosts {\n 127.0.0.9 x.example\n}", "x.example.", "AAAA", "NOERROR"],
  ["hosts /etc/hosts example.org {\n fallthrough\n}", "a.example.org.", "A", "NOERROR A 127.0.0.7"],
];

t.test("beside kubernetes, and in reverse", async (t) => {
  for (const [stanzas, name, type, expected] of beside) {
    const { ask } = testChain(`. {\n${stanzas}\n}`, webAndDb, {
      files: { "/etc/hosts": "127.0.0.7 a.example.org # comment\n::1 a.example.org\n" },
    });
    t.equal(answerData(await ask(name, type)), expected, `${name} ${type} with ${stanzas.replaceAll("\n", "; ")}`);
  }
});

t.test("a wildcard is for the family that the name itself has no address of", async (t) => {
  const files = { "/f": "::1 a.wild.example\n127.0.0.4 *.wild.example\n::4 *.wild.example\n" };
  const rows: readonly [string, string, string][] = [
    ["a.wild.example.", "A", "NOERROR a.wild.example. 3600 A 127.0.0.4"],
    ["a.wild.example.", "AAAA", "NOERROR a.wild.example. 3600 AAAA ::1"],
    ["b.wild.example.", "AAAA", "NOERROR b.wild.example. 3600 AAAA ::4"],
  ];
  for (const [name, type, expected] of rows)
    t.equal(answerLines(await testChain(". {\nhosts /f\n}", [], { files }).ask(name, type)), expected, `${name} ${type}`);
});

t.test("a file that is not there, and one that has gone", async (t) => {
  const files: Record<string, string> = { "/f": "127.0.0.1 a.example" };
  const { ask, clock, lines } = testChain(". {\nhosts /f\n}", [], { files });
  t.strictSame(lines, []);
  delete files["/f"];
  await clock.advance(60_000);
  t.equal(answerLines(await ask("a.example.", "A")), "NOERROR a.example. 3600 A 127.0.0.1", "what has been read stays");
  t.strictSame(testChain(". {\nhosts /none\n}", []).lines, ["[WARNING] plugin/hosts: File does not exist: /none"]);
  t.strictSame(testChain(". {\nhosts\n}", []).lines, []);
});

t.test("the file is looked at again after the reload time", async (t) => {
  for (const [option, seconds, expected] of [
    ["", 4, "127.0.0.1"],
    ["", 5, "127.0.0.8"],
    ["reload 30s", 29, "127.0.0.1"],
    ["reload 30s", 30, "127.0.0.8"],
    ["reload 0", 1000, "127.0.0.1"],
  ] as const) {
    const files: Record<string, string> = { "/f": "127.0.0.1 a.example" };
    const { ask, clock } = testChain(`. {\nhosts /f {\n${option}\n}\n}`, [], { files });
    files["/f"] = "127.0.0.8 a.example";
    await clock.advance(seconds * 1000);
    t.equal(answerLines(await ask("a.example.", "A")), `NOERROR a.example. 3600 A ${expected}`, `${option} ${seconds} s`);
  }
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["hosts {\n ttl\n}", "ttl needs a time in second"],
    ["hosts {\n ttl never\n}", "ttl needs a number of second"],
    ["hosts {\n ttl 0\n}", "ttl provided is invalid"],
    ["hosts {\n ttl 65536\n}", "ttl provided is invalid"],
    ["hosts {\n reload\n}", "reload needs a duration (zero seconds to disable)"],
    ["hosts {\n reload 5\n}", "invalid duration for reload '5'"],
    ["hosts {\n reload -1s\n}", "invalid negative duration for reload '-1s'"],
    ["hosts {\n fallthrough\n 127.0.0.1 x\n}", "unknown property '127.0.0.1'"],
    ["hosts {\n fallthrough_unsupported\n}", "fallthrough_unsupported requires fallthrough"],
    ["hosts {\n fallthrough\n fallthrough_unsupported x\n}", "Wrong argument count"],
    ["hosts\nhosts", "this plugin can only be used once per Server Block"],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["hosts", "hosts /tmp a.example 10.0.0.9/8 {\n fallthrough\n}"]);
});
