// What a controller pod answers on 10254: health and metrics.
// Upstream: cmd/nginx registerHealthz, internal/ingress/metric. Metrics are always there: --enable-metrics changes nothing.
import type { RequestListener } from "node:http";
import { METRICS_MEDIA_TYPE } from "../../model/metrics.ts";

export function statusPage(metrics: () => string): RequestListener {
  return (request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/healthz" || path === "/is-dynamic-lb-initialized")
      return void response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" }).end("ok");
    if (path === "/metrics") return void response.writeHead(200, { "Content-Type": METRICS_MEDIA_TYPE }).end(metrics());
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("404 page not found\n");
  };
}
