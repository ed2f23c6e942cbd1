// kubernetes by its options: pods, namespaces, zones, names outside. Facts: CoreDNS 1.14.7, plugin/kubernetes.
import t from "tap";
import { compileZone } from "../../dns/zone.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { externalName, service, slice, WEB, webAndDb } from "./objects.ts";
import { answerData, refuses, takes, testChain } from "./plugin-harness.ts";

const rows: readonly [stanzas: string, name: string, type: string, expected: string][] = [
  ["kubernetes cluster.local", WEB, "A", "NOERROR A 127.96.0.12"],
  ["kubernetes cluster.local", "example.org.", "A", "SERVFAIL"],
  ["kubernetes cluster.local {\n pods verified\n}", "127-244-1-2.default.pod.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n pods insecure\n}", "127-244-1-2.default.pod.cluster.local.", "A", "NOERROR A 127.244.1.2"],
  ["kubernetes cluster.local {\n noendpoints\n}", "db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n namespaces other\n}", WEB, "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n namespace_labels team=x\n}", WEB, "A", "NXDOMAIN"],
  ["kubernetes cluster.local {\n labels app=x\n}", WEB, "A", "NXDOMAIN"],
  ["kubernetes cluster.local", "db-1.db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local", "db-0.db.default.svc.cluster.local.", "A", "NOERROR A 127.244.1.3"],
  ["kubernetes cluster.local", "127-244-1-3.db.default.svc.cluster.local.", "A", "NXDOMAIN"],
  ["kubernetes cluster.local 127.0.0.0/8", "12.0.96.127.in-addr.arpa.", "PTR", "NOERROR PTR web.default.svc.cluster.local."],
];

t.test("answers", async (t) => {
  for (const [stanzas, name, type, expected] of rows) {
    const { ask } = testChain(`. {\n${stanzas}\n}`, webAndDb);
    t.equal(answerData(await ask(name, type)), expected, `${name} ${type} with ${stanzas.replaceAll("\n", "; ")}`);
  }
});

t.test("zone-scoped names of headless Services", async (t) => {
  const zoned = slice("default/hdls", [], { name: "http", port: 80 });
  const endpoint = (ip: string, zone: string) => ({ addresses: [ip], conditions: { ready: true }, zone });
  const endpoints = [endpoint("127.244.1.1", "us-2a"), endpoint("127.244.1.2", "us-2b"), endpoint("127.244.1.3", "us-2b")];
  const zonedSlice: EndpointSlice = { ...zoned, endpoints };
  const { ask } = testChain(". {\nkubernetes cluster.local {\n zonal\n}\n}", [...webAndDb, service("default/hdls", "None"), zonedSlice]);
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
    t.equal(answerData(await ask(`${name}.default.svc.cluster.local.`, type)), expected, `${name} ${type}`);
});

t.test("SERVFAIL until the store has been read", async (t) => {
  const zone = compileZone([], 0);
  zone.synced = false;
  const { ask } = testChain(". {\nkubernetes cluster.local\n}", [], { zone });
  t.equal((await ask(WEB, "A")).rcode, "SERVFAIL");
});

t.test("ExternalName outside the zone is chased through the chain", async (t) => {
  const svc = (name: string): string => `${name}.default.svc.cluster.local`;
  const lines = ". {\nkubernetes cluster.local\nhosts {\n 127.7.7.7 api.example.com\n fallthrough\n}\n}";
  const aliases = [
    ["api", "api.example.com"],
    ["gone", "nobody.example.com"],
    ["a", svc("b")],
    ["b", svc("a")],
    ["self", svc("self")],
    ...Array.from({ length: 12 }, (_, i) => [`c${i}`, svc(i === 11 ? "web" : `c${i + 1}`)]),
  ];
  const { ask } = testChain(lines, [...webAndDb, ...aliases.map(([name, target = ""]) => externalName(`default/${name}`, target))]);
  t.equal(answerData(await ask("api.default.svc.cluster.local.", "A")), "NOERROR A 127.7.7.7, CNAME api.example.com.");
  t.equal(answerData(await ask("gone.default.svc.cluster.local.", "A")), "NOERROR CNAME nobody.example.com.");
  t.equal(answerData(await ask("a.default.svc.cluster.local.", "A")), "NOERROR");
  t.equal(answerData(await ask("self.default.svc.cluster.local.", "A")), "NOERROR");
  t.equal(answerData(await ask("c0.default.svc.cluster.local.", "A")), "NOERROR", "a chain of twelve is too long");
  t.equal((await ask("c1.default.svc.cluster.local.", "A")).answers.length, 12, "one of eleven is not");
  t.equal((await ask("c5.default.svc.cluster.local.", "A")).answers.length, 8);
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
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
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, [
    "kubernetes x y {\n endpoint http://a http://b\n kubeconfig f c\n tls a b c\n apiserver_qps 0.5\n apiserver_burst 0\n apiserver_max_inflight 3\n startup_timeout 1s\n ignore\n}",
    "kubernetes x {\n namespaces a\n namespaces b c\n labels environment in (production, staging, qa),application=nginx\n pods verified\n}",
  ]);
});
