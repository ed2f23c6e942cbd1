// Compiles one host's server from the Ingresses that name it, first first.
// Upstream: controller.go getBackendServers, createServers; template.go buildLocation, locations.go updateServerLocations.
import { compareText } from "../model/text.ts";
import { BoundedRegex } from "./bounded-regex.ts";
import { type CompiledAnnotations, compileAnnotations } from "./annotations/index.ts";
import type { ControllerConfig } from "./config.ts";
import { CATCH_ALL, type IngressPart, type PartRule } from "./ingress-part.ts";
import type { BackendRef, CertificateRef, Location, Owner, Server } from "./route-table.ts";

export interface ServerContext {
  readonly config: ControllerConfig;
  /** What `/` of a host is without a rule of its own; undefined: the 404 page. */
  readonly catchAll: { readonly backend: BackendRef; readonly part: IngressPart } | undefined;
  readonly defaults: CompiledAnnotations;
}

interface Draft {
  readonly rule: Omit<PartRule, "backend">;
  readonly backend: BackendRef | undefined;
  readonly part: IngressPart | undefined;
}

/** The server of `host` as its `parts` make it. `aliases` are decided by the caller, who knows all hosts. */
export function compileServer(host: string, parts: readonly IngressPart[], aliases: readonly string[], context: ServerContext): Server {
  const drafts = new Map<string, Draft>();
  const conflicts: { owner: Owner; path: string; winner: Owner }[] = [];
  for (const part of parts) {
    for (const rule of part.hosts.get(host) ?? []) {
      const key = `${rule.pathType} ${rule.path}`;
      const taken = drafts.get(key);
      if (!taken) drafts.set(key, { rule, backend: rule.backend, part });
      else if (taken.part) conflicts.push({ owner: part.owner, path: rule.path, winner: taken.part.owner });
    }
  }
  const rootRule = drafts.get("Prefix /");
  if (!rootRule) drafts.set("Prefix /", rootOf(host, parts, context));
  const switcher = [...drafts.values()].find((draft) => draft.part && regexSwitch(draft.part, draft.rule.path) !== undefined);
  const annotation = switcher?.part && regexSwitch(switcher.part, switcher.rule.path);
  const regexMode =
    switcher?.part && annotation !== undefined ? { owner: switcher.part.owner, annotation, path: switcher.rule.path } : undefined;
  const locations = [...drafts.values()]
    .sort(compareDrafts)
    .flatMap((draft) => locationsOf(draft, drafts, host, regexMode !== undefined, context));
  const tls = parts.map(({ owner, annotations }) => ({ owner, settings: annotations.settings.clientCertificate }));
  const passing = parts.find(({ annotations }) => annotations.settings.sslPassthrough);
  return {
    host,
    aliases,
    locations,
    regexMode,
    exact: new Map(
      locations.flatMap((location) => (location.match.type === "Exact" ? [[location.match.path, location] as const] : [])).reverse(),
    ),
    prefixes: new Map(
      locations.flatMap((location) => (location.match.type === "Prefix" ? [[location.match.path, location] as const] : [])).reverse(),
    ),
    certificate: certificateOf(host, parts),
    owners: parts.map((part) => part.owner),
    conflicts,
    appRoot: appRootOf(locations),
    redirectTo: undefined,
    clientCertificates: tls.some(({ settings }) => settings.secret !== "") ? tls : undefined,
    proxySsl: context.config.flag("proxy-ssl-location-only", false)
      ? undefined
      : parts.find(({ annotations }) => annotations.settings.proxySsl.secret !== "")?.annotations.settings.proxySsl,
    ciphers: ciphersOf(parts),
    passthrough: passing && { owner: passing.owner, backend: rootRule?.backend },
  };
}

function appRootOf(locations: readonly Location[]): Server["appRoot"] {
  const found = locations.find(({ settings }) => settings.appRoot !== "");
  return found && { owner: found.owner ?? "", target: found.settings.appRoot };
}

function ciphersOf(parts: readonly IngressPart[]): Server["ciphers"] {
  const set = parts.map(({ annotations }) => annotations.settings.sslCiphers);
  const ciphers = set.find((given) => given.ciphers !== "")?.ciphers ?? "";
  const preferServer = set.find((given) => given.preferServer !== undefined)?.preferServer;
  return ciphers === "" && preferServer === undefined ? undefined : { ciphers, preferServer };
}

/** The first Ingress of the host fills `/`: its default backend, else the controller's. */
function rootOf(host: string, parts: readonly IngressPart[], { catchAll }: ServerContext): Draft {
  const rule = { path: "/", pathType: "Prefix" } as const;
  const first = parts[0];
  if (host === CATCH_ALL && catchAll) return { rule, backend: catchAll.backend, part: catchAll.part };
  if (first?.defaultBackend) return { rule, backend: first.defaultBackend, part: first };
  return { rule, backend: undefined, part: host === CATCH_ALL ? undefined : first };
}

function regexSwitch({ annotations }: IngressPart, path: string): string | undefined {
  const { rewrite } = annotations.settings;
  if (rewrite.useRegex) return "use-regex";
  return rewrite.target !== "" && rewrite.target !== path ? "rewrite-target" : undefined;
}

/** Longer paths first, then in descending order; Exact before Prefix. */
function compareDrafts(a: Draft, b: Draft): number {
  if (a.rule.path.length !== b.rule.path.length) return b.rule.path.length - a.rule.path.length;
  return compareText(b.rule.path, a.rule.path) || compareText(a.rule.pathType, b.rule.pathType);
}

/** A rule is one location, or two: Prefix `/foo` is `= /foo` and `/foo/`. */
function locationsOf(
  draft: Draft,
  drafts: ReadonlyMap<string, Draft>,
  host: string,
  regex: boolean,
  context: ServerContext,
): readonly Location[] {
  const { rule, backend, part } = draft;
  const { path, pathType } = rule;
  const annotations = part?.annotations ?? context.defaults;
  const common = {
    path,
    pathType,
    owner: part?.owner,
    backend,
    settings: annotations.settings,
    steps: annotations.steps({ path, host }),
  };
  const location = (match: Location["match"], denied = annotations.denied): Location => ({ ...common, match, denied });
  if (regex) {
    try {
      return [location({ type: "Regex", regex: new BoundedRegex(`^${path}`, "i") })];
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return [location({ type: "Regex", regex: NEVER }, `path ${path} is no regular expression: ${error.message}`)];
    }
  }
  if (pathType === "Exact") return [location({ type: "Exact", path })];
  if (path.endsWith("/")) return [location({ type: "Prefix", path })];
  const below = location({ type: "Prefix", path: `${path}/` });
  return drafts.has(`Exact ${path}`) ? [below] : [location({ type: "Exact", path }), below];
}

const NEVER = new BoundedRegex("(?!)");

/** The first Ingress with a tls section that names the host in its rules decides. */
function certificateOf(host: string, parts: readonly IngressPart[]): CertificateRef | undefined {
  if (host === CATCH_ALL) return undefined;
  const part = parts.find(({ tls }) => tls.length > 0);
  if (!part) return undefined;
  const namespace = part.ingress.metadata.namespace ?? "";
  const entry = part.tls.find((tls) => tls.hosts?.some((name) => name.toLowerCase() === host));
  const named = (secret: string | undefined): readonly string[] =>
    secret === undefined || secret === "" ? [] : [`${namespace}/${secret}`];
  if (entry) return { owner: part.owner, secret: named(entry.secretName)[0], candidates: [] };
  return { owner: part.owner, secret: undefined, candidates: part.tls.flatMap(({ secretName }) => named(secretName)) };
}

/** A server that only redirects to another host: from-to-www. */
export function redirectServer(host: string, to: string, config: ControllerConfig): Server {
  const defaults = compileAnnotations(undefined, config);
  return {
    ...compileServer(host, [], [], { config, catchAll: undefined, defaults }),
    redirectTo: to,
  };
}
