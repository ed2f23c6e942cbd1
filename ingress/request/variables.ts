// nginx variables in annotation values: `$host`, `${request_uri}`, `$http_x_name`, `$1`.
// Upstream: ngx_http_variables.c, and those that the template sets. Unknown ones are empty, as an unset variable is.
import type { ControllerConfig } from "../config.ts";
import type { Exchange } from "./exchange.ts";
import { isoTime, localTime, seconds, since } from "./nginx-times.ts";
import { escapeComponent } from "./request-path.ts";
import { lineOf, triesText, type Try } from "./request-record.ts";
import { NGINX_VERSION } from "./server-header.ts";

type Variable = (exchange: Exchange) => string;

/** Of the pods that have been asked so far. */
const tries =
  (of: (asked: Try) => string): Variable =>
  ({ record }) =>
    (record && triesText(record, of)) ?? "";

const VARIABLES: Readonly<Record<string, Variable>> = {
  host: ({ facts }) => facts.host,
  http_host: ({ facts }) => facts.hostHeader ?? "",
  best_http_host: (exchange) => exchange.bestHost,
  this_host: ({ facts }) => facts.hostHeader ?? facts.host,
  server_name: ({ server }) => server.host,
  scheme: ({ facts }) => facts.scheme,
  pass_access_scheme: (exchange) => exchange.scheme,
  pass_server_port: (exchange) => exchange.port,
  pass_port: (exchange) => exchange.port,
  server_port: ({ facts }) => String(facts.serverPort),
  server_protocol: ({ facts }) => `HTTP/${facts.httpVersion}`,
  https: ({ facts }) => (facts.scheme === "https" ? "on" : ""),
  request_method: ({ facts }) => facts.method,
  request_uri: ({ facts }) => facts.target,
  escaped_request_uri: ({ facts }) => escapeComponent(facts.target),
  request: ({ facts }) => `${facts.method} ${facts.target} HTTP/${facts.httpVersion}`,
  uri: ({ uri }) => uri.path,
  document_uri: ({ uri }) => uri.path,
  args: ({ uri }) => uri.args,
  query_string: ({ uri }) => uri.args,
  is_args: ({ uri }) => (uri.args === "" ? "" : "?"),
  remote_addr: ({ facts }) => facts.clientIp,
  the_real_ip: ({ facts }) => facts.clientIp,
  binary_remote_addr: ({ facts }) => facts.clientIp,
  realip_remote_addr: ({ facts }) => facts.peerIp,
  proxy_protocol_addr: ({ facts }) => facts.proxied?.sourceIp ?? "",
  proxy_protocol_port: ({ facts }) => String(facts.proxied?.sourcePort ?? ""),
  proxy_protocol_server_addr: ({ facts }) => facts.proxied?.destinationIp ?? "",
  proxy_protocol_server_port: ({ facts }) => String(facts.proxied?.destinationPort ?? ""),
  remote_port: ({ facts, proxied }) => String(proxied && facts.clientIp === proxied.sourceIp ? proxied.sourcePort : facts.peerPort),
  remote_user: ({ remoteUser }) => remoteUser,
  proxy_add_x_forwarded_for: (exchange) => {
    const before = headerText(exchange, "x-forwarded-for");
    return before === "" ? exchange.facts.clientIp : `${before}, ${exchange.facts.clientIp}`;
  },
  connection_upgrade: ({ facts }) => (facts.headers.upgrade === undefined ? "" : "upgrade"),
  req_id: ({ requestId }) => requestId,
  request_id: ({ requestId }) => requestId,
  content_type: ({ facts }) => facts.headers["content-type"] ?? "",
  content_length: ({ facts }) => (facts.contentLength === undefined ? "" : String(facts.contentLength)),
  namespace: ({ location }) => location.owner?.split("/")[0] ?? "",
  ingress_name: ({ location }) => location.owner?.split("/")[1] ?? "",
  service_name: ({ location }) => location.told?.service ?? "",
  service_port: ({ location }) => location.told?.port ?? "",
  location_path: ({ location }) => location.path,
  proxy_upstream_name: ({ location }) => location.backend?.upstream ?? "upstream-default-backend",
  proxy_host: ({ location }) => location.backend?.upstream ?? "upstream-default-backend",
  proxy_alternative_upstream_name: ({ record }) => record?.alternative ?? "",
  upstream_addr: tries(({ address }) => address),
  upstream_status: tries(({ status }) => (status === 0 ? "-" : String(status))),
  upstream_connect_time: tries(({ startedAt, connectedAt }) => since(startedAt, connectedAt)),
  upstream_header_time: tries(({ startedAt, answeredAt }) => since(startedAt, answeredAt)),
  upstream_response_time: tries(({ startedAt, endedAt }) => since(startedAt, endedAt)),
  hostname: ({ world }) => world.pod.name,
  server_addr: ({ world }) => world.pod.ip,
  nginx_version: () => NGINX_VERSION,
  literal_dollar: () => "$",
  msec: ({ world }) => seconds(world.clock.now()),
  time_local: ({ world }) => localTime(world.clock.now()),
  time_iso8601: ({ world }) => isoTime(world.clock.now()),
  request_time: ({ record, world }) => (record ? seconds(world.clock.monotonic() - record.startedAt) : ""),
  ssl_client_s_dn: ({ facts }) => facts.certificate?.subject ?? "",
  ssl_client_i_dn: ({ facts }) => facts.certificate?.issuer ?? "",
  ssl_client_verify: ({ facts }) => (facts.scheme === "https" ? (facts.certificate?.verify ?? "NONE") : ""),
  ssl_client_serial: ({ facts }) => facts.certificate?.serial ?? "",
  ssl_client_fingerprint: ({ facts }) => facts.certificate?.fingerprint ?? "",
  ssl_client_escaped_cert: ({ facts }) => encodeURIComponent(facts.certificate?.pem ?? ""),
  ssl_server_name: ({ facts }) => facts.sni ?? "",
  ssl_protocol: ({ facts }) => facts.tls?.protocol ?? "",
  ssl_cipher: ({ facts }) => facts.tls?.cipher ?? "",
};

/** The value of one variable, by its name without `$`. */
export function variable(exchange: Exchange, name: string): string {
  const known = VARIABLES[name];
  if (known) return known(exchange);
  if (name.startsWith("http_")) return headerVariable(exchange, name.slice(5)) ?? "";
  if (name.startsWith("cookie_")) return cookieVariable(headerText(exchange, "cookie"), name.slice(7)) ?? "";
  if (name.startsWith("arg_")) return argument(exchange.uri.args, name.slice(4)) ?? "";
  if (name.startsWith("upstream_http_")) return lineOf(exchange.record?.lastTry?.headers ?? [], name.slice(14)) ?? "";
  return exchange.captures.named[name] ?? "";
}

/** Replaces every variable; `captures` are what `$1` … mean, passed through `escape` where they land in a query. */
export function expand(
  exchange: Exchange,
  text: string,
  captures?: readonly (string | undefined)[],
  escape?: (text: string) => string,
  /** Variables that mean something else here, or only here. */
  here: (name: string) => string | undefined = nothing,
): string {
  if (!text.includes("$")) return text;
  return text.replace(/\$(?:(\d)|\{(\w+)\}|(\w+))/g, (_, digit?: string, braced?: string, bare?: string) => {
    if (digit !== undefined) {
      const captured = (captures ?? exchange.captures.numbered)[Number(digit)] ?? "";
      return escape ? escape(captured) : captured;
    }
    const name = braced ?? bare ?? "";
    return here(name) ?? variable(exchange, name);
  });
}

const nothing = (): undefined => undefined;

/** In a subrequest to `path`, which has no arguments: its own URI is meant. */
export const inSubrequest =
  (path: string) =>
  (name: string): string | undefined => {
    if (name === "uri" || name === "document_uri") return path;
    return name === "args" || name === "query_string" || name === "is_args" || name.startsWith("arg_") ? "" : undefined;
  };

/** Where there is no request to speak of. */
export const withoutVariables = (text: string): string => text.replace(/\$(?:\{\w+\}|\w+)/g, "");

/** A header's text, repeated ones joined. */
export function headerText({ facts }: Exchange, name: string): string {
  const value = facts.headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

/** A header by its variable's name, in which `_` stands for `-`, and for itself where names may have it; undefined: not sent. */
export function headerVariable(exchange: Exchange, name: string): string | undefined {
  const lower = name.toLowerCase();
  const { facts, table } = exchange;
  const dashed = lower.replaceAll("_", "-");
  if (facts.headers[dashed] !== undefined) return headerText(exchange, dashed);
  return facts.headers[lower] !== undefined && keepsUnderscores(table.config) ? headerText(exchange, lower) : undefined;
}

/** Whether header names with `_` count. */
export function keepsUnderscores(config: ControllerConfig): boolean {
  return config.flag("enable-underscores-in-headers", false) || !config.flag("ignore-invalid-headers", true);
}

/** Name and value of each cookie in a Cookie header. */
function cookiesOf(header: string): readonly (readonly [name: string, value: string])[] {
  return header.split(/; */).flatMap((pair) => {
    const equals = pair.indexOf("=");
    return equals > 0 ? [[pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()] as const] : [];
  });
}

/** A cookie as lua-resty-cookie reads it: of equal names the last. */
export function cookie(header: string, name: string): string | undefined {
  return cookiesOf(header).findLast(([sent]) => sent === name)?.[1];
}

/** A cookie as nginx's variables read it: the first, whatever the letters of its name. */
export function cookieVariable(header: string, name: string): string | undefined {
  const lower = name.toLowerCase();
  return cookiesOf(header).find(([sent]) => sent.toLowerCase() === lower)?.[1];
}

function argument(query: string, name: string): string | undefined {
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).toLowerCase() === name.toLowerCase()) return pair.slice(equals + 1);
  }
  return undefined;
}
