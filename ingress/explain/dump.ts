// The route table as stable text that people read.
import { locationText } from "../request/match.ts";
import type { RouteTable, Server } from "../routes/route-table.ts";
import type { StreamService, StreamServices } from "../routes/stream-services.ts";

/** Servers in order: exact names, wildcards, the catch-all. */
export function serversOf(table: RouteTable): readonly Server[] {
  const named = [...new Set([...table.hosts.values()])].sort((a, b) => (serverName(table, a) < serverName(table, b) ? -1 : 1));
  const wild = [...new Set(table.wildcards.values())]
    .filter((server) => !named.includes(server))
    .sort((a, b) => (a.host < b.host ? -1 : 1));
  return [...named, ...wild, table.fallback];
}

/** A redirecting server has no host of its own. */
export function serverName(table: RouteTable, server: Server): string {
  return server.redirectTo === undefined ? server.host : ([...table.hosts].find(([, other]) => other === server)?.[0] ?? server.host);
}

/** But for names that another server has. */
export const aliasesOf = ({ hosts }: RouteTable, server: Server): readonly string[] =>
  server.aliases.filter((alias) => (hosts.get(alias) ?? server) === server);

export function dumpRoutes(table: RouteTable, streams: StreamServices = NO_STREAMS): string {
  const lines: string[] = [];
  for (const server of serversOf(table)) {
    const aliases = aliasesOf(table, server);
    const notes = [
      ...(aliases.length > 0 ? [`aliases ${aliases.join(" ")}`] : []),
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

export const NO_STREAMS: StreamServices = { services: [], problems: [] };

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
