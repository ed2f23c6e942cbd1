// Plugins by what their Corefile lines make of a question. Expected answers are "rcode answer, answer".
import t from "tap";
import { decodeQuery } from "../../dns/decode.ts";
import { encodeQuery, encodeReply } from "../../dns/encode.ts";
import { emptyReply } from "../../dns/message.ts";
import type { Query, Reply } from "../../dns/message.ts";
import { Metrics } from "../../dns/metrics.ts";
import { shuffleAddresses } from "../../dns/plugins/loadbalance.ts";
import { dataText, recordType, zoneLine } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { compileZone } from "../../dns/zone.ts";
import { VirtualClock } from "../../model/clock.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { namespace, query, service, slice, testChain } from "./support.ts";

const objects = [
  namespace("default"),
  service("default/web", "127.96.0.12", "http:80/TCP"),
  service("default/db", "None"),
  slice("default/db", ["127.244.1.2", "127.244.1.3=db-0", "!127.244.1.4=db-1"], { name: "sql", port: 5432 }),
];
const show = (reply: Reply): string =>
  `${reply.rcode} ${[...reply.answers.map((record) => `${recordType(record)} ${dataText(record)}`)].sort().join(", ")}`.trim();

const rows: readonly [corefile: string, name: string, type: string, expected: string, more?: Partial<Query>][] = [
  ["kubernetes cluster.local", "web.default.svc.cluster.local.", "A", "NOERROR A 127.96.0.12"],
  ["kubernetes cluster.local", "example.org.", "A", "SERVFAIL"],
  [
    "kubernetes cluster.local\nhosts {\n 127.0.0.9 web.default.svc.cluster.local x.example\n fallthrough\n}",
    "web.default.svc.cluster.local.",
    "A",
    "NOERROR A 127.0.0.9",
  ],
  [
    "kubernetes cluster.local\nhosts {\n 127.0.0.9 x.example\n fallthrough\n}",
    "web.default.svc.cluster.local.",
    "A",
    "NOERROR A 127.96.0.12",
  ],
  ["hosts {\n 127.0.0.9 x.example y.example\n}", "9.0.0.127.in-addr.arpa.", "PTR", "NOERROR PTR x.example., PTR y.example."],
  ["hosts {\n 127.0.0.9 x.example\n no_reverse\n}", "9.0.0.127.in-addr.arpa.", "PTR", "SERVFAIL"],
  ["hosts {\n 127.0.0.9 x.example\n}", "x.example.", "AAAA", "NOERROR"],
  ["hosts /etc/hosts example.org {\n fallthrough\n}", "a.example.org.", "A", "NOERROR A 127.0.0.7"],
  ["rewrite name web.example web.default.svc.cluster.local\nkubernetes cluster.local", "web.example.", "A", "NOERROR A 127.96.0.12"],
  ["rewrite name suffix .corp. .default.svc.cluster.local.\nkubernetes cluster.local", "web.corp.", "A", "NOERROR A 127.96.0.12"],
  [
    "rewrite name regex (.*)\\.my\\.org {1}.default.svc.cluster.local answer name (.*)\\.default\\.svc\\.cluster\\.local {1}.my.org\nkubernetes cluster.local",
    "web.my.org.",
    "A",
    "NOERROR A 127.96.0.12",
  ],
  [
    "rewrite stop name a.x web.default.svc.cluster.local\nrewrite name web.default.svc.cluster.local db.default.svc.cluster.local\nkubernetes cluster.local",
    "a.x.",
    "A",
    "NOERROR A 127.96.0.12",
  ],
  [
    "rewrite continue name a.x b.x\nrewrite name b.x web.default.svc.cluster.local\nkubernetes cluster.local",
    "a.x.",
    "A",
    "NOERROR A 127.96.0.12",
  ],
  ["rewrite type MX A\nkubernetes cluster.local", "web.default.svc.cluster.local.", "MX", "NOERROR A 127.96.0.12"],
  ["kubernetes cluster.local {\n pods verified\n}", "127-244-1-2.default.pod.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n pods insecure\n}", "127-244-1-2.default.pod.cluster.local.", "A", "NOERROR A 127.244.1.2"],
  ["kubernetes cluster.local {\n noendpoints\n}", "db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n namespaces other\n}", "web.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n namespace_labels team=x\n}", "web.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n labels app=x\n}", "web.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local", "db-1.db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local", "db-0.db.default.svc.cluster.local.", "A", "NOERROR A 127.244.1.3"],
  ["kubernetes cluster.local", "127-244-1-3.db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local 127.0.0.0/8", "12.0.96.127.in-addr.arpa.", "PTR", "NOERROR PTR web.default.svc.cluster.local."],
  ["kubernetes cluster.local", "cluster.local.", "AXFR", "REFUSED", { transport: "tcp" }],
  ["kubernetes cluster.local\ntransfer {\n to *\n}", "cluster.local.", "AXFR", "REFUSED"],
  ["kubernetes cluster.local\ntransfer {\n to 127.5.5.5\n}", "cluster.local.", "AXFR", "REFUSED", { transport: "tcp" }],
  ["kubernetes cluster.local {\n pods verified\n}\nautopath @kubernetes", "x.default.svc.cluster.local.", "A", "NXDOMAIN"],
];

t.test("answers", async (t) => {
  for (const [lines, name, type, expected, more] of rows) {
    const { ask } = testChain(`. {\n${lines}\n}`, objects, {
      files: { "/etc/hosts": "127.0.0.7 a.example.org # comment\n::1 a.example.org\n" },
    });
    t.equal(show(await ask(name, type, more)), expected, `${name} ${type} with ${lines.replaceAll("\n", "; ")}`);
  }
});

t.test("zone-scoped names of headless Services", async (t) => {
  const zoned = slice("default/hdls", [], { name: "http", port: 80 });
  const endpoint = (ip: string, zone: string) => ({ addresses: [ip], conditions: { ready: true }, zone });
  const endpoints = [endpoint("127.244.1.1", "us-2a"), endpoint("127.244.1.2", "us-2b"), endpoint("127.244.1.3", "us-2b")];
  const zonedSlice: EndpointSlice = { ...zoned, endpoints };
  const { ask } = testChain(". {\nkubernetes cluster.local {\n zonal\n}\n}", [...objects, service("default/hdls", "None"), zonedSlice]);
  const all = "NOERROR A 127.244.1.1, A 127.244.1.2, A 127.244.1.3";
  const table: readonly [string, string, string][] = [
    ["us-2a.pin._zone.hdls", "A", "NOERROR A 127.244.1.1"],
    ["us-2b.pin._zone.hdls", "A", "NOERROR A 127.244.1.2, A 127.244.1.3"],
    ["us-2c.pin._zone.hdls", "A", "NOERROR"],
    ["us-2c.pin._zone.hdls", "TXT", "NOERROR"],
    ["us-2c.pin._zone.hdls", "HTTPS", "NOERROR"],
    ["us-2a.prefer._zone.hdls", "A", "NOERROR A 127.244.1.1"],
    ["us-2c.prefer._zone.hdls", "A", all],
    ["us-2a.pin._zone.ghost", "A", "NXDOMAIN"],
    ["us-2a.florp._zone.hdls", "A", "NXDOMAIN"],
    ["us-2a.pin._zone.web", "A", "NXDOMAIN"],
    ["us-2a.pin._zone.web", "TXT", "NXDOMAIN"],
    ["hdls", "A", all],
  ];
  for (const [name, type, expected] of table)
    t.equal(show(await ask(`${name}.default.svc.cluster.local.`, type)), expected, `${name} ${type}`);
});

t.test("k8s_external: host names of load balancers, and whose TTL is whose", async (t) => {
  const balanced = (name: string, ingress: readonly object[]) => ({
    ...service(`default/${name}`, "127.96.0.14", "http:80/TCP"),
    status: { loadBalancer: { ingress } },
  });
  const lines = `k8s_external example.com {\n ttl 60\n}
    kubernetes cluster.local {\n ttl 20\n}
    hosts {\n 127.7.0.1 one.lb\n ::7 one.lb\n 127.7.0.2 two.lb\n ttl 9\n fallthrough\n}`;
  const { ask } = testChain(`. {\n${lines}\n}`, [
    ...objects,
    balanced("named", [{ hostname: "one.lb" }, { hostname: "two.lb" }, { ip: "127.8.0.1" }]),
  ]);
  const shown = async (name: string, type: string): Promise<readonly string[]> => {
    const { answers, additionals } = await ask(name, type);
    const line = (record: ResourceRecord): string => zoneLine(record).replace("named.default.example.com. ", "").replace(" IN ", " ");
    return [...answers.map(line), ...additionals.map((record) => `+ ${line(record)}`)];
  };
  t.strictSame(await shown("named.default.example.com.", "A"), [
    "20 CNAME one.lb.",
    "one.lb. 9 A 127.7.0.1",
    "20 CNAME two.lb.",
    "two.lb. 9 A 127.7.0.2",
    "60 A 127.8.0.1",
  ]);
  t.strictSame(await shown("named.default.example.com.", "AAAA"), ["20 CNAME one.lb.", "one.lb. 9 AAAA ::7", "20 CNAME two.lb."]);
  t.strictSame(await shown("named.default.example.com.", "SRV"), [
    "20 SRV 0 33 80 one.lb.",
    "20 SRV 0 33 80 two.lb.",
    "20 SRV 0 33 80 named.default.example.com.",
    "+ 60 A 127.8.0.1",
    "+ one.lb. 9 A 127.7.0.1",
    "+ one.lb. 9 AAAA ::7",
    "+ two.lb. 9 A 127.7.0.2",
  ]);
});

t.test("k8s_external is transferred", async (t) => {
  const external = { ...service("default/web", "127.96.0.12", "http:80/TCP", "https:443/TCP") };
  const objectsWith = [
    ...objects.filter((object) => object.kind !== "Service" || object.metadata.name !== "web"),
    { ...external, spec: { ...external.spec, externalIPs: ["1.2.3.4", "fd00::4"] } },
  ];
  const corefile = ". {\ntransfer {\n to *\n}\nk8s_external example.com {\n headless\n}\nkubernetes cluster.local\n}";
  const { ask, zone } = testChain(corefile, objectsWith);
  const reply = await ask("example.com.", "AXFR", { transport: "tcp" });
  const lines = reply.answers.map((record) => `${record.name.replace(".example.com.", "")} ${recordType(record)} ${dataText(record)}`);
  t.equal(lines[0], lines.at(-1), "between two SOAs");
  t.strictSame(lines.slice(1, -1), [
    "example.com. NS ns1.dns.example.com.",
    "ns1.dns A 127.244.0.2",
    "db.default A 127.244.1.2",
    "db.default A 127.244.1.3",
    "db.default SRV 0 50 5432 127-244-1-2.db.default.example.com.",
    "db.default SRV 0 50 5432 db-0.db.default.example.com.",
    "127-244-1-2.db.default A 127.244.1.2",
    "127-244-1-2.db.default SRV 0 100 5432 127-244-1-2.db.default.example.com.",
    "db-0.db.default A 127.244.1.3",
    "db-0.db.default SRV 0 100 5432 db-0.db.default.example.com.",
    "_sql._tcp.db.default SRV 0 50 5432 127-244-1-2.db.default.example.com.",
    "_sql._tcp.db.default SRV 0 50 5432 db-0.db.default.example.com.",
    "web.default A 1.2.3.4",
    "web.default AAAA fd00::4",
    "web.default SRV 0 100 80 web.default.example.com.",
    "web.default SRV 0 100 443 web.default.example.com.",
    "_http._tcp.web.default SRV 0 100 80 web.default.example.com.",
    "_https._tcp.web.default SRV 0 100 443 web.default.example.com.",
  ]);
  const ixfr = await ask("example.com.", "IXFR", { transport: "tcp", ixfrSerial: zone.serial });
  t.strictSame(ixfr.answers.map(recordType), ["SOA"]);
});

t.test("autopath finds the name in one question", async (t) => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "default" },
    status: { podIP: "127.244.1.9" },
  } as const;
  const { ask } = testChain(
    ". {\nkubernetes cluster.local {\n pods verified\n}\nhosts {\n 127.7.7.7 api.example.com\n fallthrough\n}\nautopath @kubernetes\n}",
    [...objects, pod],
  );
  t.equal(show(await ask("api.example.com.default.svc.cluster.local.", "A")), "NOERROR A 127.7.7.7, CNAME api.example.com.");
});

t.test("autopath: what ends the walk, and what does not", async (t) => {
  const files = { "/resolv": "search a.x b.x\n" };
  const A = (name: string): ResourceRecord => ({ name, type: "A", ttl: 7, address: "127.1.0.1" });
  const said: Readonly<Record<string, Partial<Reply> | undefined>> = {
    "nodata.b.x.": { rcode: "NOERROR" },
    "refused.a.x.": { rcode: "REFUSED" },
    "servfail.b.x.": { rcode: "SERVFAIL" },
    "mail.b.x.": { rcode: "NOERROR", answers: [{ name: "mail.b.x.", type: "MX", ttl: 9, preference: 1, exchange: "m." }] },
    "alias.a.x.": { rcode: "NOERROR", answers: [{ name: "alias.a.x.", type: "CNAME", ttl: 5, target: "c." }, A("c.")] },
    "found.a.x.": { rcode: "NOERROR", answers: [A("found.a.x.")] },
  };
  const exchange = async (_server: unknown, message: Buffer): Promise<Buffer> => {
    const decoded = decodeQuery(message, "udp", { ip: "127.0.0.1", port: 1 });
    if (decoded.type !== "query" || decoded.query.name.startsWith("dead.")) throw new Error("no answer");
    return encodeReply(decoded.query, { ...emptyReply("NXDOMAIN", "", ""), ...said[decoded.query.name] }).bytes;
  };
  const table: readonly [name: string, type: string, expected: string][] = [
    ["none.a.x.", "A", "NXDOMAIN"],
    ["nodata.a.x.", "AAAA", "NOERROR"],
    ["found.a.x.", "A", "NOERROR A 127.1.0.1"],
    // What a server has said is an answer, whatever its code.
    ["refused.a.x.", "A", "REFUSED"],
    ["servfail.a.x.", "A", "SERVFAIL"],
    // Any type is looked for.
    ["mail.a.x.", "MX", "NOERROR CNAME mail.b.x., MX 1 m."],
    // The CNAME leads to the first record that is another's.
    ["alias.a.x.", "A", "NOERROR A 127.1.0.1, CNAME c., CNAME c."],
    ["dead.a.x.", "A", "SERVFAIL"],
    ["a.x.", "A", "SERVFAIL"],
    ["b.x.", "A", "NXDOMAIN"],
  ];
  const metrics = new Metrics();
  const { ask, lines } = testChain(". {\nerrors\nautopath /resolv\nforward . 127.9.0.1 {\nmax_fails 0\n}\n}", [], {
    files,
    exchange,
    metrics,
  });
  for (const [name, type, expected] of table) t.equal(show(await ask(name, type)), expected, `${name} ${type}`);
  t.strictSame(lines, [
    "[ERROR] plugin/errors: 2 dead.a.x. A: no answer",
    "[ERROR] plugin/errors: 2 a.x. A: trimzone: overshot qname: a.x.for zone a.x.",
  ]);
  t.match(metrics.text(), 'coredns_autopath_success_total{server="dns://:53"} 6');
});

t.test("cache keeps a headless answer past a roll-out, for its TTL", async (t) => {
  const clock = new VirtualClock();
  const { ask, zone } = testChain(". {\nkubernetes cluster.local {\n ttl 30\n}\ncache 30\n}", objects, { clock });
  const name = "db.default.svc.cluster.local.";
  t.equal(show(await ask(name, "A")), "NOERROR A 127.244.1.2, A 127.244.1.3");
  const after = slice("default/db", ["127.244.1.8"], { name: "sql", port: 5432 });
  zone.apply({ type: after, key: "default/db-slice", object: after }, clock.now());
  await clock.advance(29_000);
  const stale = await ask(name, "A");
  t.equal(show(stale), "NOERROR A 127.244.1.2, A 127.244.1.3", "stale");
  t.equal(stale.answers[0]?.ttl, 1);
  await clock.advance(1000);
  t.equal(show(await ask(name, "A")), "NOERROR A 127.244.1.8", "and then not");
  t.equal((await ask("new.default.svc.cluster.local.", "A")).rcode, "NXDOMAIN");
  const created = service("default/new", "127.96.0.77", "80");
  zone.apply({ type: created, key: "default/new", object: created }, clock.now());
  t.equal((await ask("new.default.svc.cluster.local.", "A")).rcode, "NXDOMAIN", "denials are kept too");
  t.equal(show(await ask("new.default.svc.cluster.local.", "A", { checkingDisabled: true })), "NOERROR A 127.96.0.77", "CD asks past them");
  await clock.advance(30_000);
  t.equal(show(await ask("new.default.svc.cluster.local.", "A")), "NOERROR A 127.96.0.77");
});

t.test("cache lowers a long TTL and lifts a short one", async (t) => {
  const ttlOf = async (lines: string, name: string, type: string): Promise<number | undefined> =>
    (await testChain(`. {\n${lines}\n}`, objects).ask(name, type)).answers[0]?.ttl;
  t.equal(await ttlOf("kubernetes cluster.local", "dns-version.cluster.local.", "TXT"), 28_800);
  t.equal(await ttlOf("kubernetes cluster.local\ncache 30", "dns-version.cluster.local.", "TXT"), 30);
  t.equal(await ttlOf("kubernetes cluster.local {\n ttl 0\n}\ncache", "web.default.svc.cluster.local.", "A"), 5);
});

t.test("cache keeps nothing for zones it is disabled for", async (t) => {
  const after = slice("default/db", ["127.244.1.8"], { name: "sql", port: 5432 });
  const created = service("default/new", "127.96.0.77", "80");
  for (const [kind, expected] of [
    ["success", "NOERROR A 127.244.1.8 NXDOMAIN"],
    ["denial", "NOERROR A 127.244.1.2, A 127.244.1.3 NOERROR A 127.96.0.77"],
  ] as const) {
    const { ask, zone } = testChain(`. {\nkubernetes cluster.local\ncache {\n disable ${kind} default.svc.cluster.local\n}\n}`, objects);
    const names = ["db.default.svc.cluster.local.", "new.default.svc.cluster.local."];
    for (const name of names) await ask(name, "A");
    zone.apply({ type: after, key: "default/db-slice", object: after }, 0);
    zone.apply({ type: created, key: "default/new", object: created }, 0);
    t.equal((await Promise.all(names.map((name) => ask(name, "A")))).map(show).join(" "), expected, kind);
  }
});

t.test("log formats with metadata", async (t) => {
  const { ask, lines } = testChain(
    '. {\nmetadata\nlog . "{name} {/kubernetes/kind} {/kubernetes/service}/{/kubernetes/port-name}"\nkubernetes cluster.local\n}',
    objects,
  );
  await ask("_http._tcp.web.default.svc.cluster.local.", "SRV");
  t.strictSame(lines, ["[INFO] _http._tcp.web.default.svc.cluster.local. svc web/http"]);
});

t.test("metadata of the client's pod, with pods verified", async (t) => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "default", labels: { bar: "baz", "app.kubernetes.io/name": "foo" } },
    status: { podIP: "127.244.1.9" },
  } as const;
  const template =
    "{/kubernetes/client-namespace} {/kubernetes/client-pod-name} {/kubernetes/client-label/bar} {/kubernetes/client-label/app.kubernetes.io/name}";
  for (const [mode, expected] of [
    ["verified", "default client baz foo"],
    ["insecure", "- - - -"],
  ] as const) {
    const corefile = `. {\nmetadata\nlog . "${template}"\nkubernetes cluster.local {\n pods ${mode}\n}\n}`;
    const { ask, lines } = testChain(corefile, [...objects, pod]);
    await ask("example.com.", "A");
    t.strictSame(lines, [`[INFO] ${expected}`], mode);
  }
});

t.test("SERVFAIL until the store has been read", async (t) => {
  const zone = compileZone([], 0);
  zone.synced = false;
  const { ask } = testChain(". {\nkubernetes cluster.local\n}", [], { zone });
  t.equal((await ask("web.default.svc.cluster.local.", "A")).rcode, "SERVFAIL");
});

t.test("ExternalName outside the zone is chased through the chain", async (t) => {
  const external = (name: string, target: string) =>
    ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { type: "ExternalName", externalName: target },
    }) as const;
  const lines = ". {\nkubernetes cluster.local\nhosts {\n 127.7.7.7 api.example.com\n fallthrough\n}\n}";
  const loop = [
    external("a", "b.default.svc.cluster.local"),
    external("b", "a.default.svc.cluster.local"),
    external("self", "self.default.svc.cluster.local"),
  ];
  const chain = Array.from({ length: 12 }, (_, i) =>
    external(`c${i}`, i === 11 ? "web.default.svc.cluster.local" : `c${i + 1}.default.svc.cluster.local`),
  );
  const { ask } = testChain(lines, [
    ...objects,
    external("api", "api.example.com"),
    external("gone", "nobody.example.com"),
    ...loop,
    ...chain,
  ]);
  t.equal(show(await ask("api.default.svc.cluster.local.", "A")), "NOERROR A 127.7.7.7, CNAME api.example.com.");
  t.equal(show(await ask("gone.default.svc.cluster.local.", "A")), "NOERROR CNAME nobody.example.com.");
  t.equal(show(await ask("a.default.svc.cluster.local.", "A")), "NOERROR");
  t.equal(show(await ask("self.default.svc.cluster.local.", "A")), "NOERROR");
  t.equal(show(await ask("c0.default.svc.cluster.local.", "A")), "NOERROR", "a chain of twelve is too long");
  t.equal((await ask("c1.default.svc.cluster.local.", "A")).answers.length, 12, "one of eleven is not");
  t.equal((await ask("c5.default.svc.cluster.local.", "A")).answers.length, 8);
});

t.test("what a plugin asks of its own server stays on the port of its block", async (t) => {
  const api = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "api", namespace: "default" },
    spec: { type: "ExternalName", externalName: "api.example.com" },
  } as const;
  const corefile =
    ".:1053 {\nhosts {\n127.1.0.1 api.example.com\n}\n}\nexample.com:53 {\nhosts {\n127.1.0.2 api.example.com\n}\n}\n.:53 {\nkubernetes cluster.local\n}";
  const { ask } = testChain(corefile, [...objects, api]);
  t.equal(show(await ask("api.default.svc.cluster.local.", "A")), "NOERROR A 127.1.0.2, CNAME api.example.com.");
});

t.test("forward asks its servers over the pod's network, a stub domain only its own", async (t) => {
  const asked: string[] = [];
  const exchange = async (server: { ip: string; port: number }, message: Buffer): Promise<Buffer> => {
    asked.push(`${server.ip}:${server.port}`);
    const question = query("a.corp.", "A", { id: message.readUInt16BE(0) });
    return encodeReply(question, {
      ...emptyReply("NOERROR", "test", ""),
      answers: [{ name: "a.corp.", type: "A", ttl: 60, address: "127.5.5.5" }],
    }).bytes;
  };
  const { ask } = testChain(
    "corp:53 {\nforward . 127.96.0.99 127.96.0.98:5353 {\n policy sequential\n}\n}\n.:53 {\nkubernetes cluster.local\n}",
    objects,
    { exchange },
  );
  t.equal(show(await ask("a.corp.", "A")), "NOERROR A 127.5.5.5");
  t.equal(show(await ask("web.default.svc.cluster.local.", "A")), "NOERROR A 127.96.0.12");
  t.strictSame(asked, ["127.96.0.99:53"]);
  t.equal(show(await testChain(".:53 {\nforward . 127.96.0.99\n}", []).ask("a.corp.", "A")), "SERVFAIL");
  t.ok(encodeQuery(1, "a.", 1).length > 12);
});

t.test("log and errors write what happened", async (t) => {
  const { ask, lines } = testChain(". {\nlog\nerrors\nkubernetes cluster.local\n}", objects);
  await ask("web.default.svc.cluster.local.", "A");
  await ask("example.org.", "A");
  t.match(
    lines[0],
    /^\[INFO\] 127\.244\.1\.9:40000 - 1 "A IN web\.default\.svc\.cluster\.local\. udp 40 false 512" NOERROR qr,aa,rd \d+ \d(\.\d+)?s$/,
  );
  t.match(lines[2], "[ERROR] plugin/errors: 2 example.org. A: plugin/kubernetes: no next plugin found");
});

t.test("loadbalance", async (t) => {
  const random = seededRandom(1);
  const record = (type: "A" | "AAAA" | "CNAME" | "MX", value: string): ResourceRecord =>
    type === "CNAME"
      ? { name: "x.", ttl: 5, type, target: value }
      : type === "MX"
        ? { name: "x.", ttl: 5, type, preference: 1, exchange: value }
        : { name: "x.", ttl: 5, type, address: value };
  const given = [
    record("MX", "m1."),
    record("A", "1.1.1.1"),
    record("A", "2.2.2.2"),
    record("CNAME", "y."),
    record("MX", "m2."),
    record("AAAA", "::1"),
  ];
  const before = JSON.stringify(given);
  const firsts = new Map<string, number>();
  for (let i = 0; i < 600; i++) {
    const types = shuffleAddresses(given, random).map((each) => each.type);
    if (types[0] !== "CNAME" || types.slice(4).join() !== "MX,MX") t.fail(types.join());
    const [, first] = shuffleAddresses(given, random).map(dataText);
    firsts.set(first ?? "", (firsts.get(first ?? "") ?? 0) + 1);
  }
  t.equal(JSON.stringify(given), before, "what it was given is left alone");
  for (const [address, count] of firsts) t.ok(count > 140 && count < 260, `${address} came first ${count} times of 600`);
});
