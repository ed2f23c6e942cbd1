// The headers that a pod and a client see.
// Upstream: nginx.tmpl's proxy_set_header lines, ngx_http_proxy_module (what is hidden), Lua's HSTS filter.
import type { OutgoingHttpHeaders } from "node:http";
import { cookieInClientTerms } from "../annotations/proxy-cookie.ts";
import { askedCertificate } from "../tls/client-certificates.ts";
import type { Replace } from "../annotations/replacement.ts";
import { absoluteRedirect, type Exchange } from "./exchange.ts";
import { serverHeader } from "./server-header.ts";

/** RFC 9110 §7.6.1, and what nginx replaces. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "http2-settings",
]);

/** Set by the template, so the client's own are dropped. */
const REPLACED = new Set([
  "host",
  "content-length",
  "proxy",
  "x-request-id",
  "x-real-ip",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-scheme",
  "x-scheme",
  "x-original-forwarded-for",
  "x-original-forwarded-host",
]);

/** Then the ssl-client-* headers are the controller's to set. */
export function asksForCertificates({ server, world }: Exchange): boolean {
  if (!server.clientCertificates) return false;
  const asked = askedCertificate(server, world.secret.bind(world));
  return asked !== undefined && !("closed" in asked) && asked.ca !== undefined;
}

/** Only the controller says these, where it asks for certificates. */
export const CERTIFICATE = new Set(["ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert"]);

export interface PodHeaderOptions {
  /** Names with `_` are kept: enable-underscores-in-headers, or ignore-invalid-headers false. */
  readonly underscores: boolean;
  /** The client asks for another protocol on this connection. */
  readonly upgrade: string | undefined;
}

/** Everything but framing, in the client's spelling where the client sent it. */
export function podHeaders(exchange: Exchange, rawHeaders: readonly string[], options: PodHeaderOptions): OutgoingHttpHeaders {
  const { facts, upstreamHeaders } = exchange;
  const headers: Record<string, string | string[]> = { Host: exchange.bestHost, "X-Request-ID": exchange.requestId };
  if (exchange.requestId === "") delete headers["X-Request-ID"];
  headers["X-Real-IP"] = facts.clientIp;
  const { config } = exchange.table;
  headers["X-Forwarded-For"] = forwardedFor(exchange);
  headers["X-Forwarded-Host"] = exchange.bestHost;
  const { port } = exchange;
  if (port !== "") headers["X-Forwarded-Port"] = port;
  headers["X-Forwarded-Proto"] = exchange.scheme;
  headers["X-Forwarded-Scheme"] = exchange.scheme;
  headers["X-Scheme"] = exchange.scheme;
  const originalFor = sent(exchange, config.text("forwarded-for-header", "x-forwarded-for").toLowerCase());
  if (originalFor !== undefined) headers["X-Original-Forwarded-For"] = originalFor;
  const originalHost = sent(exchange, config.text("forwarded-host-header", "x-forwarded-host").toLowerCase());
  if (originalHost !== undefined) headers["X-Original-Forwarded-Host"] = originalHost;
  Object.assign(headers, certificateHeaders(exchange));
  if (options.upgrade !== undefined) {
    headers["Upgrade"] = options.upgrade;
    headers["Connection"] = "upgrade";
  }
  let spellings: Map<string, string> | undefined;
  const added = exchange.upstreamAdded.length === 0 ? undefined : new Set(exchange.upstreamAdded.map(([name]) => name.toLowerCase()));
  const listed = connectionTokens(facts.headers.connection);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    let name = rawHeaders[i] ?? "";
    const value = rawHeaders[i + 1] ?? "";
    if (name.startsWith(":")) continue;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || REPLACED.has(lower) || listed?.has(lower) || upstreamHeaders.has(lower) || added?.has(lower)) continue;
    if (CERTIFICATE.has(lower) && asksForCertificates(exchange)) continue;
    if (!options.underscores && name.includes("_")) continue;
    // One spelling for lines of one name: Node would keep only the last of two.
    const first = spellings?.get(lower);
    if (first !== undefined) name = first;
    else (spellings ??= new Map()).set(lower, name);
    const before = headers[name];
    headers[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  for (const [lower, line] of upstreamHeaders) {
    for (const name of Object.keys(headers)) if (name.toLowerCase() === lower) delete headers[name];
    if (line && line[1] !== "") headers[line[0]] = line[1];
  }
  for (const [name, value] of exchange.upstreamAdded) {
    if (value === "") continue;
    const there = Object.keys(headers).find((known) => known.toLowerCase() === name.toLowerCase());
    headers[there ?? name] = there === undefined ? value : [headers[there] ?? [], value].flat();
  }
  return headers;
}

function sent({ facts }: Exchange, name: string): string | undefined {
  const value = facts.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The client's address, behind those that it sent with compute-full-forwarded-for. */
export function forwardedFor(exchange: Exchange): string {
  const before = sent(exchange, "x-forwarded-for");
  const full = exchange.forwarded && exchange.table.config.flag("compute-full-forwarded-for", false);
  return full && before !== undefined ? `${before}, ${addedFor(exchange)}` : exchange.facts.clientIp;
}

/** What compute-full-forwarded-for adds. */
const addedFor = ({ facts, proxied }: Exchange): string => (proxied === undefined ? facts.peerIp : (proxied?.sourceIp ?? ""));

/** What the template passes of a client's certificate, to pods and to auth-url. */
export function certificateHeaders(exchange: Exchange): Readonly<Record<string, string>> {
  const { facts, server, world } = exchange;
  const asked = asksForCertificates(exchange) && facts.scheme === "https" ? askedCertificate(server, world.secret.bind(world)) : undefined;
  if (!asked || "closed" in asked) return {};
  const { certificate } = facts;
  if (!certificate) return { "ssl-client-verify": "NONE" };
  return {
    "ssl-client-verify": certificate.verify,
    "ssl-client-subject-dn": certificate.subject,
    "ssl-client-issuer-dn": certificate.issuer,
    ...(asked.settings.passToUpstream ? { "ssl-client-cert": encodeURIComponent(certificate.pem) } : {}),
  };
}

/** Names that the client's Connection header declares to be hop-by-hop. */
function connectionTokens(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === "close" || connection === "keep-alive") return undefined;
  return new Set(connection.split(",").map((token) => token.trim().toLowerCase()));
}

/** What belongs to the connection with the pod, and what every module keeps to itself. */
const KEPT = [
  "connection",
  "keep-alive",
  "transfer-encoding",
  "x-accel-expires",
  "x-accel-redirect",
  "x-accel-limit-rate",
  "x-accel-buffering",
  "x-accel-charset",
];

/** What proxy_pass, grpc_pass and fastcgi_pass hide by themselves. */
const HIDDEN = {
  proxy: new Set([...KEPT, "server", "date", "x-pad"]),
  grpc: new Set([...KEPT, "server", "date"]),
  fastcgi: new Set([...KEPT, "status", "server"]),
};

/** Which of them has answered: pages of errors always come by proxy_pass. */
function moduleOf({ location, elsewhere }: Exchange): keyof typeof HIDDEN {
  const { backendProtocol } = location.settings;
  if (elsewhere || !location.backend) return "proxy";
  return backendProtocol === "FCGI" ? "fastcgi" : backendProtocol.startsWith("GRPC") ? "grpc" : "proxy";
}

/** HTTP/2 has no place for these; and Node has none for Trailer in HTTP/1.1 without trailers. */
const OF_HTTP1 = new Set(["upgrade", "proxy-connection", "te"]);
const OF_HTTP2 = new Set(["trailer"]);

/** Of several lines the first counts (ngx_http_upstream_process_header_line). */
const SINGLE = new Set(["content-type", "etag", "expires", "last-modified", "location", "refresh"]);

/** The client's header lines: the pod's without hop-by-hop ones, then the steps', flat as writeHead takes them. */
export function clientHeaders(exchange: Exchange, status: number, podLines: readonly string[], http2: boolean): string[] {
  const lines: string[] = [];
  const { responseHeaders } = exchange;
  const { settings } = exchange.location;
  const { proxyCookie, hideHeaders } = settings;
  const module = moduleOf(exchange);
  const hidden = HIDDEN[module];
  // proxy_redirect and its like are nothing to the others.
  const proxied = module === "proxy";
  const proxyRedirect = proxied ? settings.proxyRedirect : undefined;
  let podsServer: string | undefined;
  const cookies = proxied && (proxyCookie.domain !== undefined || proxyCookie.path !== undefined);
  let before = "";
  for (let i = 0; i + 1 < podLines.length; i += 2) {
    const name = podLines[i] ?? "";
    const lower = name.toLowerCase();
    if (lower === "server") podsServer = podLines[i + 1];
    if (hidden.has(lower) || responseHeaders.has(lower) || (http2 ? OF_HTTP1 : OF_HTTP2).has(lower)) continue;
    if (SINGLE.has(lower)) {
      if (before.includes(`${lower}:`)) continue;
      before += `${lower}:`;
    }
    if (proxied && hideHeaders.size > 0 && hideHeaders.has(lower)) continue;
    let value = podLines[i + 1] ?? "";
    if (proxyRedirect && lower === "location") value = redirected(exchange, proxyRedirect, value);
    else if (proxyRedirect && lower === "refresh")
      value = value.replace(/(url=)(.*)/is, (_, key: string, url: string) => key + proxyRedirect(url));
    else if (cookies && lower === "set-cookie") value = cookieInClientTerms(proxyCookie, value);
    lines.push(http2 ? lower : name, value);
  }
  for (const [, [name, value]] of responseHeaders) if (value !== "") lines.push(http2 ? name.toLowerCase() : name, value);
  for (const [name, value] of exchange.added(status)) lines.push(http2 ? name.toLowerCase() : name, value);
  const server = responseHeaders.has("server") ? undefined : serverHeader(exchange.table.config, podsServer);
  if (server !== undefined) lines.push(http2 ? "server" : "Server", server);
  return lines;
}

/** What proxy-redirect makes of it; a path that it has put there is completed as in redirects of our own. */
function redirected(exchange: Exchange, replace: Replace, value: string): string {
  const replaced = replace(value);
  return replaced === value ? value : absoluteRedirect(exchange, replaced);
}

/** Strict-Transport-Security on every https answer, unless add-headers or custom-headers say it otherwise. */
export function addHsts(exchange: Exchange): void {
  const { config } = exchange.table;
  if (exchange.facts.scheme !== "https" || exchange.elsewhere || !config.flag("hsts", true)) return;
  if (exchange.responseHeaders.has("strict-transport-security")) return;
  const parts = [`max-age=${config.text("hsts-max-age", "31536000")}`];
  if (config.flag("hsts-include-subdomains", true)) parts.push("includeSubDomains");
  if (config.flag("hsts-preload", false)) parts.push("preload");
  exchange.setResponse("Strict-Transport-Security", parts.join("; "));
}
