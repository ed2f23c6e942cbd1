// k8s_external: Services under a zone of the outside, and its transfer. Facts: CoreDNS 1.14.7, plugin/k8s_external.
import t from "tap";
import { dataText, recordType, zoneLine } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { service, webAndDb } from "./objects.ts";
import { refuses, takes, testChain } from "./plugin-harness.ts";

t.test("host names of load balancers, and whose TTL is whose", async (t) => {
  const balanced = (name: string, ingress: readonly object[]) => ({
    ...service(`default/${name}`, "127.96.0.14", "http:80/TCP"),
    status: { loadBalancer: { ingress } },
  });
  const lines = `k8s_external example.com {\n ttl 60\n}
    kubernetes cluster.local {\n ttl 20\n}
    hosts {\n 127.7.0.1 one.lb\n ::7 one.lb\n 127.7.0.2 two.lb\n ttl 9\n fallthrough\n}`;
  const { ask } = testChain(`. {\n${lines}\n}`, [
    ...webAndDb,
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

t.test("its zone is transferred", async (t) => {
  const external = service("default/web", "127.96.0.12", "http:80/TCP", "https:443/TCP");
  const objectsWith = [
    ...webAndDb.filter((object) => object.kind !== "Service" || object.metadata.name !== "web"),
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

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["k8s_external example.org", "plugin/k8s_external: Corefile:2:1 - Error during parsing: kubernetes plugin not loaded"],
    ["k8s_external example.org {\n ttl\n}", "Wrong argument count"],
    ["k8s_external example.org {\n ttl 3601\n}", "ttl must be in range [0, 3600]: 3601"],
    ["k8s_external example.org {\n apex\n}", "Wrong argument count"],
    ["k8s_external example.org {\n other\n}", "unknown property 'other'"],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, [
    "k8s_external\nkubernetes cluster.local",
    "kubernetes cluster.local\nk8s_external example.org {\n apex testdns\n ttl 0\n headless\n fallthrough ip6.arpa\n}",
  ]);
});
