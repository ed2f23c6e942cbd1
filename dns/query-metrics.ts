// The counts of every query served: by server, zone, protocol, type, and by rcode and the plugin that wrote the reply.
// Upstream: CoreDNS plugin/metrics/handler.go and vars/report.go. Upstream names the outermost plugin that touches the reply, so do we.
import type { Chain } from "./chain.ts";
import { RCODES } from "./message.ts";
import type { Rcode } from "./message.ts";
import type { Counter, Histogram, Metrics } from "./metrics.ts";
import { matchZone } from "./name.ts";
import { typeName } from "./record.ts";

const COUNTED_TYPES: ReadonlySet<string> = new Set(
  "A AAAA MX SOA CNAME PTR TXT NS SRV DS DNSKEY RRSIG NSEC NSEC3 HTTPS IXFR AXFR ANY CAA".split(" "),
);
/** Plugins that put a reply of their own in front of the answering plugin's, outermost first. */
const WRITERS = ["loadbalance", "cache"];

/** What a served query is counted by. */
export interface Served {
  readonly port: number;
  readonly transport: "udp" | "tcp";
  readonly family: "1" | "2";
  readonly type: number;
  readonly rcode: Rcode;
  /** Who answered; "server" when no plugin did. */
  readonly plugin: string;
}

interface Series {
  readonly requests: Counter;
  readonly responses: Counter;
  readonly duration: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
}

/** Where queries that are served alike are counted. */
export class CountedIn {
  readonly served: Served;
  readonly #series: Series;

  constructor(served: Served, series: Series) {
    this.served = served;
    this.#series = series;
  }
  count(requestBytes: number, responseBytes: number, seconds: number): void {
    const series = this.#series;
    series.requests.value++;
    series.responses.value++;
    series.duration.observe(seconds);
    series.requestSize.observe(requestBytes);
    series.responseSize.observe(responseBytes);
  }
}

export class QueryMetrics {
  readonly #metrics: Metrics;
  readonly #series = new Map<string, Map<string, Map<number, CountedIn>>>();
  #zones: readonly string[] = [];
  #writer: string | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }
  /** Counts under the zones and plugins of this chain from now on. */
  use(chain: Chain): void {
    this.#zones = chain.zones;
    this.#writer = WRITERS.find((name) => chain.plugins.some((plugin) => plugin.name === name));
  }
  /** Where a query for this lower-case name is counted. */
  of(name: string, served: Served): CountedIn {
    const zone = (this.#zones.length > 1 ? matchZone(name, this.#zones) : this.#zones[0]) ?? ".";
    const plugin = served.plugin === "server" ? "" : (this.#writer ?? served.plugin);
    return this.#find(zone, plugin, served);
  }

  #find(zone: string, plugin: string, served: Served): CountedIn {
    let byPlugin = this.#series.get(zone);
    if (!byPlugin) this.#series.set(zone, (byPlugin = new Map()));
    let byKey = byPlugin.get(plugin);
    if (!byKey) byPlugin.set(plugin, (byKey = new Map()));
    const flags = (RCODES[served.rcode] << 2) | (served.family === "2" ? 2 : 0) | (served.transport === "tcp" ? 1 : 0);
    const key = (served.port * 65_536 + served.type) * 128 + flags;
    let series = byKey.get(key);
    if (!series) byKey.set(key, (series = new CountedIn(served, this.#create(zone, plugin, served))));
    return series;
  }

  #create(zone: string, plugin: string, { port, transport: proto, family, type, rcode }: Served): Series {
    const metrics = this.#metrics;
    const base = { server: `dns://:${port}`, zone, view: "" };
    const counted = COUNTED_TYPES.has(typeName(type)) ? typeName(type) : "other";
    return {
      requests: metrics.counter("coredns_dns_requests_total", { ...base, proto, family, type: counted }),
      responses: metrics.counter("coredns_dns_responses_total", { ...base, rcode, plugin }),
      duration: metrics.histogram("coredns_dns_request_duration_seconds", base),
      requestSize: metrics.histogram("coredns_dns_request_size_bytes", { ...base, proto }),
      responseSize: metrics.histogram("coredns_dns_response_size_bytes", { ...base, proto }),
    };
  }
}
