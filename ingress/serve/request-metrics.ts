// nginx_ingress_controller_requests: answers counted by host, path, method, status and backend.
// Upstream: internal/ingress/metric/collectors/socket.go. Leaves out the histograms, and requests that no Ingress's location took.
import { MetricRegistry } from "../../model/metrics.ts";
import type { Decision } from "../evaluate.ts";

const NAME = "nginx_ingress_controller_requests";

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  count: number;
}

export class RequestMetrics {
  readonly #series = new Map<string, Series>();

  count(decision: Decision, status: number): void {
    const { exchange } = decision;
    const owner = exchange?.location.owner;
    if (!exchange || owner === undefined) return;
    const { server, location, facts } = exchange;
    const canary = decision.type === "forward" ? (decision.alternative?.backend.upstream ?? "") : "";
    const service = location.backend?.service ?? "";
    const key = `${server.host} ${location.path} ${owner} ${service} ${canary} ${facts.method} ${status}`;
    const known = this.#series.get(key);
    if (known) return void known.count++;
    const [namespace = "", ingress = ""] = owner.split("/");
    const labels = {
      host: server.host,
      path: location.path,
      method: facts.method,
      status: String(status),
      namespace,
      ingress,
      service,
      canary,
    };
    this.#series.set(key, { labels, count: 1 });
  }
  /** In Prometheus' text format. */
  text(): string {
    const registry = new MetricRegistry([{ name: NAME, type: "counter", help: "The total number of client requests" }]);
    for (const { labels, count } of this.#series.values()) registry.add(NAME, labels, count);
    return registry.text();
  }
}
