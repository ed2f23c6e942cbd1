// The route table as the routing part of nginx.conf: servers, locations and where they lead, in the template's words. Text for the http
// block of a stock nginx that has an upstream `upstream_balancer`; what it does not carry it tells in comments.
// Upstream: nginx.tmpl, template.go.
import type { Settings } from "../annotations/index.ts";
import { aliasesOf, NO_STREAMS, serverName, serversOf } from "./dump.ts";
import { excludedFromTls, redirectCode } from "../request/evaluate.ts";
import { locationText, pathText } from "../request/match.ts";
import type { Location, RouteTable, Server } from "../routes/route-table.ts";
import type { StreamService, StreamServices } from "../routes/stream-services.ts";

export function dumpNginx(table: RouteTable, streams: StreamServices = NO_STREAMS): string {
  const lines = [
    "# The routing of nginx.conf. Timeouts, buffers, headers and certificates are left out; what else acts on an answer is told as",
    "# `not written here`. Lua chooses among an upstream's endpoints, and answers 503 where there are none.",
  ];
  const others = Object.keys(table.config.data).filter((key) => !WRITTEN_KEYS.has(key) && !key.startsWith("proxy-stream-"));
  if (others.length > 0) lines.push(`# not written here, of the ConfigMap: ${others.toSorted().join(", ")}`);
  lines.push('geo $literal_dollar { default "$"; }', "");
  for (const server of serversOf(table)) lines.push(...serverBlock(server, table), "");
  if (streams.services.length > 0) lines.push(...streamBlock(streams.services, table.config), "");
  return lines.join("\n");
}

const WRITTEN_KEYS: ReadonlySet<string> = new Set([
  "use-proxy-protocol",
  "proxy-body-size",
  "http-redirect-code",
  "whitelist-source-range",
  "denylist-source-range",
]);

function serverBlock(server: Server, table: RouteTable): readonly string[] {
  const { flags, config } = table;
  const proxied = config.flag("use-proxy-protocol", false) ? " proxy_protocol" : "";
  const https = flags.enableSslPassthrough ? `${flags.sslPassthroughProxyPort} proxy_protocol` : `${flags.httpsPort}${proxied}`;
  const name = serverName(table, server);
  const shown = name.startsWith("*.") ? `~^(?<subdomain>[\\w-]+)\\.${name.slice(2).replaceAll(".", "\\.")}$` : name;
  const byDefault = server === table.fallback ? " default_server" : "";
  const lines = [
    `server_name ${[shown, ...aliasesOf(table, server)].join(" ")};`,
    `listen ${flags.httpPort}${proxied}${byDefault};`,
    `listen ${https}${byDefault} ssl;`,
  ];
  if (server.redirectTo !== undefined) {
    // Lua takes the last slash away, and writes the port.
    lines.push(
      'if ($request_uri ~ "^(?<redirected_uri>.*?)/?$") {',
      `\treturn ${redirectCode(config)} $scheme://${server.redirectTo}:$server_port$redirected_uri;`,
      "}",
    );
  } else {
    const others = [
      ...(server.clientCertificates ? ["auth-tls-secret"] : []),
      ...(server.passthrough && flags.enableSslPassthrough ? ["ssl-passthrough"] : []),
    ];
    if (others.length > 0) lines.push(`# not written here: ${others.join(", ")}`);
    if (server.appRoot) lines.push("if ($uri = /) {", `\treturn 302 $scheme://$http_host${server.appRoot.settings.appRoot};`, "}");
    for (const location of server.locations) lines.push("", ...locationBlock(location, server, table));
    if (server === table.fallback)
      lines.push("", `location ${flags.healthPath} {`, "\treturn 200;", "}", "", "location /nginx_status {", "\tdeny all;", "}");
  }
  return [`## start server ${name}`, "server {", ...indented(lines), "}", `## end server ${name}`];
}

function locationBlock(location: Location, server: Server, table: RouteTable): readonly string[] {
  const [namespace = "", ingress = ""] = location.owner?.split("/") ?? [];
  const lines = [
    `set $namespace "${namespace}";`,
    `set $ingress_name "${ingress}";`,
    `set $service_name "${location.told?.service ?? ""}";`,
    `set $service_port "${location.told?.port ?? ""}";`,
    `set $location_path ${quoted(location.path)};`,
  ];
  if (location.denied === undefined) lines.push(...routing(location, server, table));
  else lines.push(`# Location denied. Reason: ${JSON.stringify(location.denied)}`, "return 503;");
  return [`${locationText(location)} {`, ...indented(lines), "}"];
}

function routing(location: Location, server: Server, table: RouteTable): readonly string[] {
  const { settings, backend } = location;
  const { rewrite, redirect, proxyBodySize, access, sslRedirect, usePortInRedirects } = settings;
  const canary = backend && table.alternatives.get(backend.upstream);
  const pattern = server.regexMode ? pathText(location.served) : location.path;
  const others = notWritten(location);
  const secured = (sslRedirect.force || (sslRedirect.redirect && server.certificate)) && !excludedFromTls(location, table.config);
  return [
    ...(others.length > 0 ? [`# not written here: ${others.join(", ")}`] : []),
    ...(secured
      ? [`# not written here: Lua answers ${redirectCode(table.config)} to https, by ${sslRedirect.force ? "force-" : ""}ssl-redirect`]
      : []),
    ...(canary ? [`# not written here: Lua sends some requests to ${canary.backend.upstream}, the canary of ${canary.owner}`] : []),
    `client_max_body_size ${proxyBodySize};`,
    `port_in_redirect ${usePortInRedirects ? "on" : "off"};`,
    ...(redirect.relative ? ["absolute_redirect off;"] : []),
    ...access.deny.map((cidr) => `deny ${cidr.toString()};`),
    ...access.allow.map((cidr) => `allow ${cidr.toString()};`),
    ...(access.allow.length > 0 ? ["deny all;"] : []),
    ...(redirect.url === "" ? [] : [`return ${redirect.code} ${redirect.url};`]),
    `set $proxy_upstream_name "${backend?.upstream ?? "upstream-default-backend"}";`,
    ...(rewrite.target === "" || rewrite.target === pattern ? [] : [`rewrite "(?i)${pattern}" ${rewrite.target} break;`]),
    PASS[settings.backendProtocol],
  ];
}

const PASS: Readonly<Record<Settings["backendProtocol"], string>> = {
  HTTP: "proxy_pass http://upstream_balancer;",
  HTTPS: "proxy_pass https://upstream_balancer;",
  AUTO_HTTP: "proxy_pass $scheme://upstream_balancer;",
  GRPC: "grpc_pass grpc://upstream_balancer;",
  GRPCS: "grpc_pass grpcs://upstream_balancer;",
  FCGI: "fastcgi_pass upstream_balancer;",
};

/** Annotations of the location that act on answers, beside those that are written. */
function notWritten({ settings, steps }: Location): readonly string[] {
  const { customHttpErrors, mirror, affinity, upstreamHashBy } = settings;
  const names = Object.values(steps).flatMap((phase) => phase.map(({ annotation }) => annotation));
  return [
    ...names.filter((name) => !WRITTEN_STEPS.has(name)),
    ...(customHttpErrors.own.size > 0 ? ["custom-http-errors"] : []),
    ...(settings.defaultBackend === "" ? [] : ["default-backend"]),
    ...(mirror.target === "" ? [] : ["mirror-target"]),
    ...(affinity.enabled ? ["affinity"] : []),
    ...(upstreamHashBy.expression === "" ? [] : ["upstream-hash-by"]),
  ];
}

const WRITTEN_STEPS: ReadonlySet<string> = new Set([
  "rewrite-target",
  "permanent-redirect",
  "temporal-redirect",
  "whitelist-source-range",
  "denylist-source-range",
  "block-cidrs",
]);

/** A text of nginx.conf in which `$` is no variable. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&").replaceAll("$", "${literal_dollar}")}"`;

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => (line === "" ? "" : `\t${line}`));

function streamBlock(services: readonly StreamService[], config: RouteTable["config"]): readonly string[] {
  const lines = ["# Beside http; Lua tells the balancer its upstream, and a stock nginx has none.", "stream {"];
  for (const { protocol, port, upstream, decode, encode } of services) {
    const udp = protocol === "UDP";
    lines.push(
      "\tserver {",
      `\t\tpreread_by_lua_block { ngx.var.proxy_upstream_name=${JSON.stringify(upstream)}; }`,
      `\t\tlisten ${port}${decode ? " proxy_protocol" : ""}${udp ? " udp" : ""};`,
      ...(udp ? [`\t\tproxy_responses ${config.decimal("proxy-stream-responses", 1)};`] : []),
      `\t\tproxy_timeout ${config.text("proxy-stream-timeout", "600s")};`,
      `\t\tproxy_next_upstream ${config.flag("proxy-stream-next-upstream", true) ? "on" : "off"};`,
      `\t\tproxy_next_upstream_tries ${config.number("proxy-stream-next-upstream-tries", 3)};`,
      "\t\tproxy_pass upstream_balancer;",
      ...(encode ? ["\t\tproxy_protocol on;"] : []),
      "\t}",
    );
  }
  return [...lines, "}"];
}
