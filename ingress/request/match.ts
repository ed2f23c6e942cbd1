// Which server and which location answer a request. Constant in the number of Ingresses; linear in a path's depth, or in a regex host's locations.
// Upstream: nginx's server names hash and ngx_http_core_find_location.
import { byRegexAlias, byWildcardAlias } from "../routes/alias-patterns.ts";
import { RegexTimeout } from "../bounded-regex.ts";
import type { Notes } from "../explain/notes.ts";
import type { CertificateRef, Location, RouteTable, Server } from "../routes/route-table.ts";

export type LocationMatch =
  | { readonly type: "location"; readonly location: Location }
  /** The path lacks the final slash of a location: 301. */
  | { readonly type: "slash"; readonly location: Location }
  | { readonly type: "none" }
  /** A regular expression took too long: 500. */
  | { readonly type: "failed"; readonly reason: string };

/** The host as nginx compares it: without port and final dot, lower case. */
export function hostName(header: string | undefined): string {
  if (header === undefined) return "";
  const bracket = header.startsWith("[") ? header.indexOf("]") : -1;
  const colon = header.indexOf(":", Math.max(0, bracket));
  const name = (colon < 0 ? header : header.slice(0, colon)).toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** An exact name, then a wildcard alias, then a wildcard host of one label, then a regular alias, then the catch-all. No host falls through to another. */
export function findServer(table: RouteTable, host: string): Server {
  const exact = table.hosts.get(host);
  if (exact) return exact;
  const alias = byWildcardAlias(table.patterns, host);
  if (alias) return alias;
  const dot = host.indexOf(".");
  if (dot > 0 && table.wildcards.size > 0 && /^[\w-]+$/.test(host.slice(0, dot))) {
    const wildcard = table.wildcards.get(host.slice(dot + 1));
    if (wildcard) return wildcard;
  }
  return byRegexAlias(table.patterns, host) ?? table.fallback;
}

/** `notes` gathers each location looked at and why it did not match. */
export function findLocation(server: Server, path: string, notes?: Notes, slashes?: "without redirects"): LocationMatch {
  if (server.regexMode) return findByRegex(server, path, notes);
  const found = findPlain(server, path, slashes === undefined);
  if (notes) explainPlain(server, path, found, notes);
  return found;
}

function findPlain(server: Server, path: string, slashes: boolean): LocationMatch {
  const exact = server.exact.get(path);
  if (exact) return { type: "location", location: exact };
  if (!path.endsWith("/") && slashes) {
    const slash = server.prefixes.get(`${path}/`) ?? server.exact.get(`${path}/`);
    if (slash) return { type: "slash", location: slash };
  }
  for (let end = path.lastIndexOf("/"); end >= 0; end = end === 0 ? -1 : path.lastIndexOf("/", end - 1)) {
    const found = server.prefixes.get(path.slice(0, end + 1));
    if (found) return { type: "location", location: found };
  }
  return { type: "none" };
}

function findByRegex(server: Server, path: string, notes: Notes | undefined): LocationMatch {
  for (const location of server.locations) {
    if (location.match.type !== "Regex") continue;
    try {
      if (location.match.regex.test(path)) {
        notes?.push(`${locationText(location)}: matches, the first in order wins`);
        return { type: "location", location };
      }
    } catch (error) {
      if (error instanceof RegexTimeout) return { type: "failed", reason: error.message };
      throw error;
    }
    notes?.push(`${locationText(location)}: does not match`);
  }
  return { type: "none" };
}

/** Up to the location that is found, in the order of nginx's configuration. */
function explainPlain(server: Server, path: string, found: LocationMatch, notes: Notes): void {
  const winner = "location" in found ? found.location : undefined;
  for (const location of server.locations) {
    const exact = location.match.type === "Exact";
    if (location === winner) {
      const why = found.type === "slash" ? "the path lacks its final slash" : exact ? "equal, wins" : "longest prefix, wins";
      return notes.push(`${locationText(location)}: ${why}`);
    }
    notes.push(`${locationText(location)}: ${exact ? "not equal" : "no prefix of the path"}`);
  }
}

/** As nginx writes it: `location = /foo`, `location /foo/`, `location ~* "^/foo"`. */
export function locationText({ match }: Location): string {
  if (match.type === "Regex") return `location ~* "${pathText(match.regex.source)}"`;
  const path = pathText(match.path);
  const word = /[\s;{}"']/.test(path) ? `"${path.replace(/[\\"]/g, "\\$&")}"` : path;
  return match.type === "Exact" ? `location = ${word}` : `location ${word}`;
}

/** Locations are compared by their bytes; people, and nginx.conf, have them as UTF-8. */
export const pathText = (bytes: string): string => Buffer.from(bytes, "latin1").toString();

/** Whether a certificate covers a name that is not its host's own: an alias, or the other of `www.` and none. */
export type Covers = (certificate: CertificateRef, name: string) => boolean;

/** Whose certificate a name has: its own server's, else that of the wildcard above it, whichever server answers (lua/certificate.lua). */
export function certificateFor(table: RouteTable, name: string, covers: Covers): CertificateRef | undefined {
  const own = table.hosts.get(name)?.certificate;
  if (own && (own.host === name || covers(own, name))) return own;
  const dot = name.indexOf(".");
  const parent = name.slice(dot + 1);
  const { wildcards, patterns } = table;
  const above = dot < 0 ? undefined : (wildcards.get(parent)?.certificate ?? patterns.leading.get(parent)?.certificate);
  const wild = `*${name.slice(dot)}`;
  return above && (above.host === wild || covers(above, wild)) ? above : undefined;
}
