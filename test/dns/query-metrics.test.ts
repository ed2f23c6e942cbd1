// What is counted of a query, by its block, its plugins and its sizes. Facts: CoreDNS 1.14.7, plugin/metrics, plugin/plugin.go and core/dnsserver/server.go.
import t from "tap";
import { encodeQuery } from "../../dns/encode.ts";
import { Metrics } from "../../dns/metrics.ts";
import { typeCode } from "../../dns/record.ts";
import type { KubeObject } from "../../model/object.ts";
import { externalName, namespace, service, slice, WEB } from "./objects.ts";
import { testChain, testServer } from "./plugin-harness.ts";

const objects = [
  namespace("default"),
  service("default/web", "127.96.0.12", "http:80/TCP"),
  service("default/db", "None"),
  slice(
    "default/db",
    Array.from({ length: 40 }, (_, i) => `127.244.1.${i + 1}`),
    { name: "sql", port: 5432 },
  ),
];

/** Asks "NAME TYPE [class N] [do] [tcp]" one after another; gives the lines of the metrics that begin like this, without their prefix. */
function counted(
  corefile: string,
  questions: readonly string[],
  prefix: string,
  present: readonly KubeObject[] = objects,
): readonly string[] {
  const { chain, metrics, server } = testServer(corefile, present);
  for (const question of questions) {
    const [name = "", type = "A", ...more] = question.split(" ");
    const edns = more.includes("do") ? { edns: { udpSize: 1232, version: 0, do: true, options: [] } } : {};
    const message = encodeQuery(7, name, typeCode(type) ?? 0, { class: more.includes("chaos") ? 3 : 1, ...edns });
    if (more.includes("badvers")) message.writeUInt8(1, message.length - 5);
    const transport = more.includes("tcp") ? "tcp" : "udp";
    server.serve(message, { transport, client: { ip: "127.244.1.9", port: 4000 }, port: 53 }, () => undefined);
  }
  chain.close();
  const lines = metrics.text().split("\n");
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}

const RESPONSES = "coredns_dns_responses_total";
const KUBEADM = `.:53 {
  errors
  prometheus
  kubernetes cluster.local
  cache 30
  loadbalance
}`;

t.test("responses: by zone, code and the plugin behind prometheus", async (t) => {
  const line = (zone: string, rcode: string, plugin: string, count: number): string =>
    `{server="dns://:53",zone="${zone}",view="",rcode="${rcode}",plugin="${plugin}"} ${count}`;
  const rows: readonly [corefile: string, questions: readonly string[], expected: readonly string[]][] = [
    [KUBEADM, [WEB, WEB, WEB, WEB], [line(".", "NOERROR", "errors", 4)]],
    [KUBEADM, ["nope.default.svc.cluster.local.", "nope.default.svc.cluster.local."], [line(".", "NXDOMAIN", "errors", 2)]],
    // Nobody wrote these: a code came out of the chain.
    [KUBEADM, ["example.org."], [line(".", "SERVFAIL", "", 1)]],
    [KUBEADM, ["cluster.local. AXFR tcp"], [line(".", "REFUSED", "", 1)]],
    ["x {\nprometheus\nwhoami\n}", ["a.x.", "b.x.", "a.y."], [line("dropped", "REFUSED", "", 1), line("x.", "NOERROR", "whoami", 2)]],
    ["x {\nprometheus\nwhoami\n}", ["a.x. TXT chaos"], [line("dropped", "REFUSED", "", 1)]],
    ["x {\nprometheus\nwhoami\n}", ["a.x. A do badvers"], []],
    ["x y {\nprometheus\nwhoami\n}", ["a.y.", "a.x."], [line("x.", "NOERROR", "whoami", 1), line("y.", "NOERROR", "whoami", 1)]],
    [
      "x {\nprometheus\nacl {\nblock type TXT\ndrop type MX\n}\nwhoami\n}",
      ["a.x. TXT", "a.x. MX"],
      [line("x.", "NOERROR", "", 1), line("x.", "REFUSED", "acl", 1)],
    ],
    ["x {\nprometheus\nhosts /none\n}", ["a.x."], [line("x.", "SERVFAIL", "", 1)]],
    ["x {\nprometheus\nrewrite name a.x b.x\nhosts /none\n}", ["a.x."], [line("x.", "SERVFAIL", "rewrite", 1)]],
    // Only blocks with prometheus count.
    [". {\nprometheus\nwhoami\n}\nx {\nwhoami\n}", ["a.x.", "a."], [line(".", "NOERROR", "whoami", 1)]],
    // A block without plugins refuses, and one whose plugins have nothing behind them fails.
    [". {\nreload\n}", ["a.x."], [line("dropped", "REFUSED", "", 1)]],
    [". {\nprometheus\n}", ["a.x."], [line(".", "SERVFAIL", "", 1)]],
  ];
  for (const [corefile, questions, expected] of rows)
    t.strictSame(counted(corefile, questions, RESPONSES), expected, `${questions.join()}: ${corefile}`);
});

t.test("what a plugin asks of its own server counts too", (t) => {
  const corefile = `.:53 {\n prometheus\n rewrite cname exact one.x. two.y.\n hosts {\n 127.1.0.1 two.y\n fallthrough\n }\n kubernetes cluster.local\n}`;
  const requests = counted(corefile, ["alias.default.svc.cluster.local."], "coredns_dns_requests_total", [
    ...objects,
    externalName("default/alias", "two.y"),
  ]);
  t.strictSame(requests, ['{server="dns://:53",zone=".",view="",proto="udp",family="1",type="A"} 2']);
  t.end();
});

t.test("requests: by type and DO bit", async (t) => {
  const types = ["A", "AAAA", "SVCB", "HTTPS", "CAA", "NAPTR", "ANY"].map((type) => `${WEB} ${type}`);
  const lines = counted(KUBEADM, types, 'coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type=');
  t.strictSame(lines, ['"A"} 1', '"AAAA"} 1', '"ANY"} 1', '"HTTPS"} 1', '"SVCB"} 1', '"other"} 2']);
  t.strictSame(counted(KUBEADM, [WEB, `${WEB} A do`, `${WEB} A do`, `${WEB} A do`], "coredns_dns_do_requests_total"), [
    '{server="dns://:53",zone=".",view=""} 3',
  ]);
});

t.test("sizes: without compression and OPT, whether cut or not", async (t) => {
  const sum = (corefile: string, ...questions: readonly string[]): readonly string[] =>
    counted(corefile, questions, 'coredns_dns_response_size_bytes_sum{server="dns://:53",zone=".",view="",proto="udp"} ');
  // 12 of header, 31 of name, 4 of type and class; then the name again, 10, and an address.
  t.strictSame(sum(KUBEADM, WEB), ["92"]);
  t.strictSame(sum(KUBEADM, `${WEB} A do`, `${WEB} A do`, `${WEB} A do`), ["276"], "from memory too");
  t.strictSame(sum(KUBEADM, "db.default.svc.cluster.local."), [String(46 + 40 * 44)], "more than was sent");
  t.strictSame(sum(KUBEADM, "example.org."), ["0"], "nothing was written");
});

t.test("plugin_enabled: what stands in the chain, of all blocks", async (t) => {
  const corefile =
    ". {\nprometheus\nhealth\nready\nreload\nlog\nwhoami\n}\nx y {\nprometheus\nmetadata\nbufsize\nforward . 127.9.0.1\n}\nz {\nany\n}";
  const lines = counted(corefile, [], "coredns_plugin_enabled");
  const line = (zone: string, name: string): string => `{server="dns://:53",zone="${zone}",view="",name="${name}"} 1`;
  const expected = [
    ...["log", "prometheus", "whoami"].map((name) => line(".", name)),
    ...["bufsize", "forward", "metadata", "prometheus"].map((name) => line("x.", name)),
  ];
  t.strictSame(lines, expected);
  const metrics = new Metrics();
  for (const plugins of ["prometheus\nany\nwhoami", "prometheus\nwhoami"]) testChain(`. {\n${plugins}\n}`, [], { metrics });
  t.notMatch(metrics.text(), 'name="any"', "a plugin that has gone is not enabled");
});

t.test("families of plugins that are not asked", async (t) => {
  const text = counted(". {\nprometheus\nhealth\n}", [], "coredns_health_").join("\n");
  t.match(text, 'request_duration_seconds_bucket{le="0.0025"} 0');
  t.notMatch(text, 'le="0.0005"');
  t.match(text, "request_failures_total 0");
});
