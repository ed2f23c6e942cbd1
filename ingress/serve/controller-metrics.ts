// What a controller pod tells of itself on 10254: configuration, certificates, orphans, admission and connections.
// Upstream: internal/ingress/metric/collectors/{controller,nginx_status,admission,process}.go. Leaves out processor, memory and I/O of
// nginx's processes (there are none of its own here) and the size of a tested configuration (there is no text of it).
import { X509Certificate } from "node:crypto";
import { type MetricFamily, type MetricLabels, MetricRegistry } from "../../model/metrics.ts";
import { splitKey } from "../../model/object.ts";
import type { CheckCounts } from "../report/check-counts.ts";
import type { RouteTable, Server } from "../routes/route-table.ts";
import type { Upstreams } from "../routes/upstreams.ts";
import { type ChosenCertificate, chooseCertificate, type SecretOf } from "../tls/certificates.ts";
import { PREFIX, requestFamilies, type RequestMetrics } from "./request-metrics.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

const family = (name: string, type: MetricFamily["type"], help: string): MetricFamily => ({ name: PREFIX + name, type, help });

const FAMILIES: readonly MetricFamily[] = [
  family("build_info", "gauge", "Always 1; the labels tell the release whose behaviour this is"),
  family("config_hash", "gauge", "Hash of the configuration that is served"),
  family("config_last_reload_successful", "gauge", "Whether the last change of the configuration is served"),
  family("config_last_reload_successful_timestamp_seconds", "gauge", "When the configuration last changed"),
  family("success", "counter", "Changes of the configuration taken into service"),
  family("leader_election_status", "gauge", "1 on the pod that keeps the status of Ingresses"),
  family("ssl_expire_time_seconds", "gauge", "When the certificate of a host expires, in seconds since 1970"),
  family("ssl_certificate_info", "gauge", "Always 1; the labels tell the certificate of a host"),
  family("orphan_ingress", "gauge", "1 for an Ingress with a backend without Service (no-service) or endpoints (no-endpoint)"),
  family("check_success", "counter", "Ingresses that admission let pass"),
  family("check_errors", "counter", "Ingresses that admission refused"),
  family("admission_tested_ingresses", "gauge", "Ingresses that the last admission compared with"),
  family("admission_tested_duration", "gauge", "Seconds that the last admission's comparison took"),
  family("admission_render_ingresses", "gauge", "Ingresses that the last admission read"),
  family("admission_render_duration", "gauge", "Seconds that the last admission's reading took"),
  family("admission_roundtrip_duration", "gauge", "Seconds that the last admission took"),
  family("nginx_process_connections", "gauge", "Connections of clients that are open, by state"),
  family("nginx_process_connections_total", "counter", "Connections of clients so far, by state"),
  family("nginx_process_requests_total", "counter", "Requests of clients so far"),
  family("nginx_process_num_procs", "gauge", "Processes"),
  family("nginx_process_oldest_start_time_seconds", "gauge", "When the controller started, in seconds since 1970"),
];

export interface ConnectionCounts {
  readonly accepted: number;
  readonly open: number;
  /** Requests under way. */
  readonly writing: number;
  readonly requests: number;
}

export interface MetricsSource {
  readonly feed: RoutesFeed;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly requests: RequestMetrics;
  readonly checks: CheckCounts;
  readonly startedAtMs: number;
  /** X.509 of the certificate for hosts without one. */
  readonly fakeCertificate: string;
  connections(): ConnectionCounts;
}

/** All metrics in Prometheus' text format. */
export function metricsText(source: MetricsSource): string {
  const { feed, pod } = source;
  const { table, upstreams } = feed;
  const registry = new MetricRegistry([...requestFamilies(feed.flags), ...FAMILIES]);
  const common = { controller_namespace: pod.namespace, controller_class: feed.flags.controllerClass, controller_pod: pod.name };
  const set = (name: string, labels: MetricLabels, value: number): void => registry.set(PREFIX + name, { ...common, ...labels }, value);
  set("build_info", { release: "v1.15.1" }, 1);
  set("config_hash", {}, feed.configHash);
  set("config_last_reload_successful", {}, 1);
  set("config_last_reload_successful_timestamp_seconds", {}, Math.floor(feed.changedAtMs / 1000));
  set("success", {}, feed.reloads);
  const first = feed.leads(pod.name);
  const leads = first && !feed.flags.disableLeaderElection;
  if (leads) set("leader_election_status", { name: feed.flags.electionId }, 1);
  certificates(registry, source, leads);
  for (const { owner, type, value } of orphans(table, upstreams)) {
    const { namespace, name } = splitKey(owner);
    set("orphan_ingress", { namespace, ingress: name, type }, value);
  }
  if (first) admission(source.checks, set);
  const { accepted, open, writing, requests } = source.connections();
  const states = { active: open, reading: 0, writing, waiting: Math.max(0, open - writing) };
  for (const [state, value] of Object.entries(states)) set("nginx_process_connections", { state }, value);
  for (const state of ["accepted", "handled"]) set("nginx_process_connections_total", { state }, accepted);
  set("nginx_process_requests_total", {}, requests);
  set("nginx_process_num_procs", {}, 1);
  set("nginx_process_oldest_start_time_seconds", {}, Math.floor(source.startedAtMs / 1000));
  source.requests.addTo(registry, table, common);
  return registry.text();
}

/** The webhook calls one pod: the first speaks for all. */
function admission(checks: CheckCounts, set: (name: string, labels: MetricLabels, value: number) => void): void {
  for (const [owner, { passed, refused }] of checks.byIngress) {
    const { namespace, name } = splitKey(owner);
    if (passed > 0) set("check_success", { namespace, ingress: name }, passed);
    if (refused > 0) set("check_errors", { namespace, ingress: name }, refused);
  }
  const { last } = checks;
  set("admission_tested_ingresses", {}, last.ingresses);
  set("admission_tested_duration", {}, last.testSeconds);
  set("admission_render_ingresses", {}, last.ingresses);
  set("admission_render_duration", {}, last.readSeconds);
  set("admission_roundtrip_duration", {}, last.totalSeconds);
}

/** One series a server with a certificate; `_` has the default one. When they expire the leader alone tells. */
function certificates(registry: MetricRegistry, { feed, fakeCertificate }: MetricsSource, leads: boolean): void {
  const { table, flags } = feed;
  const secretOf: SecretOf = (key) => feed.secret(key);
  const add = (host: string, chosen: ChosenCertificate): void => {
    const certificate = chosen.secret === undefined ? fakeCertificate : secretOf(chosen.secret)?.["tls.crt"]?.toString();
    const parsed = certificate === undefined ? undefined : certificateFacts(certificate);
    if (!parsed) return;
    const [namespace, name] = chosen.secret?.split("/") ?? ["", "default-fake-certificate"];
    const labels = {
      class: flags.controllerClass,
      host,
      namespace: namespace ?? "",
      secret_name: name ?? "",
      identifier: parsed.identifier,
    };
    if (leads) registry.set(`${PREFIX}ssl_expire_time_seconds`, labels, parsed.expiresAt);
    registry.set(`${PREFIX}ssl_certificate_info`, { ...labels, ...parsed.issuer }, 1);
  };
  add("_", chooseCertificate(table, secretOf, undefined));
  const servers = new Set<Server>([...table.hosts.values(), ...table.wildcards.values()]);
  for (const server of servers) if (server.certificate) add(server.host, chooseCertificate(table, secretOf, server.host.replace("*", "x")));
}

interface CertificateFacts {
  readonly identifier: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly issuer: MetricLabels;
}

/** Go's names of them. */
const ALGORITHMS = new Map<string | undefined, string>([
  ["rsa", "RSA"],
  ["ec", "ECDSA"],
  ["ed25519", "Ed25519"],
]);

const facts = new Map<string, CertificateFacts>();

/** Parsed once for each text. */
function certificateFacts(pem: string): CertificateFacts | undefined {
  const known = facts.get(pem);
  if (known) return known;
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(pem);
  } catch {
    return undefined;
  }
  const field = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(parsed.issuer ?? "")?.[1] ?? "";
  const serial = BigInt(`0x${parsed.serialNumber}`).toString();
  const made: CertificateFacts = {
    identifier: `${field("serialNumber")}-${serial}`,
    expiresAt: Math.floor(Date.parse(parsed.validTo) / 1000),
    issuer: {
      issuer_common_name: field("CN"),
      issuer_organization: field("O"),
      serial_number: serial,
      public_key_algorithm: ALGORITHMS.get(parsed.publicKey.asymmetricKeyType) ?? "",
    },
  };
  if (facts.size > 10_000) facts.clear();
  facts.set(pem, made);
  return made;
}

interface Orphan {
  readonly owner: string;
  readonly type: "no-service" | "no-endpoint";
  readonly value: 0 | 1;
}

/** Of each Ingress that counts, whether one of its backends leads nowhere. */
function orphans(table: RouteTable, upstreams: Upstreams): readonly Orphan[] {
  const worst = new Map<string, { noService: boolean; noEndpoint: boolean; found: boolean }>();
  const servers = new Set<Server>([...table.hosts.values(), ...table.wildcards.values(), table.fallback]);
  for (const server of servers)
    for (const { owner, backend } of server.locations) {
      if (owner === undefined || !backend) continue;
      const seen = worst.get(owner) ?? { noService: false, noEndpoint: false, found: false };
      worst.set(owner, seen);
      if (!upstreams.service(`${backend.namespace}/${backend.service}`)) seen.noService = true;
      else {
        seen.found = true;
        if (upstreams.find(backend).type === "none") seen.noEndpoint = true;
      }
    }
  return [...worst].flatMap(([owner, { noService, noEndpoint, found }]): readonly Orphan[] => [
    { owner, type: "no-service", value: noService ? 1 : 0 },
    ...(found ? [{ owner, type: "no-endpoint" as const, value: noEndpoint ? (1 as const) : (0 as const) }] : []),
  ]);
}
