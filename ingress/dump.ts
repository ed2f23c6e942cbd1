// The route table as stable text: readable, or as the location blocks of nginx.conf.
import { locationText } from "./match.ts";
import type { RouteTable, Server } from "./route-table.ts";
import type { StreamService, StreamServices } from "./stream-services.ts";

/** Servers in order: exact names, wildcards, the catch-all. */
export function serversOf(table: RouteTable): readonly Server[] {
  const named = [...new Set([...table.hosts.values()])].sort((a, b) => (serverName(table, a) < serverName(table, b) ? -1 : 1));
  const wild = [...new Set(table.wildcards.values())]
    .filter((server) => !named.includes(server))
    .sort((a, b) => (a.host < b.host ? -1 : 1));
  return [...named, ...wild, table.fallback];
}

/** A redirecting server has no host of its own. */
function serverName(table: RouteTable, server: Server): string {
  return server.redirectTo === undefined ? server.host : ([...table.hosts].find(([, other]) => other === server)?.[0] ?? server.host);
}

export function dumpRoutes(table: RouteTable, streams: StreamServices = NONE): string {
  const lines: string[] = [];
  for (const server of serversOf(table)) {
    const notes = [
      ...(server.aliases.length > 0 ? [`aliases ${server.aliases.join(" ")}`] : []),
      ...(server.certificate ? [`tls ${server.certificate.secret ?? "fake certificate"}`] : []),
      ...(table.flags.enableSslPassthrough && server.passthrough ? [passthroughText(server.passthrough)] : []),
      ...(server.regexMode ? [`regex by ${server.regexMode.annotation} of ${server.regexMode.owner}`] : []),
      ...(server.redirectTo === undefined ? [] : [`redirects to ${server.redirectTo}`]),
    ];
    lines.push(`${serverName(table, server)}${notes.length > 0 ? `  (${notes.join("; ")})` : ""}`);
    if (server.redirectTo !== undefined) continue;
    for (const location of server.locations) {
      const backend = location.backend ?? table.defaultBackend;
      const to =
        location.denied !== undefined
          ? `503 (${location.denied})`
          : backend
            ? `${backend.namespace}/${backend.service}:${backend.port}`
            : "404 page";
      const canary = backend && table.alternatives.get(backend.upstream);
      const steps = Object.values(location.steps)
        .flat()
        .map((step) => step.annotation);
      const by = location.owner === undefined ? "" : `  by ${location.owner}`;
      lines.push(
        `  ${locationText(location)} -> ${to}${canary ? ` | canary ${canary.backend.namespace}/${canary.backend.service}` : ""}${by}${steps.length > 0 ? `  [${steps.join(", ")}]` : ""}`,
      );
    }
    for (const { owner, path, winner } of server.conflicts) lines.push(`  # ${owner} loses ${path} to ${winner}`);
  }
  for (const [owner, reason] of [...table.ignored].sort()) lines.push(`# ${owner} is ignored: ${reason}`);
  for (const service of streams.services) lines.push(streamText(service));
  for (const { configMap, text } of streams.problems) lines.push(`# ${configMap}: ${text}`);
  return `${lines.join("\n")}\n`;
}

const NONE: StreamServices = { services: [], problems: [] };

/** TLS by SNI; the locations below it are for plain HTTP. */
function passthroughText({ owner, backend }: NonNullable<Server["passthrough"]>): string {
  const to = backend
    ? `goes unopened to ${backend.namespace}/${backend.service}:${backend.port}`
    : "is closed, as no path / names a Service";
  return `TLS ${to} by ${owner}`;
}

function streamText({ protocol, port, backend, decode, encode, peers }: StreamService): string {
  const notes = [...(decode ? ["PROXY expected"] : []), ...(encode ? ["PROXY sent"] : [])];
  const to = peers.map(({ id }) => id).join(", ");
  return `${protocol.toLowerCase()} ${port} -> ${backend}${notes.length > 0 ? `  (${notes.join("; ")})` : ""}  [${to}]`;
}

/** As ingress-nginx would write the routing part of nginx.conf. */
export function dumpNginx(table: RouteTable, streams: StreamServices = NONE): string {
  const lines: string[] = [];
  const { flags, config } = table;
  const proxied = config.flag("use-proxy-protocol", false) ? " proxy_protocol" : "";
  const https = flags.enableSslPassthrough ? `${flags.sslPassthroughProxyPort} proxy_protocol` : `${flags.httpsPort}${proxied}`;
  for (const server of serversOf(table)) {
    const name = serverName(table, server);
    const shown = name === "_" ? "_" : name.startsWith("*.") ? `~^(?<subdomain>[\\w-]+)\\.${name.slice(2).replaceAll(".", "\\.")}$` : name;
    lines.push(`## start server ${name}`, "server {", `\tserver_name ${[shown, ...server.aliases].join(" ")};`);
    lines.push(
      `\tlisten ${flags.httpPort}${proxied}${name === "_" ? " default_server" : ""};`,
      `\tlisten ${https}${name === "_" ? " default_server" : ""} ssl;`,
    );
    if (server.redirectTo !== undefined) lines.push(`\treturn 308 $scheme://${server.redirectTo}:$server_port$request_uri;`);
    else {
      for (const location of server.locations) {
        const [namespace = "", ingress = ""] = location.owner?.split("/") ?? [];
        lines.push("", `\t${locationText(location)} {`);
        lines.push(
          `\t\tset $namespace "${namespace}";`,
          `\t\tset $ingress_name "${ingress}";`,
          `\t\tset $service_name "${location.told?.service ?? ""}";`,
        );
        lines.push(`\t\tset $service_port "${location.told?.port ?? ""}";`, `\t\tset $location_path "${location.path}";`);
        if (location.denied !== undefined)
          lines.push(`\t\t# Location denied. Reason: ${JSON.stringify(location.denied)}`, "\t\treturn 503;");
        else {
          const { rewrite, redirect, proxyBodySize } = location.settings;
          lines.push(`\t\tclient_max_body_size ${proxyBodySize};`);
          if (redirect.url !== "") lines.push(`\t\treturn ${redirect.code} ${redirect.url};`);
          if (rewrite.target !== "" && rewrite.target !== location.served)
            lines.push(`\t\trewrite "(?i)${location.served}" ${rewrite.target} break;`);
          lines.push(
            `\t\tset $proxy_upstream_name "${location.backend?.upstream ?? "upstream-default-backend"}";`,
            "\t\tproxy_pass http://upstream_balancer;",
          );
        }
        lines.push("\t}");
      }
    }
    lines.push("}", `## end server ${name}`, "");
  }
  if (streams.services.length > 0) lines.push(...streamBlock(streams.services, config), "");
  return lines.join("\n");
}

function streamBlock(services: readonly StreamService[], config: RouteTable["config"]): readonly string[] {
  const lines = ["stream {"];
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
