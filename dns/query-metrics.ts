// The counts of every query served: by server, zone, protocol, type, and by rcode and the plugin that wrote the reply.
// Upstream: CoreDNS plugin/metrics/handler.go and vars/report.go. Only blocks with `prometheus` count; what the server refuses by itself
// is always counted, in zone "dropped". The plugin that upstream names is the first behind `prometheus`, through which every reply goes.
import type { Chain, Site } from "./chain.ts";
import { RCODES } from "./message.ts";
import type { Rcode } from "./message.ts";
import type { Counter, Histogram, Metrics } from "./metrics.ts";
import { typeName } from "./record.ts";

const COUNTED_TYPES: ReadonlySet<string> = new Set(
  "A AAAA CNAME DNSKEY DS MX NSEC3 NSEC NS PTR RRSIG SOA SRV TXT HTTPS SVCB IXFR AXFR ANY".split(" "),
);
const DROPPED = "dropped";

/** What a served query is counted by. */
export interface Served {
  readonly port: number;
  readonly transport: "udp" | "tcp";
  readonly family: "1" | "2";
  readonly type: number;
  readonly rcode: Rcode;
  /** A plugin wrote the reply, or only a code came out of the chain, or the server did not ask any. */
  readonly by: "plugin" | "chain" | "server";
}

interface Series {
  readonly requests: Counter;
  readonly responses: Counter;
  readonly duration: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
  /** Made when first asked with the DO bit. */
  dnssec(): Counter;
}

/** The sizes are without compression. */
export interface Sizes {
  readonly request: number;
  readonly response: number;
}

/** Where queries that are served alike are counted. */
export class CountedIn {
  readonly served: Served;
  readonly #series: Series | undefined;

  constructor(served: Served, series: Series | undefined) {
    this.served = served;
    this.#series = series;
  }
  count(sizes: Sizes, dnssec: boolean, seconds: number): void {
    const series = this.#series;
    if (!series) return;
    series.requests.value++;
    series.responses.value++;
    series.duration.observe(seconds);
    series.requestSize.observe(sizes.request);
    series.responseSize.observe(sizes.response);
    if (dnssec) series.dnssec().value++;
  }
}

export class QueryMetrics {
  readonly #metrics: Metrics;
  readonly #chain: Chain;
  readonly #series = new Map<string, Map<number, CountedIn>>();

  constructor(metrics: Metrics, chain: Chain) {
    this.#metrics = metrics;
    this.#chain = chain;
  }
  /** Where a query for this lower-case name is counted. */
  of(name: string, served: Served): CountedIn {
    const site = served.by === "server" ? undefined : this.#chain.siteOf(name, served.type, served.port);
    const zone = site?.zone ?? DROPPED;
    let byKey = this.#series.get(zone);
    if (!byKey) this.#series.set(zone, (byKey = new Map()));
    const flags = (RCODES[served.rcode] << 3) | (served.by === "plugin" ? 4 : 0) | (served.family === "2" ? 2 : 0);
    const key = (served.port * 65_536 + served.type) * 512 + (flags << 1) + (served.transport === "tcp" ? 1 : 0);
    let counted = byKey.get(key);
    if (!counted) byKey.set(key, (counted = this.#create(zone, site, served)));
    return counted;
  }

  #create(zone: string, site: Site | undefined, served: Served): CountedIn {
    const handlers = site?.handlers;
    const at = handlers?.indexOf("prometheus") ?? 0;
    if (at < 0) return new CountedIn(served, undefined);
    const plugin = served.by === "plugin" ? (handlers?.[at + 1] ?? "") : "";
    const { port, transport: proto, family, type, rcode } = served;
    const metrics = this.#metrics;
    const base = { server: site?.server ?? this.#chain.serverAt(port), zone, view: "" };
    const counted = COUNTED_TYPES.has(typeName(type)) ? typeName(type) : "other";
    return new CountedIn(served, {
      requests: metrics.counter("coredns_dns_requests_total", { ...base, proto, family, type: counted }),
      responses: metrics.counter("coredns_dns_responses_total", { ...base, rcode, plugin }),
      duration: metrics.histogram("coredns_dns_request_duration_seconds", base),
      requestSize: metrics.histogram("coredns_dns_request_size_bytes", { ...base, proto }),
      responseSize: metrics.histogram("coredns_dns_response_size_bytes", { ...base, proto }),
      dnssec: () => metrics.counter("coredns_dns_do_requests_total", base),
    });
  }
}
