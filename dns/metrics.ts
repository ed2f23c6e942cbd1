// Counters and histograms of one DNS server, in Prometheus' text format under CoreDNS's names.
// Upstream: CoreDNS plugin/metrics.
type Labels = Readonly<Record<string, string>>;

/** A counter or gauge that is bumped without look-ups. */
export interface Counter {
  value: number;
}

export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }
  observe(value: number): void {
    this.sum += value;
    this.count++;
    for (let i = 0; i < this.bounds.length; i++) {
      if (value <= (this.bounds[i] ?? Infinity)) {
        this.counts[i] = (this.counts[i] ?? 0) + 1;
        return;
      }
    }
  }
}

const SIZE_BOUNDS = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3];
const TIME_BOUNDS = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i);
const SLIM_TIME_BOUNDS = [0.00025, 0.0025, 0.025, 0.25, 2.5];

interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly series: Map<string, Counter | Histogram>;
  readonly bounds: readonly number[];
}

const FAMILIES: Readonly<Record<string, readonly [Family["type"], string, (readonly number[])?]>> = {
  coredns_build_info: [
    "gauge",
    "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
  ],
  coredns_plugin_enabled: ["gauge", "A metric that indicates whether a plugin is enabled on per server and zone basis."],
  coredns_panics_total: ["counter", "A metrics that counts the number of panics."],
  coredns_dns_requests_total: ["counter", "Counter of DNS requests made per zone, protocol and family."],
  coredns_dns_do_requests_total: ["counter", "Counter of DNS requests with DO bit set per zone."],
  coredns_dns_request_duration_seconds: ["histogram", "Histogram of the time (in seconds) each request took per zone.", TIME_BOUNDS],
  coredns_dns_request_size_bytes: ["histogram", "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.", SIZE_BOUNDS],
  coredns_dns_response_size_bytes: ["histogram", "Size of the returned response in bytes.", SIZE_BOUNDS],
  coredns_dns_responses_total: ["counter", "Counter of response status codes."],
  coredns_acl_allowed_requests_total: ["counter", "Counter of DNS requests being allowed."],
  coredns_acl_blocked_requests_total: ["counter", "Counter of DNS requests being blocked."],
  coredns_acl_dropped_requests_total: ["counter", "Counter of DNS requests being dropped."],
  coredns_acl_filtered_requests_total: ["counter", "Counter of DNS requests being filtered."],
  coredns_autopath_success_total: ["counter", "Counter of requests that did autopath."],
  coredns_cache_entries: ["gauge", "The number of elements in the cache."],
  coredns_cache_requests_total: ["counter", "The count of cache requests."],
  coredns_cache_hits_total: ["counter", "The count of cache hits."],
  coredns_cache_misses_total: ["counter", "The count of cache misses. Deprecated, derive misses from cache hits/requests counters."],
  coredns_cache_evictions_total: ["counter", "The count of cache evictions."],
  coredns_cache_prefetch_total: ["counter", "The number of times the cache has prefetched a cached item."],
  coredns_cache_served_stale_total: ["counter", "The number of requests served from stale cache entries."],
  coredns_forward_healthcheck_broken_total: ["counter", "Counter of the number of complete failures of the healthchecks."],
  coredns_forward_healthcheck_failures_total: ["counter", "Counter of the number of failed healthchecks."],
  coredns_forward_max_concurrent_rejects_total: [
    "counter",
    "Counter of the number of queries rejected because the concurrent queries were at maximum.",
  ],
  coredns_forward_request_duration_seconds: ["histogram", "Histogram of the time each request took.", TIME_BOUNDS],
  coredns_forward_requests_total: ["counter", "Counter of requests made per upstream."],
  coredns_forward_responses_total: ["counter", "Counter of responses received per upstream."],
  coredns_proxy_conn_cache_hits_total: ["counter", "Counter of connection cache hits per upstream and protocol."],
  coredns_proxy_conn_cache_misses_total: ["counter", "Counter of connection cache misses per upstream and protocol."],
  coredns_proxy_healthcheck_failures_total: ["counter", "Counter of the number of failed healthchecks."],
  coredns_proxy_request_duration_seconds: ["histogram", "Histogram of the time each request took.", TIME_BOUNDS],
  coredns_health_request_duration_seconds: ["histogram", "Histogram of the time (in seconds) each request took.", SLIM_TIME_BOUNDS],
  coredns_health_request_failures_total: ["counter", "The number of times the health check failed."],
  coredns_hosts_entries: ["gauge", "The combined number of entries in hosts and Corefile."],
  coredns_hosts_reload_timestamp_seconds: ["gauge", "The timestamp of the last reload of hosts file."],
  coredns_local_localhost_requests_total: ["counter", "Counter of special localhost subdomain requests."],
  coredns_reload_failed_total: ["counter", "Counter of the number of failed reload attempts."],
  coredns_reload_version_info: ["gauge", "A metric with a constant '1' value labeled by hash, and value which type of hash generated."],
  coredns_kubernetes_dns_programming_duration_seconds: [
    "histogram",
    "Histogram of the time (in seconds) it took to program a dns instance.",
    Array.from({ length: 20 }, (_, i) => 0.001 * 2 ** i),
  ],
};

/** The series of one server; families are fixed, series appear when first touched. */
export class Metrics {
  readonly #families = new Map<string, Family>();

  counter(name: string, labels: Labels): Counter {
    const counter = this.#series(name, labels);
    return counter instanceof Histogram ? { value: 0 } : counter;
  }
  histogram(name: string, labels: Labels): Histogram {
    const histogram = this.#series(name, labels);
    return histogram instanceof Histogram ? histogram : new Histogram([]);
  }
  /** Forgets the series of a family. */
  clear(name: string): void {
    this.#families.get(name)?.series.clear();
  }
  #series(name: string, labels: Labels): Counter | Histogram {
    let family = this.#families.get(name);
    if (!family) {
      const [type, help, bounds = []] = FAMILIES[name] ?? ["counter", name];
      family = { type, help, bounds, series: new Map() };
      this.#families.set(name, family);
    }
    const key = Object.entries(labels)
      .map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, "\\$&")}"`)
      .join(",");
    let series = family.series.get(key);
    if (!series) {
      series = family.type === "histogram" ? new Histogram(family.bounds) : { value: 0 };
      family.series.set(key, series);
    }
    return series;
  }

  /** The exposition, families and series sorted. */
  text(): string {
    const lines: string[] = [];
    for (const [name, family] of [...this.#families].sort(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push(`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`);
      for (const [labels, series] of [...family.series].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (series instanceof Histogram) lines.push(...histogramLines(name, labels, series));
        else lines.push(`${name}${labels === "" ? "" : `{${labels}}`} ${series.value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function histogramLines(name: string, labels: string, histogram: Histogram): readonly string[] {
  const prefix = labels === "" ? "" : `${labels},`;
  let total = 0;
  const buckets = histogram.bounds.map((bound, i) => `${name}_bucket{${prefix}le="${bound}"} ${(total += histogram.counts[i] ?? 0)}`);
  const suffix = labels === "" ? "" : `{${labels}}`;
  return [
    ...buckets,
    `${name}_bucket{${prefix}le="+Inf"} ${histogram.count}`,
    `${name}_sum${suffix} ${histogram.sum}`,
    `${name}_count${suffix} ${histogram.count}`,
  ];
}
