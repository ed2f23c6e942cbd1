// log: its formats and classes, and the metadata that they may name. Facts: CoreDNS 1.14.7, plugin/log and plugin/metadata.
import t from "tap";
import type { Query } from "../../dns/message.ts";
import { clientPod, WEB, webAndDb } from "./objects.ts";
import { refuses, takes, testChain } from "./plugin-harness.ts";

const NOWHERE = "x.default.svc.cluster.local.";
const rows: readonly [stanzas: string, name: string, expected: readonly RegExp[], more?: Partial<Query>][] = [
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

t.test("what is logged of whom", async (t) => {
  for (const [stanzas, name, expected, more] of rows) {
    const { ask, lines } = testChain(`. {\n${stanzas}\nkubernetes cluster.local\n}`, webAndDb);
    await ask(name, "A", more);
    t.equal(lines.length, expected.length, `${stanzas}: ${lines.join("|")}`);
    for (const [index, pattern] of expected.entries()) t.match(lines[index]?.replace("[INFO] ", ""), pattern, stanzas);
  }
});

t.test("beside errors", async (t) => {
  const { ask, lines } = testChain(". {\nlog\nerrors\nkubernetes cluster.local\n}", webAndDb);
  await ask(WEB, "A");
  await ask("example.org.", "A");
  t.match(
    lines[0],
    /^\[INFO\] 127\.244\.1\.9:40000 - 1 "A IN web\.default\.svc\.cluster\.local\. udp 40 false 512" NOERROR qr,aa,rd \d+ \d(\.\d+)?s$/,
  );
  t.match(lines[2], "[ERROR] plugin/errors: 2 example.org. A: plugin/kubernetes: no next plugin found");
});

t.test("metadata of the Service", async (t) => {
  const { ask, lines } = testChain(
    '. {\nmetadata\nlog . "{name} {/kubernetes/kind} {/kubernetes/service}/{/kubernetes/port-name}"\nkubernetes cluster.local\n}',
    webAndDb,
  );
  await ask("_http._tcp.web.default.svc.cluster.local.", "SRV");
  t.strictSame(lines, ["[INFO] _http._tcp.web.default.svc.cluster.local. svc web/http"]);
});

t.test("metadata of the client's pod, with pods verified", async (t) => {
  const template =
    "{/kubernetes/client-namespace} {/kubernetes/client-pod-name} {/kubernetes/client-label/bar} {/kubernetes/client-label/app.kubernetes.io/name}";
  for (const [mode, expected] of [
    ["verified", "default client baz foo"],
    ["insecure", "- - - -"],
  ] as const) {
    const corefile = `. {\nmetadata\nlog . "${template}"\nkubernetes cluster.local {\n pods ${mode}\n}\n}`;
    const { ask, lines } = testChain(corefile, [...webAndDb, clientPod({ bar: "baz", "app.kubernetes.io/name": "foo" })]);
    await ask("example.com.", "A");
    t.strictSame(lines, [`[INFO] ${expected}`], mode);
  }
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["log {\n class\n}", "Wrong argument count"],
    ["log {\n class abracadabra\n}", "invalid Class: abracadabra"],
    ["log {\n unknown\n}", "unknown property 'unknown'"],
    ["metadata {\n x\n}", "Wrong argument count or unexpected line ending after 'x'"],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["log example.org example.net {host}"]);
});
