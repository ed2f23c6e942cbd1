// What nginx answers on its status port (10246), which programs of the pod alone can reach: stub_status and the balancer's configuration.
// Upstream: the last server of nginx.tmpl's http block, lua/configuration.lua. Left out: POST, by which the controller configures nginx.
import type { RequestListener } from "node:http";
import type { KeyPair } from "../../model/x509.ts";
import { chooseCertificate, pairOf, type SecretOf } from "../tls/certificates.ts";
import type { ConnectionCounts } from "../serve/controller-metrics.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import { backendsOf } from "./backends.ts";

/** A controller that runs, as its pod's programs see it. */
export interface RunningController {
  readonly feed: RoutesFeed;
  readonly fakeCertificate: KeyPair | undefined;
  connections(): ConnectionCounts;
}

export interface StatusAnswer {
  readonly status: number;
  readonly body: string;
}

/** `target` as in a request line. */
export function statusAnswer(controller: RunningController, method: string, target: string): StatusAnswer {
  const { pathname: path, searchParams: query } = new URL(target, "http://nginx");
  const { feed } = controller;
  const { healthPath } = feed.flags;
  if (path === "/nginx_status") return { status: 200, body: stubStatus(controller.connections()) };
  if (path === "/is-dynamic-lb-initialized") return { status: 200, body: "OK" };
  if (path.startsWith(healthPath)) return { status: 200, body: "" };
  if (!path.startsWith("/configuration")) return { status: 404, body: "" };
  if (path === "/configuration/certs") {
    if (method !== "GET") return { status: 400, body: "Only GET requests are allowed!" };
    const host = query.get("hostname");
    if (host === null) return { status: 400, body: "Hostname must be specified." };
    const pem = pemOf(controller, host);
    return pem === undefined ? { status: 404, body: "No key associated with this hostname." } : { status: 200, body: pem };
  }
  if (method !== "GET") return { status: 400, body: "Only POST and GET requests are allowed!" };
  if (target === "/configuration/general") return { status: 200, body: "{}" };
  if (target === "/configuration/backends") return { status: 200, body: JSON.stringify(backendsOf(feed)) };
  return { status: 404, body: "Not found!" };
}

/** For the pod itself, which is at `ip`: nobody else is answered. */
export function statusPort(controller: RunningController, ip: string): RequestListener {
  return (request, response) => {
    if (request.socket.remoteAddress !== ip) return void request.socket.destroy();
    const { status, body } = statusAnswer(controller, request.method ?? "GET", request.url ?? "/");
    response.writeHead(status, { "Content-Type": "text/plain", Connection: "close" }).end(body);
  };
}

/** Certificate and key that the name's server has; undefined: it has no tls section. */
function pemOf({ feed, fakeCertificate }: RunningController, host: string): string | undefined {
  const { table } = feed;
  const secretOf: SecretOf = (key) => feed.secret(key);
  const server = host === "_" ? table.fallback : host.startsWith("*.") ? table.wildcards.get(host.slice(2)) : table.hosts.get(host);
  if (!server || (host !== "_" && !server.certificate)) return undefined;
  const { secret } = chooseCertificate(table, secretOf, host === "_" ? undefined : host);
  const pair = (secret === undefined ? undefined : pairOf(secretOf(secret))) ?? fakeCertificate;
  return pair && `${pair.cert}\n${pair.key}`;
}

/** ngx_http_stub_status_module. */
function stubStatus({ accepted, open, writing, requests }: ConnectionCounts): string {
  const waiting = Math.max(0, open - writing);
  return [
    `Active connections: ${open} `,
    "server accepts handled requests",
    ` ${accepted} ${accepted} ${requests} `,
    `Reading: 0 Writing: ${writing} Waiting: ${waiting} `,
    "",
  ].join("\n");
}
