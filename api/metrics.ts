// Counters of requests and the /metrics text. Upstream: apiserver pkg/endpoints/metrics. Few families, all of them counted, none estimated.
import type { Store } from "../store/index.ts";
import { qualifiedResource } from "../model/resources.ts";

/** Counts requests by verb, resource and code, and those in flight. */
export class RequestMetrics {
  readonly #requests = new Map<string, number>();
  #inFlight = 0;
  #watches = 0;

  begin(): void {
    this.#inFlight += 1;
  }
  end(verb: string, resource: string, code: number): void {
    this.#inFlight -= 1;
    const labels = `code="${code}",resource="${resource}",verb="${verb}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }
  watchBegins(): void {
    this.#watches += 1;
  }
  watchEnds(): void {
    this.#watches -= 1;
  }

  /** Prometheus text format 0.0.4. */
  dump(store: Store): string {
    const lines = [
      "# TYPE apiserver_request_total counter",
      ...[...this.#requests].sort(([a], [b]) => (a < b ? -1 : 1)).map(([labels, count]) => `apiserver_request_total{${labels}} ${count}`),
      "# TYPE apiserver_current_inflight_requests gauge",
      `apiserver_current_inflight_requests ${this.#inFlight}`,
      "# TYPE apiserver_longrunning_requests gauge",
      `apiserver_longrunning_requests{verb="WATCH"} ${this.#watches}`,
      "# TYPE apiserver_storage_objects gauge",
      ...store.resources.map((type) => `apiserver_storage_objects{resource="${qualifiedResource(type)}"} ${store.list(type).length}`),
      "# TYPE process_resident_memory_bytes gauge",
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    ];
    return `${lines.join("\n")}\n`;
  }
}
