// Rows of upstream's handler tables that cases/upstream.json leaves out, over its objects. Facts: CoreDNS 1.14.7, plugin/kubernetes
// handler_test.go, handler_pod_*_test.go, reverse_test.go, and plugin/k8s_external external_test.go and apex_test.go.
import { readFileSync } from "node:fs";
import t from "tap";
import { dataText, recordType } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import type { KubeObject } from "../../model/object.ts";
import { namespace } from "./objects.ts";
import { testChain } from "./plugin-harness.ts";

type Fixture = Readonly<Record<"services" | "serviceImports" | "endpointSlices" | "pods", KubeObject[] | undefined>> & {
  readonly namespacesMissing?: string[];
};
const file = JSON.parse(readFileSync(new URL("./cases/upstream.json", import.meta.url), "utf8")) as {
  readonly fixtures: Readonly<Record<string, Fixture>>;
};

const KINDS = { services: "Service", serviceImports: "ServiceImport", endpointSlices: "EndpointSlice", pods: "Pod" } as const;

function objectsOf(name: string): readonly KubeObject[] {
  const fixture = file.fixtures[name];
  const objects = (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((key) =>
    (fixture?.[key] ?? []).map((object) => ({ ...object, kind: KINDS[key] })),
  );
  const names = new Set(objects.map((object) => object.metadata.namespace ?? ""));
  return [...[...names].filter((each) => !fixture?.namespacesMissing?.includes(each)).map(namespace), ...objects];
}

const REVERSE = "cluster.local 0.10.in-addr.arpa 168.192.in-addr.arpa";
const SETUPS = {
  handler: ["handler", "kubernetes cluster.local {\n namespaces testns\n}"],
  multicluster: ["multicluster", "kubernetes cluster.local {\n namespaces testns\n multicluster cluster.local\n}"],
  insecure: ["handler", "kubernetes cluster.local {\n pods insecure\n}"],
  verified: ["handler", "kubernetes cluster.local {\n pods verified\n}"],
  reverse: ["reverse", `kubernetes ${REVERSE}`],
  external: ["external", "k8s_external example.com in-addr.arpa {\n headless\n}\nkubernetes cluster.local {\n namespaces testns\n}"],
} as const;

const CLUSTER = "; cluster.local. SOA ns.dns.cluster.local.";
const OUTSIDE = "; example.com. SOA ns1.dns.example.com.";
const HDLS = "_http._tcp.hdls1.testns.svc.cluster.local.";
const IPS = ["172-0-0-2", "172-0-0-3", "5678-abcd--1", "5678-abcd--2", "dup-name"] as const;
const GLUE: Readonly<Record<(typeof IPS)[number], readonly string[]>> = {
  "172-0-0-2": ["A 172.0.0.2"],
  "172-0-0-3": ["A 172.0.0.3"],
  "5678-abcd--1": ["AAAA 5678:abcd::1"],
  "5678-abcd--2": ["AAAA 5678:abcd::2"],
  "dup-name": ["A 172.0.0.4", "A 172.0.0.5"],
};
const headless = (owner: string): string =>
  [
    "NOERROR",
    ...IPS.map((ip) => `SRV 0 16 80 ${ip}.${owner}`),
    ...IPS.flatMap((ip) => GLUE[ip].map((record) => `+ ${ip}.${owner} ${record}`)),
  ].join("; ");

/** `rcode; type data …; + owner type data` (additional); `; zone SOA mname` when there is none. */
const rows: readonly [setup: keyof typeof SETUPS, name: string, type: string, expected: string][] = [
  ["handler", "svc.cluster.local.", "NS", `NOERROR${CLUSTER}`],
  ["handler", "cluster.local.", "NS", "NOERROR; NS ns.dns.cluster.local.; + ns.dns.cluster.local. A 127.0.0.1"],
  // The zone is compared as it was asked with the name in lower case.
  ["handler", "Cluster.local.", "NS", "NOERROR; Cluster.local. SOA ns.dns.Cluster.local."],
  ["handler", HDLS, "SRV", headless("hdls1.testns.svc.cluster.local.")],
  ["handler", "5678-abcd--2.hdls1.testns.svc.cluster.local.", "AAAA", "NOERROR; AAAA 5678:abcd::2"],
  ["handler", "172-0-0-2.hdls1.testns.svc.cluster.local.", "A", "NOERROR; A 172.0.0.2"],
  ["handler", "172-0-0-3.hdls1.testns.svc.cluster.local.", "A", "NOERROR; A 172.0.0.3"],
  ["handler", "external-to-service.testns.svc.cluster.local.", "A", "NOERROR; CNAME svc1.testns.svc.cluster.local.; A 10.0.0.1"],
  ["multicluster", HDLS, "SRV", headless("cluster1.hdls1.testns.svc.cluster.local.")],
  ["multicluster", "5678-abcd--2.cluster1.hdls1.testns.svc.cluster.local.", "AAAA", "NOERROR; AAAA 5678:abcd::2"],
  ["multicluster", "5678-abcd--1.cluster1.hdls1.testns.svc.cluster.local.", "AAAA", "NOERROR; AAAA 5678:abcd::1"],
  ["multicluster", "172-0-0-2.cluster1.hdls1.testns.svc.cluster.local.", "A", "NOERROR; A 172.0.0.2"],
  ["insecure", "blah.podns.pod.cluster.local.", "A", `NXDOMAIN${CLUSTER}`],
  ["insecure", "blah.podns.pod.cluster.local.", "AAAA", `NXDOMAIN${CLUSTER}`],
  ["verified", "testns.svc.cluster.local.", "A", `NOERROR${CLUSTER}`],
  ["reverse", "100.0.0.10.in-addr.arpa.", "PTR", "NOERROR; PTR ep1a.svc1.testns.svc.cluster.local."],
  ["reverse", "100.1.168.192.in-addr.arpa.", "PTR", "NOERROR; PTR svc1.testns.svc.cluster.local."],
  ["reverse", "svc1.testns.svc.0.10.in-addr.arpa.", "A", "NXDOMAIN; 0.10.in-addr.arpa. SOA ns.dns.0.10.in-addr.arpa."],
  ["reverse", "100.0.0.10.cluster.local.", "PTR", `NXDOMAIN${CLUSTER}`],
  [
    "reverse",
    "99.0.0.10.in-addr.arpa.",
    "PTR",
    "NOERROR; PTR double-ep.svc1.testns.svc.cluster.local.; PTR double-ep.svc2.testns.svc.cluster.local.",
  ],
  ["external", "dns.example.com.", "NS", `NOERROR${OUTSIDE}`],
  ["external", "4.3.2.1.in-addr.arpa.", "PTR", "NOERROR; PTR svc1.testns.example.com."],
  ["external", "svc1.testns.example.com.", "PTR", `NOERROR${OUTSIDE}`],
  ["external", "not-existing.testns.example.com.", "PTR", `NXDOMAIN${OUTSIDE}`],
  ["external", "svc1.testns.example.com.", "A", "NOERROR; A 1.2.3.4"],
  ["external", "svc1.testns.example.com.", "SRV", "NOERROR; SRV 0 100 80 svc1.testns.example.com.; + svc1.testns.example.com. A 1.2.3.4"],
  ["external", "*._not-udp-or-tcp.svc1.testns.example.com.", "SRV", `NXDOMAIN${OUTSIDE}`],
  ["external", "testns.example.com.", "A", `NOERROR${OUTSIDE}`],
  ["external", "svc11.testns.example.com.", "A", "NOERROR; A 2.3.4.5"],
  ["external", "svc12.testns.example.com.", "A", "NOERROR; CNAME dummy.hostname."],
  ["external", "svc12.testns.example.com.", "SRV", "NOERROR; SRV 0 100 80 dummy.hostname."],
  ["external", "svc-headless.testns.example.com.", "A", "NOERROR; A 1.2.3.4; A 1.2.3.5"],
  ["external", "endpoint-svc-0.svc-headless.testns.example.com.", "A", "NOERROR; A 1.2.3.4"],
  ["external", "endpoint-svc-1.svc-headless.testns.example.com.", "A", "NOERROR; A 1.2.3.5"],
];

const text = (record: ResourceRecord): string => `${recordType(record)} ${dataText(record)}`;
const denial = (record: ResourceRecord): string => `${record.name} SOA ${record.type === "SOA" ? record.mname : ""}`;

t.test("answers", async (t) => {
  for (const [setup, name, type, expected] of rows) {
    const [fixture, stanzas] = SETUPS[setup];
    const { ask } = testChain(`. {\n${stanzas}\n}`, objectsOf(fixture), { serverIPs: ["127.0.0.1"] });
    const { rcode, answers, authorities, additionals } = await ask(name, type);
    const actual = [rcode, ...answers.map(text), ...authorities.map(denial), ...additionals.map((each) => `+ ${each.name} ${text(each)}`)];
    t.strictSame(actual.sort(), expected.split("; ").sort(), `${setup} ${name} ${type}`);
  }
});
