// What hosts, log, errors, health, ready, reload, loop, transfer, autopath, k8s_external and kubernetes make of their stanzas. Facts: CoreDNS 1.14.7,
// the plugins' set-up and handlers.
import t from "tap";
import { CorefileError } from "../../dns/corefile.ts";
import { decodeQuery } from "../../dns/decode.ts";
import { encodeReply } from "../../dns/encode.ts";
import type { Query, Reply } from "../../dns/message.ts";
import { zoneLine } from "../../dns/record.ts";
import { VirtualClock } from "../../model/clock.ts";
import { namespace, service, testChain } from "./support.ts";

const show = (reply: Reply): string =>
  [reply.rcode, reply.answers.map((record) => zoneLine(record).replace(" IN ", " ")).join("; ")].join(" ").trim();
const objects = [namespace("default"), service("default/web", "127.96.0.12", "http:80/TCP")];

const FILE =
  "127.0.0.1 a.example www.a.example # one\n127.0.0.2 a.example\n::1 a.example\n127.0.0.3 b.other\nnonsense c.example\n127.0.0.4 *.wild.example\n" +
  "fe80::1%lo0 six.example\nfe80:0000::2 six.example\n::FFFF:127.0.0.5 mapped.example\n127.0.0.6 Kept.Example Kept.Local\n123.123.123 bogus.example\n";
/** The reverse name of ::1; up to three labels before it are overlooked. */
const ONE = `1.${"0.".repeat(31)}ip6.arpa.`;
const hosts: readonly [stanza: string, name: string, type: string, expected: string][] = [
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
  [
    "hosts /f {\n fallthrough\n}\nkubernetes cluster.local",
    "web.default.svc.cluster.local.",
    "A",
    "NOERROR web.default.svc.cluster.local. 5 A 127.96.0.12",
  ],
  ["hosts /f {\n fallthrough example\n}\nkubernetes cluster.local", "web.default.svc.cluster.local.", "A", "SERVFAIL"],
  [
    "hosts /none {\n 127.0.0.9 web.default.svc.cluster.local\n fallthrough\n}\nkubernetes cluster.local",
    "web.default.svc.cluster.local.",
    "TXT",
    "NOERROR",
  ],
  [
    "hosts /none {\n 127.0.0.9 dns-version.cluster.local\n fallthrough\n fallthrough_unsupported\n}\nkubernetes cluster.local",
    "dns-version.cluster.local.",
    "TXT",
    'NOERROR dns-version.cluster.local. 28800 TXT "1.1.0"',
  ],
];

t.test("hosts", async (t) => {
  for (const [stanza, name, type, expected] of hosts) {
    const { ask } = testChain(`. {\n${stanza}\n}`, objects, { files: { "/f": FILE } });
    t.equal(show(await ask(name, type)), expected, `${name} ${type}: ${stanza}`);
  }
});

t.test("hosts: a wildcard is for the family that the name itself has no address of", async (t) => {
  const files = { "/f": "::1 a.wild.example\n127.0.0.4 *.wild.example\n::4 *.wild.example\n" };
  const rows: readonly [string, string, string][] = [
    ["a.wild.example.", "A", "NOERROR a.wild.example. 3600 A 127.0.0.4"],
    ["a.wild.example.", "AAAA", "NOERROR a.wild.example. 3600 AAAA ::1"],
    ["b.wild.example.", "AAAA", "NOERROR b.wild.example. 3600 AAAA ::4"],
  ];
  for (const [name, type, expected] of rows)
    t.equal(show(await testChain(". {\nhosts /f\n}", [], { files }).ask(name, type)), expected, `${name} ${type}`);
});

t.test("hosts: a file that is not there, and one that has gone", async (t) => {
  const clock = new VirtualClock();
  const files: Record<string, string> = { "/f": "127.0.0.1 a.example" };
  const { ask, lines } = testChain(". {\nhosts /f\n}", [], { clock, files });
  t.strictSame(lines, []);
  delete files["/f"];
  await clock.advance(60_000);
  t.equal(show(await ask("a.example.", "A")), "NOERROR a.example. 3600 A 127.0.0.1", "what has been read stays");
  t.strictSame(testChain(". {\nhosts /none\n}", []).lines, ["[WARNING] plugin/hosts: File does not exist: /none"]);
  t.strictSame(testChain(". {\nhosts\n}", []).lines, []);
});

t.test("transfer tells what it has sent", async (t) => {
  const corefile = ". {\ntransfer {\nto *\n}\nkubernetes cluster.local\n}";
  const { ask, lines, zone } = testChain(corefile, objects);
  const whole = await ask("cluster.local.", "AXFR", { transport: "tcp" });
  const current = await ask("cluster.local.", "IXFR", { transport: "tcp", ixfrSerial: zone.serial });
  t.strictSame([whole.aa, current.aa, current.answers.length], [true, false, 1]);
  t.strictSame(lines, [
    `[INFO] plugin/transfer: Outgoing transfer of ${whole.answers.length} records of zone "cluster.local." to 127.244.1.9 for 3 SOA serial`,
    '[INFO] plugin/transfer: Outgoing noop, incremental transfer for up to date zone "cluster.local." to 127.244.1.9 for 3 SOA serial',
  ]);
});

t.test("loop looks for its own zone, and tells where to read on", async (t) => {
  const clock = new VirtualClock();
  const corefile = ".:53 {\nwhoami\n}\ncorp.example:53 {\nloop\nforward . 127.9.0.1\n}";
  let passed = 0;
  const test = testChain(corefile, [], {
    clock,
    exchange: async (_server, message) => {
      if (++passed > 5) throw new Error("the server has ended");
      const decoded = decodeQuery(message, "udp", { ip: "127.9.0.1", port: 7 });
      if (decoded.type !== "query") throw new Error("not a query");
      return encodeReply(decoded.query, await test.chain.serve(decoded.query)).bytes;
    },
  });
  await clock.advance(3000);
  t.match(
    test.lines[0],
    /^plugin\/loop: Loop \(127\.9\.0\.1:7 -> :53\) detected for zone "corp\.example\.", see https:\/\/coredns\.io\/plugins\/loop#troubleshooting\. Query: "HINFO \d+\.\d+\.corp\.example\."$/,
  );
  t.equal(test.lines.length, 1);
  test.chain.close();
});

t.test("hosts looks at its file again after the reload time", async (t) => {
  for (const [option, seconds, expected] of [
    ["", 4, "127.0.0.1"],
    ["", 5, "127.0.0.8"],
    ["reload 30s", 29, "127.0.0.1"],
    ["reload 30s", 30, "127.0.0.8"],
    ["reload 0", 1000, "127.0.0.1"],
  ] as const) {
    const clock = new VirtualClock();
    const files: Record<string, string> = { "/f": "127.0.0.1 a.example" };
    const { ask } = testChain(`. {\nhosts /f {\n${option}\n}\n}`, [], { clock, files });
    files["/f"] = "127.0.0.8 a.example";
    await clock.advance(seconds * 1000);
    t.equal(show(await ask("a.example.", "A")), `NOERROR a.example. 3600 A ${expected}`, `${option} ${seconds} s`);
  }
});

const NOWHERE = "x.default.svc.cluster.local.";
const WEB = "web.default.svc.cluster.local.";
const logs: readonly [stanzas: string, name: string, expected: readonly RegExp[], more?: Partial<Query>][] = [
  [
    "log",
    WEB.toUpperCase(),
    [/^127\.244\.1\.9:40000 - 1 "A IN web\.default\.svc\.cluster\.local\. udp 40 false 512" NOERROR qr,aa,rd \d+ 0s$/],
  ],
  // Sizes are those before compression; the OPT record is added later.
  ['log . "{size} {rsize}"', WEB, [/^40 92$/]],
  ['log . "{size} {rsize}"', WEB, [/^40 92$/], { edns: { udpSize: 1232, version: 0, do: true, options: [] } }],
  ['log . "{rsize} {>rflags}"', "example.org.", [/^29 qr,rd$/]],
  ['log . "{rcode} {rsize} {>rflags}"\nacl {\n drop\n}', WEB, [/^- 0 -$/]],
  ['metadata\nlog . "{/log/type}" {\nclass error\n}\nacl {\n drop\n}', WEB, [/^OTHERERROR$/]],
  // Names are as they were asked, types as they were rewritten.
  ['log . "{name} {type} {class}"\nrewrite type MX A', WEB, [/^web\S+ A IN$/], { question: { name: WEB, type: 15, class: 1 } }],
  ["log example.org", WEB, []],
  ["log cluster.local example.org", WEB, [/NOERROR/]],
  ['log . "{combined}"', WEB, [/ 0s "0"$/]],
  ['log . "{common}!"', WEB, [/0s!$/]],
  ['log . "{remote} {local} {port}"', WEB, [/^\[::1\] 127\.244\.0\.2 5$/], { client: { ip: "::1", port: 5 } }],
  ['log . "{when} { {name} } {/kubernetes/service}"', WEB, [/^\{when\} \{ web\.default\.svc\.cluster\.local\. \} -$/]],
  ['metadata\nlog . "{/log/type} {/log/class} {/forward/upstream}"', WEB, [/^NOERROR success -$/]],
  ['metadata\nlog . "{/log/type} {/log/class}"', NOWHERE, [/^NXDOMAIN denial$/]],
  ['metadata\nlog . "{/log/type} {/log/class}"', "example.org.", [/^SERVERERROR error$/]],
  ['metadata\nlog . "{/log/type} {/log/class}"', "svc.cluster.local.", [/^NODATA denial$/]],
  ['log . "{/log/type} {/log/class}"', WEB, [/^- -$/]],
  // What plugins know is told for the zones of metadata, what the answer says for all.
  ['metadata cluster.local\nlog . "{/kubernetes/service} {/log/type}"', WEB, [/^web NOERROR$/]],
  ['metadata example.org\nlog . "{/kubernetes/service} {/log/type}"', WEB, [/^- NOERROR$/]],
  ["log cluster.local\nlog . {name}", WEB, [/NOERROR/]],
  ["log example.org\nlog . {name}", WEB, [/^web/]],
  ["log {\n class denial error\n}", WEB, []],
  ["log {\n class denial error\n}", NOWHERE, [/NXDOMAIN/]],
  ["log {\n class denial\n class error\n}", "example.org.", [/SERVFAIL/]],
  ["log {\n class success\n}", NOWHERE, []],
  ["log {\n class all\n}", NOWHERE, [/NXDOMAIN/]],
];

t.test("log", async (t) => {
  for (const [stanzas, name, expected, more] of logs) {
    const { ask, lines } = testChain(`. {\n${stanzas}\nkubernetes cluster.local\n}`, objects);
    await ask(name, "A", more);
    t.equal(lines.length, expected.length, `${stanzas}: ${lines.join("|")}`);
    for (const [index, pattern] of expected.entries()) t.match(lines[index]?.replace("[INFO] ", ""), pattern, stanzas);
  }
});

t.test("errors: what nobody could answer, one by one or by pattern", async (t) => {
  const rows: readonly [options: string, expected: readonly string[]][] = [
    [
      "",
      [
        "[ERROR] plugin/errors: 2 a.org. A: no network",
        "[ERROR] plugin/errors: 2 b.org. A: no network",
        "[ERROR] plugin/errors: 2 c.com. A: plugin/forward: no next plugin found",
      ],
    ],
    [
      "stacktrace\nconsolidate 5m .*network.*",
      ["[ERROR] plugin/errors: 2 c.com. A", "[ERROR] plugin/errors: 2 errors like '.*network.*' occurred in last 5m0s"],
    ],
    [
      "consolidate 300s no.network warning",
      ["[ERROR] plugin/errors: 2 c.com. A", "[WARNING] plugin/errors: 2 errors like 'no.network' occurred in last 5m0s"],
    ],
    [
      "consolidate 1500ms network info show_first",
      [
        "[INFO] plugin/errors: 2 a.org. A",
        "[ERROR] plugin/errors: 2 c.com. A",
        "[INFO] plugin/errors: 2 errors like 'network' occurred in last 1.5s",
      ],
    ],
    ["consolidate 5m plugin show_first\nconsolidate 1h network", ["[ERROR] plugin/errors: 2 c.com. A"]],
  ];
  for (const [options, expected] of rows) {
    const clock = new VirtualClock();
    const { ask, lines, chain } = testChain(
      `. {\nerrors {\n${options}\n}\nkubernetes cluster.local\nforward org 127.9.0.1 {\nmax_fails 0\n}\n}`,
      objects,
      { clock },
    );
    for (const name of ["a.org.", "b.org.", "c.com.", NOWHERE, WEB]) await ask(name, "A");
    await clock.advance(300_000);
    t.equal(lines.length, expected.length, `${options}: ${lines.join(" | ")}`);
    for (const [index, text] of expected.entries()) t.ok(lines[index]?.startsWith(text), `${options}: ${lines[index]}`);
    chain.close();
    if (options.includes("1h"))
      t.match(lines.at(-1), "2 errors like 'network' occurred in last 1h0m0s", "what is counted is written at the end");
  }
});

t.test("blocks: none that answers is REFUSED, DS goes to the parent", async (t) => {
  const rows: readonly [corefile: string, name: string, type: string, expected: string][] = [
    [".", "a.x.", "A", "REFUSED"],
    [". {\n health\n ready\n reload\n}", "a.x.", "A", "REFUSED"],
    ["x {\n log\n}", "a.y.", "A", "REFUSED"],
    [". {\n log\n}", "a.y.", "A", "SERVFAIL"],
    ["x {\n log\n}\nsub.x {\n reload\n}", "a.sub.x.", "A", "REFUSED"],
    ["x {\n log\n}\nsub.x {\n reload\n}", "sub.x.", "DS", "SERVFAIL"],
    [". {\n reload\n}\nsub.x {\n log\n}", "sub.x.", "DS", "SERVFAIL"],
  ];
  for (const [corefile, name, type, expected] of rows)
    t.equal(show(await testChain(corefile, []).ask(name, type)), expected, `${name} ${type}: ${corefile}`);
});

const faults: readonly [stanza: string, message: string][] = [
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
  ["log {\n class\n}", "Wrong argument count"],
  ["log {\n class abracadabra\n}", "invalid Class: abracadabra"],
  ["log {\n unknown\n}", "unknown property 'unknown'"],
  ["errors errors.txt", "invalid log file: errors.txt"],
  ["errors a b", "Wrong argument count"],
  ["errors {\n log\n}", "Unknown field log"],
  ["errors {\n consolidate\n}", "Wrong argument count"],
  ["errors {\n consolidate 1m\n}", "Wrong argument count"],
  ["errors {\n consolidate 1 .*\n}", "time: invalid duration"],
  ["errors {\n consolidate 1m [\n}", "invalid regex matching pattern"],
  ["errors {\n consolidate 1m .* loud\n}", "unknown option in consolidate: loud"],
  ["errors {\n consolidate 1m .* info debug\n}", "multiple log levels specified in consolidate"],
  ["errors {\n consolidate 1m .* show_first info\n}", "log level must come before show_first"],
  ["errors {\n consolidate 1m .* info show_first more\n}", "Wrong argument count"],
  ["errors\nerrors", "this plugin can only be used once per Server Block"],
  ["health bla", "plugin/health: Corefile:2:8 - Error during parsing: address bla: missing port in address"],
  ["health ::1:80", "address ::1:80: too many colons in address"],
  ["health :8080 :8081", "Wrong argument count"],
  ["health {\n lameduck\n}", "Wrong argument count"],
  ["health {\n lameduck a\n}", "unable to parse lameduck duration value: 'a' : time: invalid duration"],
  ["health {\n bla\n}", "unknown property 'bla'"],
  ["ready bla", "address bla: missing port in address"],
  ["ready :8181 :8182", "Wrong argument count"],
  ["ready {\n monitor\n}", "Wrong argument count"],
  ["ready {\n monitor now\n}", "monitor type 'now' not supported"],
  ["ready {\n other\n}", "unknown property 'other'"],
  ["reload 1s", "interval value must be greater or equal to 2s"],
  ["reload 30s 10ms", "jitter value must be 0 or greater or equal to 1s"],
  ["reload 30s 10s 1s", "Wrong argument count"],
  ["loop now", "Wrong argument count"],
  ["bufsize 511", "Wrong argument count or unexpected line ending after '511'"],
  ["bufsize 4097", "Wrong argument count or unexpected line ending after '4097'"],
  ["bufsize abc", "Wrong argument count or unexpected line ending after 'abc'"],
  ["bufsize 600 700", "Wrong argument count"],
  ["metadata {\n x\n}", "Wrong argument count or unexpected line ending after 'x'"],
  ["prometheus a:1 b:2", "Wrong argument count"],
  ["prometheus {\n runtime_metrics all\n}", "Wrong argument count"],
  ["prometheus {\n go_metrics\n}", "unknown option: go_metrics"],
  ["loadbalance fleeb", "unknown policy: fleeb"],
  ["loadbalance round_robin a", "unknown property for round_robin"],
  ["loadbalance weighted", "missing weight file argument"],
  ["loadbalance weighted a b", "unexpected argument(s)"],
  ["loadbalance weighted w {\n susu\n}", "unknown property 'susu'"],
  ["loadbalance weighted w {\n prefer 10.0.0.0/8\n}", "unknown property 'prefer'"],
  ["loadbalance weighted w {\n reload a\n}", "invalid reload duration 'a'"],
  ["loadbalance weighted w {\n reload 30s  a\n}", "unexpected argument"],
  ["loadbalance weighted w {\n reload 0\n}", "failed to open weight file"],
  ["loadbalance {\n prefer 10.0.0.0\n}", 'invalid CIDR "10.0.0.0": invalid CIDR address: 10.0.0.0'],
  ["transfer", "'to' is required"],
  ["transfer {\n to\n}", "Wrong argument count"],
  ["transfer {\n to nowhere\n}", 'not an IP address or file: "nowhere"'],
  ["transfer {\n to *\n source x\n}", 'invalid source address "x"'],
  ["transfer {\n to *\n source ::1\n source ::1\n}", "source already specified"],
  ["transfer {\n from *\n}", 'unknown property "from"'],
  ["autopath", "no resolv-conf specified"],
  ["autopath kubernetes", 'failed to parse "kubernetes"'],
  ['autopath ""', "failed to parse"],
  ["autopath @whoami\nwhoami", "plugin/autopath: Corefile:2:10 - Error during parsing: whoami does not implement the AutoPather interface"],
  ["k8s_external example.org", "plugin/k8s_external: Corefile:2:1 - Error during parsing: kubernetes plugin not loaded"],
  ["k8s_external example.org {\n ttl\n}", "Wrong argument count"],
  ["k8s_external example.org {\n ttl 3601\n}", "ttl must be in range [0, 3600]: 3601"],
  ["k8s_external example.org {\n apex\n}", "Wrong argument count"],
  ["k8s_external example.org {\n other\n}", "unknown property 'other'"],
  ["kubernetes in-addr.arpa", "non-reverse zone name must be used"],
  ["kubernetes x {\n endpoint\n}", "Wrong argument count"],
  ["kubernetes x {\n namespaces\n}", "Wrong argument count"],
  ["kubernetes x {\n labels\n}", "Wrong argument count"],
  ["kubernetes x {\n labels environment in (production, qa\n}", "unable to parse label selector"],
  ["kubernetes x {\n namespaces a\n namespace_labels b=c\n}", "namespaces and namespace_labels cannot both be set"],
  ["kubernetes x {\n endpoint_pod_names yes\n}", "Wrong argument count"],
  ["kubernetes x {\n noendpoints yes\n}", "Wrong argument count"],
  ["kubernetes x {\n zonal yes\n}", "Wrong argument count"],
  ["kubernetes x {\n zonal\n noendpoints\n}", "zonal requires the endpoint cache"],
  ["kubernetes x {\n tls a b\n}", "Wrong argument count"],
  ["kubernetes x {\n kubeconfig\n}", "Wrong argument count"],
  ["kubernetes x {\n kubeconfig a b c\n}", "Wrong argument count"],
  ["kubernetes x {\n ttl word\n}", 'strconv.Atoi: parsing "word": invalid syntax'],
  ["kubernetes x {\n ignore pods\n}", "unable to parse ignore value: 'pods'"],
  ["kubernetes x {\n apiserver_qps -1\n}", "apiserver_qps must be >= 0"],
  ["kubernetes x {\n apiserver_burst 1.5\n}", 'invalid apiserver_burst "1.5": strconv.Atoi: parsing "1.5": invalid syntax'],
  ["kubernetes x {\n startup_timeout soon\n}", "failed to parse startup_timeout: soon, time: invalid duration"],
  ["kubernetes x {\n namespace_labels a in (b\n}", "unable to parse namespace_label selector value: 'a in (b'"],
  ["kubernetes x {\n multicluster y\n}", "is not authoritative for the multicluster zone y."],
];

t.test("stanzas that are refused", async (t) => {
  for (const [stanza, expected] of faults) {
    try {
      testChain(`. {\n${stanza}\n}`, []);
      t.fail(`no error for ${stanza}`);
    } catch (error) {
      t.ok(error instanceof CorefileError && error.message.includes(expected), `${stanza}: ${String(error)}`);
    }
  }
});

t.test("stanzas that are taken", async (t) => {
  const stanzas = [
    "hosts",
    "prometheus localhost:9153 {\n runtime_metrics\n}",
    "hosts /tmp a.example 10.0.0.9/8 {\n fallthrough\n}",
    "log example.org example.net {host}",
    "errors stdout",
    "errors {\n consolidate 1m .* error show_first\n}",
    "health localhost:1234 {\n lameduck 4s\n}",
    "ready {\n monitor continuously\n}",
    "reload 2s 0s",
    "reload",
    "bufsize",
    "loop",
    "loadbalance round_robin",
    "transfer example.net {\n to 1.2.3.4 5.6.7.8:1053 [1::2]:34 *\n}\ntransfer example.org {\n to *\n}",
    "autopath @kubernetes",
    "autopath 10.0.0.0/8 @kubernetes",
    "k8s_external\nkubernetes cluster.local",
    "kubernetes cluster.local\nk8s_external example.org {\n apex testdns\n ttl 0\n headless\n fallthrough ip6.arpa\n}",
    "kubernetes x y {\n endpoint http://a http://b\n kubeconfig f c\n tls a b c\n apiserver_qps 0.5\n apiserver_burst 0\n apiserver_max_inflight 3\n startup_timeout 1s\n ignore\n}",
    "kubernetes x {\n namespaces a\n namespaces b c\n labels environment in (production, staging, qa),application=nginx\n pods verified\n}",
  ];
  for (const stanza of stanzas) t.doesNotThrow(() => testChain(`. {\n${stanza}\n}`, []).chain.close(), stanza);
});
