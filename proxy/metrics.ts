// kube-proxy's metrics under its own names. One sync serves all nodes, so the sync's figures are the same on each; what depends on
// where endpoints are (no_local_endpoints) and what a node was asked (healthz, livez) is its own.
// Upstream: pkg/proxy/metrics/metrics.go. Left out: Go runtime and process metrics, the
// nfacct counters (no packet is invalid here, and none is to localhost NodePorts), and the winkernel ones.
import type { IpFamily } from "../model/ip.ts";
import { exponentialBuckets, linearBuckets, type MetricFamily, MetricRegistry } from "../model/metrics.ts";
import type { ProxyMode } from "./proxy-config.ts";
import type { Rules } from "./rules.ts";
import { countIptablesRules } from "./rulesets/iptables-counts.ts";
import type { RulesetInput } from "./rulesets/port-plan.ts";
import { categorize, type NodeView } from "./topology.ts";

const SYNC_SECONDS = exponentialBuckets(0.001, 2, 15);
/** 0, ¼, ½, each second to 59, each 5 to 115, each 30 to 300. */
const PROGRAMMING_SECONDS = [0, 0.25, 0.5, ...linearBuckets(1, 1, 59), ...linearBuckets(60, 5, 12), ...linearBuckets(120, 30, 7)];

const SYNC = "kubeproxy_sync_proxy_rules";
const family = (type: MetricFamily["type"], name: string, help: string, buckets?: readonly number[]): MetricFamily => ({
  name,
  type,
  help,
  ...(buckets ? { buckets } : {}),
});

const FAMILIES: readonly MetricFamily[] = [
  family("histogram", `${SYNC}_duration_seconds`, "Time of one sync of the rules", SYNC_SECONDS),
  family("histogram", "kubeproxy_sync_full_proxy_rules_duration_seconds", "Time of one sync of all rules", SYNC_SECONDS),
  family("histogram", "kubeproxy_sync_partial_proxy_rules_duration_seconds", "Time of one sync of the rules that changed", SYNC_SECONDS),
  family("gauge", `${SYNC}_last_timestamp_seconds`, "When the rules were last synced"),
  family("gauge", `${SYNC}_last_queued_timestamp_seconds`, "When a sync of the rules was last asked for"),
  family(
    "histogram",
    "kubeproxy_network_programming_duration_seconds",
    "Time from the change of a pod or Service to the rules that follow it",
    PROGRAMMING_SECONDS,
  ),
  family("gauge", `${SYNC}_endpoint_changes_pending`, "Endpoint changes that the rules do not follow yet"),
  family("counter", `${SYNC}_endpoint_changes_total`, "Endpoint changes seen"),
  family("gauge", `${SYNC}_service_changes_pending`, "Service changes that the rules do not follow yet"),
  family("counter", `${SYNC}_service_changes_total`, "Service changes seen"),
  family("gauge", `${SYNC}_iptables_total`, "Rules of iptables that the proxy owns"),
  family("gauge", `${SYNC}_iptables_last`, "Rules of iptables written in the last sync"),
  family("counter", `${SYNC}_iptables_restore_failures_total`, "Syncs of iptables that failed"),
  family("counter", `${SYNC}_iptables_partial_restore_failures_total`, "Partial syncs of iptables that failed"),
  family("counter", `${SYNC}_nftables_sync_failures_total`, "Syncs of nftables that failed"),
  family("counter", `${SYNC}_nftables_cleanup_failures_total`, "Clean-ups of nftables that failed"),
  family("gauge", `${SYNC}_no_local_endpoints_total`, "Services with a Local traffic policy and no endpoint on this node"),
  family("histogram", "kubeproxy_conntrack_reconciler_sync_duration_seconds", "Time of one look for stale conntrack entries", SYNC_SECONDS),
  family("counter", "kubeproxy_conntrack_reconciler_deleted_entries_total", "Stale conntrack entries deleted"),
  family("counter", "kubeproxy_proxy_healthz_total", "Answers of /healthz by code"),
  family("counter", "kubeproxy_proxy_livez_total", "Answers of /livez by code"),
];

/** What the one sync of all nodes counts. */
export class ProxyMetrics {
  readonly registry = new MetricRegistry(FAMILIES);
  readonly #families: readonly IpFamily[];

  constructor(families: readonly IpFamily[]) {
    this.#families = families;
    for (const ip_family of families) {
      this.registry.add("kubeproxy_conntrack_reconciler_deleted_entries_total", { ip_family }, 0);
    }
  }
  /** Changes were seen and wait for the sync. */
  queued(nowMs: number, services: number, endpoints: number): void {
    for (const ip_family of this.#families) this.registry.set(`${SYNC}_last_queued_timestamp_seconds`, { ip_family }, nowMs / 1000);
    for (const [kind, changes] of [
      ["service", services],
      ["endpoint", endpoints],
    ] as const) {
      this.registry.add(`${SYNC}_${kind}_changes_total`, {}, changes);
      this.registry.set(`${SYNC}_${kind}_changes_pending`, {}, changes);
    }
  }
  /** The rules follow them; `triggers` are the times (ms) at which the changes began. */
  synced(nowMs: number, durationMs: number, full: boolean, triggers: readonly number[]): void {
    for (const ip_family of this.#families) {
      this.registry.observe(`${SYNC}_duration_seconds`, { ip_family }, durationMs / 1000);
      this.registry.observe(`kubeproxy_sync_${full ? "full" : "partial"}_proxy_rules_duration_seconds`, { ip_family }, durationMs / 1000);
      this.registry.set(`${SYNC}_last_timestamp_seconds`, { ip_family }, nowMs / 1000);
      for (const at of triggers) {
        this.registry.observe("kubeproxy_network_programming_duration_seconds", { ip_family }, Math.max(0, nowMs - at) / 1000);
      }
    }
    this.registry.set(`${SYNC}_service_changes_pending`, {}, 0);
    this.registry.set(`${SYNC}_endpoint_changes_pending`, {}, 0);
  }
  conntrack(durationMs: number, deleted: number): void {
    for (const ip_family of this.#families) {
      this.registry.observe("kubeproxy_conntrack_reconciler_sync_duration_seconds", { ip_family }, durationMs / 1000);
    }
    this.registry.add("kubeproxy_conntrack_reconciler_deleted_entries_total", { ip_family: this.#families[0] ?? "IPv4" }, deleted);
  }
  /** The exposition of one node, with what only that node counts. */
  text(node: MetricRegistry): string {
    return this.registry.text() + node.text();
  }
}

/** A node's own series: failures of its mode (there are none), answers of its health server, and what a scrape counts. */
export function nodeMetrics(mode: ProxyMode, families: readonly IpFamily[]): MetricRegistry {
  const registry = new MetricRegistry(FAMILIES);
  for (const ip_family of families) {
    for (const failure of FAILURES[mode] ?? []) registry.add(`${SYNC}_${failure}_failures_total`, { ip_family }, 0);
  }
  return registry;
}

const FAILURES: Readonly<Partial<Record<ProxyMode, readonly string[]>>> = {
  iptables: ["iptables_restore", "iptables_partial_restore"],
  nftables: ["nftables_sync", "nftables_cleanup"],
};

/** Sets the numbers of iptables rules of a node: all, and those of the last sync, in which the Services that `changed` tells had changed. */
export function countIptables(
  registry: MetricRegistry,
  input: RulesetInput,
  families: readonly IpFamily[],
  changed: (service: string) => boolean,
): void {
  for (const ip_family of families) {
    const counts = countIptablesRules(input, ip_family, changed);
    for (const table of ["filter", "nat"] as const) {
      registry.set(`${SYNC}_iptables_total`, { table, ip_family }, counts.total[table]);
      registry.set(`${SYNC}_iptables_last`, { table, ip_family }, counts.last[table]);
    }
  }
}

/** Sets `no_local_endpoints_total`: ServicePorts whose Local policy finds nothing here although there are endpoints elsewhere. */
export function countNoLocalEndpoints(registry: MetricRegistry, rules: Rules, node: NodeView, families: readonly IpFamily[]): void {
  for (const ip_family of families) {
    const services = { internal: new Set<string>(), external: new Set<string>() };
    for (const table of rules.tables()) {
      for (const port of table.ports) {
        if (port.family !== ip_family || !port.usable || (!port.internalLocal && !port.externalLocal)) continue;
        if ((categorize(port, node).local?.length ?? 1) > 0) continue;
        if (port.internalLocal) services.internal.add(port.key);
        if (port.externalLocal) services.external.add(port.key);
      }
    }
    for (const policy of ["internal", "external"] as const) {
      registry.set(`${SYNC}_no_local_endpoints_total`, { ip_family, traffic_policy: policy }, services[policy].size);
    }
  }
}
