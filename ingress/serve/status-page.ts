// What a controller pod answers on 10254: health and metrics.
// Upstream: cmd/nginx registerHealthz, internal/ingress/metric. Of the metrics only those that this controller measures.
import type { RequestListener } from "node:http";
import type { RoutesFeed } from "./routes-feed.ts";

export function statusPage(feed: RoutesFeed, requests: () => number, perRequest: () => string): RequestListener {
  return (request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/healthz" || path === "/is-dynamic-lb-initialized")
      return void response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" }).end("ok");
    if (path === "/metrics")
      return void response
        .writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" })
        .end(metrics(feed, requests()) + perRequest());
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("404 page not found\n");
  };
}

function metrics(feed: RoutesFeed, requests: number): string {
  const name = "nginx_ingress_controller";
  return [
    `# HELP ${name}_build_info A metric with a constant '1' labeled with information about the build.`,
    `# TYPE ${name}_build_info gauge`,
    `${name}_build_info{release="v1.15.1"} 1`,
    `# HELP ${name}_config_last_reload_successful Whether the last configuration reload attempt was successful`,
    `# TYPE ${name}_config_last_reload_successful gauge`,
    `${name}_config_last_reload_successful 1`,
    `# HELP ${name}_success Cumulative number of Ingress controller reload operations`,
    `# TYPE ${name}_success counter`,
    `${name}_success ${feed.reloads}`,
    `# HELP ${name}_nginx_process_requests_total total number of client requests`,
    `# TYPE ${name}_nginx_process_requests_total counter`,
    `${name}_nginx_process_requests_total ${requests}`,
    "",
  ].join("\n");
}
