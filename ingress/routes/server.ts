// Compiles one host's server from the Ingresses that name it, first first.
// Upstream: controller.go getBackendServers, createServers; template.go buildLocation, locations.go updateServerLocations.
import { compareText } from "../../model/text.ts";
import { BoundedRegex } from "../bounded-regex.ts";
import { type CompiledAnnotations, compileAnnotations, withoutRewrites } from "../annotations/index.ts";
import type { ControllerConfig } from "../config.ts";
import { CATCH_ALL, type IngressPart, isOlder, type PartRule } from "./ingress-part.ts";
import type { BackendRef, CertificateRef, Conflict, Location, Server } from "./route-table.ts";

/** Rules that one Ingress has for the host. */
export interface HostRules {
  readonly part: IngressPart;
  readonly rules: readonly PartRule[];
}

export interface ServerContext {
  readonly config: ControllerConfig;
  /** The first Ingress with a default backend and no rules: it has `/` of the catch-all, whatever rules without host say. */
  readonly catchAll: IngressPart | undefined;
  readonly defaults: CompiledAnnotations;
  /** Upstreams that rules do not lead to: they are canaries' alone. */
  readonly reserved: ReadonlySet<string>;
}

interface Draft {
  readonly rule: Omit<PartRule, "backend">;
  readonly backend: BackendRef | undefined;
  readonly part: IngressPart | undefined;
  readonly annotations: CompiledAnnotations;
  /** A rule for the same path takes its place. */
  readonly standIn?: true;
}

/**
 * The server of `host` as its `parts` make it. `aliases` are decided by the caller, who knows all hosts, and so is `rulesOf`, where
 * canaries have rules beside those of the parts.
 */
export function compileServer(
  host: string,
  parts: readonly IngressPart[],
  aliases: readonly string[],
  context: ServerContext,
  rulesOf: readonly HostRules[] = parts.map((part) => ({ part, rules: part.hosts.get(host) ?? [] })),
): Server {
  const drafts = new Map<string, Draft>([["Prefix /", rootOf(host, parts, context)]]);
  const conflicts: Conflict[] = [];
  for (const { part, rules } of rulesOf) {
    for (const rule of rules) {
      if (context.reserved.has(rule.backend.upstream)) continue;
      const key = `${rule.pathType} ${rule.path}`;
      const taken = drafts.get(key);
      if (!taken || taken.standIn) drafts.set(key, { rule, backend: rule.backend, part, annotations: part.annotations });
      else if (taken.part)
        conflicts.push({ owner: part.owner, path: rule.path, winner: taken.part.owner, older: isOlder(taken.part, part) });
    }
  }
  const root = drafts.get("Prefix /");
  const switchers = [...drafts.values()].filter((draft) => regexSwitch(draft) !== undefined);
  const switcher = switchers.find(({ standIn }) => !standIn) ?? switchers[0];
  const annotation = switcher && regexSwitch(switcher);
  const regexMode =
    switcher?.part && annotation !== undefined ? { owner: switcher.part.owner, annotation, path: switcher.rule.path } : undefined;
  const compiled = [...drafts.values()].map((draft) => ({ draft, made: locationsOf(draft, drafts, host, regexMode !== undefined) }));
  const locations = compiled.toSorted((a, b) => compareDrafts(a.draft, b.draft)).flatMap(({ made }) => made);
  const tls = parts.map(({ owner, annotations }) => ({ owner, settings: annotations.settings.clientCertificate }));
  const passing = parts.find(({ annotations }) => annotations.settings.sslPassthrough);
  return {
    host,
    aliases,
    locations,
    asAdded: compiled.flatMap(({ made }) => made),
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
    appRoot: locations.find(({ settings }) => settings.appRoot !== ""),
    redirectTo: undefined,
    clientCertificates: tls.some(({ settings }) => settings.secret !== "") ? tls : undefined,
    proxySsl: context.config.flag("proxy-ssl-location-only", false)
      ? undefined
      : parts.find(({ annotations }) => annotations.settings.proxySsl.secret !== "")?.annotations.settings.proxySsl,
    ciphers: ciphersOf(parts),
    passthrough: passing && { owner: passing.owner, backend: root?.standIn ? undefined : root?.backend },
  };
}

function ciphersOf(parts: readonly IngressPart[]): Server["ciphers"] {
  const set = parts.map(({ annotations }) => annotations.settings.sslCiphers);
  const ciphers = set.find((given) => given.ciphers !== "")?.ciphers ?? "";
  const preferServer = set.find((given) => given.preferServer !== undefined)?.preferServer;
  return ciphers === "" && preferServer === undefined ? undefined : { ciphers, preferServer };
}

/** The first Ingress of the host fills `/`: its default backend, else the controller's. */
function rootOf(host: string, parts: readonly IngressPart[], { catchAll, config, defaults }: ServerContext): Draft {
  const rule = { path: "/", pathType: "Prefix" } as const;
  if (host === CATCH_ALL) {
    if (!catchAll) return { rule, backend: undefined, part: undefined, annotations: withoutRewrites(undefined, config), standIn: true };
    return { rule, backend: catchAll.defaultBackend, part: catchAll, annotations: withoutRewrites(catchAll.ingress, config) };
  }
  const first = parts[0];
  return { rule, backend: first?.defaultBackend, part: first, annotations: first?.annotations ?? defaults, standIn: true };
}

/** The annotation that makes a regular expression of a path. */
export function regexSwitch(draft: Pick<Draft, "annotations" | "rule">): string | undefined {
  const { rewrite } = draft.annotations.settings;
  if (rewrite.useRegex) return "use-regex";
  return rewrite.target !== "" && (rewrite.target !== draft.rule.path || splits(draft)) ? "rewrite-target" : undefined;
}

/** A Prefix `/foo` means `/foo` itself and what is below `/foo/`, unless regular expressions or a rewrite of its own say otherwise. */
function splits({ annotations, rule: { path, pathType } }: Pick<Draft, "annotations" | "rule">): boolean {
  const { useRegex, target } = annotations.settings.rewrite;
  return pathType === "Prefix" && !path.endsWith("/") && !useRegex && (target === "" || target === path);
}

/** Longer paths first, then in descending order, then as the Ingresses have them. */
function compareDrafts(a: Draft, b: Draft): number {
  return b.rule.path.length - a.rule.path.length || compareText(b.rule.path, a.rule.path);
}

/** A rule is one location, or two: Prefix `/foo` is `= /foo` and `/foo/`. */
function locationsOf(draft: Draft, drafts: ReadonlyMap<string, Draft>, host: string, regex: boolean): readonly Location[] {
  const { rule, backend, part, annotations } = draft;
  const { path, pathType } = rule;
  const common = {
    path,
    pathType,
    owner: part?.owner,
    backend,
    told: part?.hosts.get(host)?.find((each) => each.path === path)?.backend ?? part?.defaultBackend,
    settings: annotations.settings,
  };
  const location = (served: string, match: Location["match"], denied = annotations.denied): Location => {
    return { ...common, served, steps: annotations.steps({ path: regex ? served : path, served, host }), match, denied };
  };
  // nginx compares bytes.
  const bytes = Buffer.from(path).toString("latin1");
  const exact = drafts.has(`Exact ${path}`);
  if (regex) {
    const matching = (served: string): Location => {
      try {
        return location(served, { type: "Regex", regex: new BoundedRegex(`^${served}`, "i") });
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        return location(served, { type: "Regex", regex: NEVER }, `path ${path} is no regular expression: ${error.message}`);
      }
    };
    // `^/foo` has what is below, but where an Exact rule has `/foo`, and where only what is below is rewritten.
    if (!splits(draft)) return [matching(bytes)];
    if (exact) return [matching(`${bytes}/`)];
    return annotations.settings.rewrite.target === path ? [matching(`${bytes}/`), matching(bytes)] : [matching(bytes)];
  }
  const equal = location(bytes, { type: "Exact", path: bytes });
  if (pathType === "Exact") return [equal];
  if (path.endsWith("/")) return [location(bytes, { type: "Prefix", path: bytes })];
  const below = location(`${bytes}/`, { type: "Prefix", path: `${bytes}/` });
  return exact ? [below] : [equal, below];
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
  if (entry) return { host, owner: part.owner, secret: named(entry.secretName)[0], candidates: [] };
  return { host, owner: part.owner, secret: undefined, candidates: part.tls.flatMap(({ secretName }) => named(secretName)) };
}

/** A server that only redirects to another host: from-to-www. */
export function redirectServer(host: string, to: string, config: ControllerConfig): Server {
  const defaults = compileAnnotations(undefined, config);
  return {
    ...compileServer(host, [], [], { config, catchAll: undefined, defaults, reserved: new Set() }),
    redirectTo: to,
  };
}
