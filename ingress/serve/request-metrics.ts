// What each served request adds to the metrics on 10254: a counter and histograms by host, path, method, status and backend.
// Upstream: internal/ingress/metric/collectors/socket.go, lua/monitor.lua. Leaves out native histograms.
// A request costs a lookup and additions: series are held by location, and text is made when somebody asks.
import { Histogram, type MetricFamily, type MetricRegistry } from "../../model/metrics.ts";
import type { ControllerFlags } from "../config.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Location, RouteTable } from "../routes/route-table.ts";
import { bytesSent, type LogSubject, requestLength } from "./log-format.ts";

export const PREFIX = "nginx_ingress_controller_";

const HISTOGRAMS = {
  connect_duration_seconds: { help: "Seconds until the connection to the pod was there", buckets: "time" },
  header_duration_seconds: { help: "Seconds until the head of the pod's answer was there", buckets: "time" },
  response_duration_seconds: { help: "Seconds until the pod's answer was there whole", buckets: "time" },
  request_duration_seconds: { help: "Seconds from the request to the end of its answer", buckets: "time" },
  request_size: { help: "Bytes of a request with its body", buckets: "length" },
  response_size: { help: "Bytes of an answer with its body", buckets: "length" },
  bytes_sent: { help: "Bytes sent to the client; deprecated upstream for response_size", buckets: "size" },
} as const;
type HistogramName = keyof typeof HISTOGRAMS;
const NAMES = Object.keys(HISTOGRAMS) as readonly HistogramName[];

/** What `text` needs declared. */
export const requestFamilies = ({ buckets }: ControllerFlags): readonly MetricFamily[] => [
  { name: `${PREFIX}requests`, type: "counter", help: "Requests of clients, counted" },
  ...NAMES.map((name) => {
    const { help, buckets: bounds } = HISTOGRAMS[name];
    return { name: PREFIX + name, type: "histogram" as const, help, buckets: buckets[bounds] };
  }),
];

class Series {
  readonly location: Location;
  readonly host: string;
  readonly method: string;
  readonly status: string;
  readonly canary: string;
  count = 0;
  readonly histograms: Readonly<Record<HistogramName, Histogram>>;

  constructor({ buckets }: ControllerFlags, location: Location, host: string, method: string, status: string, canary: string) {
    this.location = location;
    this.host = host;
    this.method = method;
    this.status = status;
    this.canary = canary;
    const made = (name: HistogramName): Histogram => new Histogram(buckets[HISTOGRAMS[name].buckets]);
    this.histograms = {
      connect_duration_seconds: made("connect_duration_seconds"),
      header_duration_seconds: made("header_duration_seconds"),
      response_duration_seconds: made("response_duration_seconds"),
      request_duration_seconds: made("request_duration_seconds"),
      request_size: made("request_size"),
      response_size: made("response_size"),
      bytes_sent: made("bytes_sent"),
    };
  }
}

type Measured = Pick<LogSubject, "request" | "record" | "sentHead" | "status">;

export class RequestMetrics {
  readonly #flags: ControllerFlags;
  /** By labels, over all tables. */
  readonly #series = new Map<string, Series>();
  /** The same by location: what a request looks up. */
  readonly #byLocation = new WeakMap<Location, Series[]>();

  constructor(flags: ControllerFlags) {
    this.#flags = flags;
  }
  /** `ended` is what became of a request that a location took; `endedAt` is of the monotonic clock. */
  observe(ended: Measured, exchange: Exchange, endedAt: number): void {
    const { record } = ended;
    const { metricsPerHost, metricsPerUndefinedHost } = this.#flags;
    if (metricsPerHost && !metricsPerUndefinedHost && !served(exchange.table, exchange.facts.host)) return;
    const series = this.#find(exchange, ended.status, record.alternative);
    const { histograms } = series;
    series.count++;
    histograms.request_duration_seconds.observe((endedAt - record.startedAt) / 1000);
    histograms.request_size.observe(requestLength(ended));
    const sent = bytesSent(ended);
    histograms.response_size.observe(sent);
    histograms.bytes_sent.observe(sent);
    const asked = record.lastTry;
    // Of a request with several tries nginx's variables are lists, which are no numbers: upstream observes none of them.
    if (!asked || asked.before) return;
    const { startedAt } = asked;
    if (asked.connectedAt !== undefined) histograms.connect_duration_seconds.observe((asked.connectedAt - startedAt) / 1000);
    if (asked.answeredAt !== undefined) histograms.header_duration_seconds.observe((asked.answeredAt - startedAt) / 1000);
    histograms.response_duration_seconds.observe(((asked.endedAt ?? endedAt) - startedAt) / 1000);
  }
  #find({ location, facts }: Exchange, status: number, canary: string): Series {
    const host = this.#flags.metricsPerHost ? facts.host : "";
    const text = this.#flags.reportStatusClasses ? `${Math.floor(status / 100)}xx` : (STATUS[status] ?? String(status));
    let near = this.#byLocation.get(location);
    if (!near) this.#byLocation.set(location, (near = []));
    for (const one of near)
      if (one.status === text && one.method === facts.method && one.host === host && one.canary === canary) return one;
    const key = [host, facts.method, text, canary, location.path, location.owner ?? "", location.told?.service ?? ""].join(" ");
    let series = this.#series.get(key);
    if (!series) this.#series.set(key, (series = new Series(this.#flags, location, host, facts.method, text, canary)));
    near.push(series);
    return series;
  }
  /** Into a registry that has declared requestFamilies. Series of Ingresses that are gone are dropped, as upstream drops them. */
  addTo(registry: MetricRegistry, table: RouteTable, common: Readonly<Record<string, string>>): void {
    const counted = new Set(table.counted);
    const excluded = new Set(this.#flags.excludeSocketMetrics.map((name) => name.replace(PREFIX, "")));
    for (const [key, { location, host, method, status, canary, count, histograms }] of this.#series) {
      if (location.owner !== undefined && !counted.has(location.owner)) {
        this.#series.delete(key);
        this.#byLocation.delete(location);
        continue;
      }
      const [namespace = "", ingress = ""] = location.owner?.split("/") ?? [];
      const labels = {
        ...common,
        ...(this.#flags.metricsPerHost ? { host } : {}),
        path: location.path,
        method,
        status,
        namespace,
        ingress,
        service: location.told?.service ?? "",
        canary,
      };
      if (!excluded.has("requests")) registry.add(`${PREFIX}requests`, labels, count);
      for (const name of NAMES)
        if (!excluded.has(name) && histograms[name].count > 0) registry.put(PREFIX + name, labels, histograms[name]);
    }
  }
}

/** Texts of statuses, so that counting makes none. */
const STATUS: readonly (string | undefined)[] = Array.from({ length: 600 }, (_, status) => (status < 100 ? undefined : String(status)));

/** A server or an alias of exactly this name: upstream counts no requests of others, those to wildcards included. */
function served({ hosts }: RouteTable, host: string): boolean {
  return hosts.has(host);
}
