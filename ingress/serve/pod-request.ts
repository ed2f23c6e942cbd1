// What a pod is sent for a request: target, headers, framing and limits. And its copy for a mirror.
// Upstream: the template's proxy_* lines; ngx_http_mirror_module.
import type { IncomingMessage } from "node:http";
import { cgiParams } from "../annotations/fastcgi.ts";
import { mirrorUrl } from "../annotations/mirror.ts";
import { peerTls } from "../annotations/proxy-ssl.ts";
import type { HeaderLine } from "../request/answer.ts";
import type { ForwardBody, ForwardRequest } from "../engine/forward.ts";
import type { Decision } from "../request/evaluate.ts";
import type { Exchange, World } from "../request/exchange.ts";
import { podHeaders } from "../request/headers.ts";
import { timeoutsOf } from "../request/next-upstream.ts";
import type { Peer } from "../routes/upstreams.ts";
import { expand, keepsUnderscores } from "../request/variables.ts";

export type Forwarding = Extract<Decision, { type: "forward" }> & {
  /** It is an error's own Service: its answer stands, whatever it is. */
  readonly error?: boolean;
  /** What has been read for the pod before. */
  readonly sent?: ForwardBody;
  /** How often X-Accel-Redirect led here. */
  readonly redirects?: number;
};

export function podRequest(
  request: IncomingMessage,
  decision: Forwarding,
  peer: Peer,
  body: ForwardBody,
  upgrade: string | undefined,
): ForwardRequest {
  const { exchange } = decision;
  const { proxyHttpVersion, backendProtocol } = exchange.location.settings;
  const headers = podHeaders(exchange, request.rawHeaders, { underscores: keepsUnderscores(exchange.table.config), upgrade });
  if (upgrade === undefined && headers["Connection"] === undefined && keepsNone(exchange)) headers["Connection"] = "close";
  // The location of an error's page says nothing of versions and connections, and nginx is left to its defaults.
  if (decision.error === true) headers["Connection"] = "close";
  if (body.type === "bytes") headers["Content-Length"] = String(body.bytes.length);
  else if (body.type === "stream" && exchange.facts.contentLength !== undefined)
    headers["Content-Length"] = String(exchange.facts.contentLength);
  else if (body.type === "stream") headers["Transfer-Encoding"] = "chunked";
  else if (exchange.facts.contentLength === 0 || (exchange.facts.contentLength !== undefined && decision.error === true))
    headers["Content-Length"] = "0";
  const secure =
    backendProtocol === "HTTPS" || backendProtocol === "GRPCS" || (backendProtocol === "AUTO_HTTP" && exchange.facts.scheme === "https");
  const timeouts = timeoutsOf(exchange, decision.error);
  return {
    method: exchange.facts.method,
    target: exchange.upstreamTarget,
    headers,
    body,
    peer,
    ...(backendProtocol === "FCGI" ? { cgi: cgiParams(exchange, body.type === "bytes" ? body.bytes.length : undefined) } : {}),
    tls: secure && decision.error !== true ? peerTls(exchange) : undefined,
    httpVersion: decision.error === true ? "1.0" : proxyHttpVersion,
    connectTimeoutMs: timeouts.connectMs,
    sendTimeoutMs: timeouts.sendMs,
    readTimeoutMs: timeouts.readMs,
  };
}

/** upstream-keepalive-connections 0: a connection for each request. */
const keepsNone = ({ table }: Exchange): boolean => table.config.number("upstream-keepalive-connections", 320) <= 0;

const NOT_MIRRORED = new Set([
  "host",
  "connection",
  "keep-alive",
  "upgrade",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "expect",
]);

/** mirror-target: a copy, whose answer and failure nobody sees. Without its body, it names a length all the same. */
export function mirrorRequest(world: Pick<World, "request">, exchange: Exchange, body: ForwardBody | undefined): void {
  const { facts, table, location } = exchange;
  const { mirror } = location.settings;
  const url = mirrorUrl(mirror, expand(exchange, mirror.target, []), facts.parsed.query);
  if (!URL.canParse(url)) return;
  const bytes = body?.type === "bytes" ? body.bytes : undefined;
  const headers: HeaderLine[] = [["Host", expand(exchange, mirror.host, [])]];
  const underscores = keepsUnderscores(table.config);
  // The mirror's location sets Host alone: the rest is the client's.
  for (const [name, value] of Object.entries(facts.headers)) {
    if (value === undefined || name.startsWith(":") || NOT_MIRRORED.has(name) || (!underscores && name.includes("_"))) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, one]);
  }
  const length = bytes?.length ?? (mirror.requestBody && facts.contentLength !== 0 ? undefined : facts.contentLength);
  if (length !== undefined) headers.push(["Content-Length", String(length)]);
  world.request(url, { method: facts.method, headers, httpVersion: "1.0", ...(bytes ? { body: bytes } : {}) }).catch(() => {});
}
