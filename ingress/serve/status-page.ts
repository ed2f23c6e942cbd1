// What a controller pod answers on 10254: health and metrics.
// Upstream: cmd/nginx registerHealthz, internal/ingress/controller/checker.go, internal/ingress/metric. Metrics are always there:
// --enable-metrics changes nothing.
import type { RequestListener } from "node:http";
import { METRICS_MEDIA_TYPE } from "../../model/metrics.ts";

export interface StatusPage {
  metrics(): string;
  /** --health-check-path */
  readonly healthPath: string;
  /** After SIGTERM health fails, while the rest goes on for a while. */
  shuttingDown(): boolean;
}

const TEXT = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" } as const;

export function statusPage(page: StatusPage): RequestListener {
  return (request, response) => {
    const { pathname: path, searchParams: query } = new URL(`http://pod${request.url?.startsWith("/") ? request.url : "/"}`);
    if (path === "/is-dynamic-lb-initialized") return void response.writeHead(200, TEXT).end("ok");
    if (path === "/metrics") return void response.writeHead(200, { "Content-Type": METRICS_MEDIA_TYPE }).end(page.metrics());
    const { healthPath } = page;
    const shuttingDown = page.shuttingDown();
    const controller = `${healthPath}/nginx-ingress-controller`;
    if (path === controller && shuttingDown)
      return void response.writeHead(500, TEXT).end("internal server error: the ingress controller is shutting down\n");
    if (path === controller || path === `${healthPath}/ping`) return void response.writeHead(200, TEXT).end("ok");
    if (path !== healthPath) return void response.writeHead(404, TEXT).end("404 page not found\n");
    if (shuttingDown)
      return void response
        .writeHead(500, TEXT)
        .end("[+]ping ok\n[-]nginx-ingress-controller failed: reason withheld\nhealthz check failed\n");
    response.writeHead(200, TEXT).end(query.has("verbose") ? "[+]ping ok\n[+]nginx-ingress-controller ok\nhealthz check passed\n" : "ok");
  };
}
