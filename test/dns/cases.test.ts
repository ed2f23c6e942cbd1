// The upstream case tables (CoreDNS 1.14.7, DNS specification 1.1.0), run through whole plugin chains made from Corefiles.
import { readFileSync } from "node:fs";
import t from "tap";
import { cacheable } from "../../dns/plugins/cache.ts";
import { walkSearchPath } from "../../dns/plugins/autopath.ts";
import { emptyReply, RCODES } from "../../dns/message.ts";
import type { Reply } from "../../dns/message.ts";
import { queryMetadata } from "../../dns/metadata.ts";
import { parseQueryName } from "../../dns/query-name.ts";
import { dataText, recordType, typeCode } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { endpointLabel } from "../../dns/service-table.ts";
import { defaultKubernetesOptions, ZoneView } from "../../dns/view.ts";
import { compileZone } from "../../dns/zone.ts";
import type { KubeObject } from "../../model/object.ts";
import { namespace } from "./objects.ts";
import { query, testChain } from "./plugin-harness.ts";

interface CaseRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number | null;
  readonly [field: string]: unknown;
}
interface Expected {
  readonly rcode: string;
  readonly answer?: CaseRecord[];
  readonly authority?: CaseRecord[];
  readonly additional?: CaseRecord[];
  readonly aa?: boolean;
}
interface Case {
  readonly id: string;
  readonly fixture: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly question: { readonly name: string; readonly type: string };
  readonly expect: Expected;
  readonly compare: string;
  readonly note?: string;
}
type Fixture = {
  readonly services?: KubeObject[];
  readonly serviceImports?: KubeObject[];
  readonly endpointSlices?: KubeObject[];
  readonly pods?: KubeObject[];
  readonly namespacesMissing?: string[];
};
const file = JSON.parse(readFileSync(new URL("./cases/upstream.json", import.meta.url), "utf8")) as {
  readonly fixtures: Record<string, Fixture>;
  readonly cases: Case[];
  readonly endpointHostnameCases: { ip: string; hostname: string; podName: string; endpoint_pod_names: boolean; expected: string }[];
  readonly parseCases: {
    query: string;
    zone: string;
    multicluster: boolean;
    zonal: boolean;
    expect: Record<string, string> & { error?: boolean };
  }[];
  readonly metadataCases: { query: string; type: string; metadata: Record<string, string> }[];
  readonly namespaceExposureCases: { exposedList: string[]; namespace: string; existsInCluster: boolean; expectedExposed: boolean }[];
  readonly cacheInsertionCases: {
    name: string;
    question: { name: string; type: string };
    response: { rcode: "NOERROR"; answer: CaseRecord[]; authority: CaseRecord[]; tc: boolean; do: boolean };
    shouldCache: boolean;
  }[];
};

const words = (value: unknown): string => (Array.isArray(value) ? value.join(" ") : "");

function objectsOf(fixture: string): readonly KubeObject[] {
  const { services = [], serviceImports = [], endpointSlices = [], pods = [], namespacesMissing = [] } = file.fixtures[fixture] ?? {};
  const kinds = (list: KubeObject[], kind: string): KubeObject[] => list.map((object) => ({ ...object, kind: object.kind ?? kind }));
  const objects = [
    ...kinds(services, "Service"),
    ...kinds(serviceImports, "ServiceImport"),
    ...kinds(endpointSlices, "EndpointSlice"),
    ...kinds(pods, "Pod"),
  ];
  const names = new Set(objects.map((object) => object.metadata.namespace ?? "").filter((name) => !namespacesMissing.includes(name)));
  return [...[...names].map(namespace), ...objects];
}

function corefileOf({ config, fixture }: Case): string {
  if (config["plugin"] === "k8s_external") {
    const inner = config["kubernetes"] as { zones: string[]; namespaces: string[] };
    return `. {\n k8s_external ${words(config["zones"])} {\n${config["headless"] ? "headless\n" : ""}}\n kubernetes ${words(inner.zones)} {\n namespaces ${words(inner.namespaces)}\n }\n}`;
  }
  const zones = fixture === "spec" ? "cluster.local in-addr.arpa ip6.arpa" : words(config["zones"]);
  const lines = [
    words(config["namespaces"]) && `namespaces ${words(config["namespaces"])}`,
    config["pods"] && `pods ${String(config["pods"])}`,
    config["ttl"] && `ttl ${String(config["ttl"])}`,
    config["ignore"] && `ignore ${String(config["ignore"])}`,
    config["multicluster"] && `multicluster ${words(config["multicluster"])}`,
    config["zonal"] && "zonal",
    config["endpoint_pod_names"] && "endpoint_pod_names",
  ].filter((line) => line);
  const transfer = config["transfer"] ? `transfer {\n ${String(config["transfer"])}\n }` : "";
  return `. {\n hosts /none {\n 1.2.3.4 ext.interwebs.test\n 192.0.2.53 www.example.com\n ttl 5\n fallthrough\n }\n ${transfer}\n kubernetes ${zones} {\n ${lines.join("\n ")}\n }\n}`;
}

/** A case's record as a line; what upstream does not compare (the SOA's rname and serial) becomes "*". */
function caseLine(record: CaseRecord, loose: boolean): string {
  const { name, type, ttl, ...data } = record;
  const values = Object.entries(data).map(([field, value]) => {
    if (value === null || (type === "SOA" && field === "rname") || (loose && (field === "priority" || field === "weight"))) return "*";
    return Array.isArray(value) ? value.map((text) => `"${String(text)}"`).join(" ") : String(value);
  });
  return `${name} ${loose || ttl === null ? "*" : ttl} ${type} ${values.join(" ")}`;
}
function replyLine(record: ResourceRecord, loose: boolean): string {
  const data =
    record.type === "SOA" ? `${record.mname} * * ${record.refresh} ${record.retry} ${record.expire} ${record.minimum}` : dataText(record);
  return `${record.name} ${loose ? "*" : record.ttl} ${recordType(record)} ${loose && record.type === "SRV" ? data.replace(/^\d+ \d+/, "* *") : data}`;
}

t.test("answers", async (t) => {
  for (const row of file.cases) {
    const loose = row.compare.includes("ttl");
    const config = row.config;
    let reply: Reply;
    if (config["plugin"] === "autopath") {
      const next = config["next"] as Record<string, string>;
      reply = await walkSearchPath(query(row.question.name, row.question.type), config["searchPath"] as string[], (asked) => {
        const [type, address = "", , ttl] = (next[asked.question.name] ?? "NXDOMAIN").split(" ");
        if (type !== "A") return emptyReply("NXDOMAIN", "test", "");
        return { ...emptyReply("NOERROR", "test", ""), answers: [{ name: asked.question.name, type, ttl: Number(ttl), address }] };
      });
    } else {
      const { ask } = testChain(corefileOf(row), objectsOf(row.fixture), {
        serverIPs: (config["serverIPs"] as string[] | undefined) ?? (row.fixture === "ns" ? ["10.244.0.20"] : ["127.0.0.1"]),
      });
      const transfer =
        row.question.type === "AXFR" || row.question.type === "IXFR" ? ({ transport: config["transfer"] ? "tcp" : "udp" } as const) : {};
      reply = await ask(row.question.name, row.question.type, {
        ...transfer,
        ...(config["ixfrSerial"] === undefined ? {} : { ixfrSerial: Number(config["ixfrSerial"]) }),
      });
    }
    const ordered = row.compare.startsWith("ordered") && row.question.type !== "AXFR";
    const lines = (list: readonly string[]): readonly string[] => (ordered ? list : [...list].sort());
    const actual = {
      rcode: reply.rcode,
      answer: lines(reply.answers.map((record) => replyLine(record, loose))),
      authority: lines(reply.authorities.map((record) => replyLine(record, loose))),
      ...(loose ? {} : { additional: lines(reply.additionals.map((record) => replyLine(record, loose))) }),
    };
    const { rcode, answer = [], authority = [], additional = [] } = row.expect;
    const expected = {
      rcode,
      answer: lines(answer.map((record) => caseLine(record, loose))),
      authority: lines(authority.map((record) => caseLine(record, loose))),
      ...(loose ? {} : { additional: lines(additional.map((record) => caseLine(record, loose))) }),
    };
    t.strictSame(
      actual,
      expected,
      `${row.id} ${row.question.name} ${row.question.type} (${row.note ?? ""}) ${reply.why.map((reason) => reason.text).join("; ")}`,
    );
  }
});

t.test("endpoint names", async (t) => {
  for (const row of file.endpointHostnameCases) {
    t.equal(endpointLabel({ ip: row.ip, hostname: row.hostname, podName: row.podName, zone: "" }, row.endpoint_pod_names), row.expected);
  }
});

t.test("parsed names", async (t) => {
  for (const row of file.parseCases) {
    const parsed = row.query.endsWith(row.zone) ? parseQueryName(row.query, row.zone, row) : undefined;
    if (row.expect.error) t.equal(parsed, undefined, row.query);
    else t.match(parsed, row.expect, row.query);
  }
});

t.test("metadata", async (t) => {
  const view = new ZoneView(compileZone([], 0), defaultKubernetesOptions(["cluster.local."]), []);
  for (const row of file.metadataCases) t.strictSame(queryMetadata(view, query(row.query, row.type)), row.metadata, row.query);
});

t.test("namespaces exposed", async (t) => {
  for (const row of file.namespaceExposureCases) {
    const zone = compileZone(row.existsInCluster ? [namespace(row.namespace)] : [], 0);
    const view = new ZoneView(zone, { ...defaultKubernetesOptions(["cluster.local."]), namespaces: new Set(row.exposedList) }, []);
    t.equal(view.hidden(row.namespace) === undefined, row.expectedExposed, JSON.stringify(row));
  }
});

t.test("what cache keeps", async (t) => {
  const record = (row: CaseRecord): ResourceRecord => row as unknown as ResourceRecord;
  for (const row of file.cacheInsertionCases) {
    const { rcode, answer, authority, tc, do: dnssec } = row.response;
    if (dnssec || row.name.includes("exception")) continue;
    t.ok(rcode in RCODES && typeCode(row.question.type) !== undefined);
    const reply: Reply = {
      rcode,
      answers: answer.map(record),
      authorities: authority.map(record),
      additionals: [],
      aa: false,
      tc,
      why: [],
    };
    t.equal(cacheable(query(row.question.name, row.question.type), reply) !== undefined, row.shouldCache, row.name);
  }
});
