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
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly seconds: number;
}

interface Series {
  readonly requests: Counter;
  readonly responses: Counter;
  readonly duration: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
}

export class QueryMetrics {
  readonly #metrics: Metrics;
  readonly #series = new Map<string, Map<string, Map<number, Series>>>();
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
  /** False while there is but one zone, so that the name does not matter. */
  get needsName(): boolean {
    return this.#zones.length > 1;
  }

  /** Counts one query; `name` is in lower case. */
  count(name: string, served: Served): void {
    const zone = (this.needsName ? matchZone(name, this.#zones) : this.#zones[0]) ?? ".";
    const plugin = served.plugin === "server" ? "" : (this.#writer ?? served.plugin);
    const series = this.#find(zone, plugin, served);
    series.requests.value++;
    series.responses.value++;
    series.duration.observe(served.seconds);
    series.requestSize.observe(served.requestBytes);
    series.responseSize.observe(served.responseBytes);
  }

  #find(zone: string, plugin: string, served: Served): Series {
    let byPlugin = this.#series.get(zone);
    if (!byPlugin) this.#series.set(zone, (byPlugin = new Map()));
    let byKey = byPlugin.get(plugin);
    if (!byKey) byPlugin.set(plugin, (byKey = new Map()));
    const flags = (RCODES[served.rcode] << 2) | (served.family === "2" ? 2 : 0) | (served.transport === "tcp" ? 1 : 0);
    const key = (served.port * 65_536 + served.type) * 128 + flags;
    let series = byKey.get(key);
    if (!series) byKey.set(key, (series = this.#create(zone, plugin, served)));
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
