// Every annotation group, one line each. The order is that of the steps within a phase, as nginx's template and OpenResty give it.
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { type ControllerConfig, parseBool } from "../config.ts";
import type { Phase } from "../routes/route-table.ts";
import {
  type AnnotationRule,
  AnnotationReader,
  type CompilableGroup,
  type Denial,
  GroupSkipped,
  InvalidAnnotation,
  type LocationFacts,
  LocationDenied,
  RISKS,
  type Step,
} from "./annotation.ts";
import { access } from "./access.ts";
import { accessLog } from "./access-log.ts";
import { affinity } from "./affinity.ts";
import { allowlistSourceRange } from "./allowlist-source-range.ts";
import { appRoot } from "./app-root.ts";
import { backendProtocol } from "./backend-protocol.ts";
import { basicAuth } from "./basic-auth.ts";
import { canary } from "./canary.ts";
import { clientBodyBufferSize } from "./client-body-buffer-size.ts";
import { clientCertificate } from "./client-certificate.ts";
import { connectionHeader } from "./connection-header.ts";
import { cors } from "./cors.ts";
import { customHeaders } from "./custom-headers.ts";
import { customHttpErrors } from "./custom-http-errors.ts";
import { defaultBackend } from "./default-backend.ts";
import { groupDefaults } from "./defaults.ts";
import { denylistSourceRange } from "./denylist-source-range.ts";
import { disableProxyInterceptErrors } from "./disable-proxy-intercept-errors.ts";
import { enableGlobalAuth } from "./enable-global-auth.ts";
import { externalAuth } from "./external-auth.ts";
import { fastcgi } from "./fastcgi.ts";
import { hideHeaders } from "./hide-headers.ts";
import { limitRate } from "./limit-rate.ts";
import { limits } from "./limits.ts";
import { loadBalance } from "./load-balance.ts";
import { mirror } from "./mirror.ts";
import { proxyBodySize } from "./proxy-body-size.ts";
import { proxyBuffering } from "./proxy-buffering.ts";
import { proxyCookie } from "./proxy-cookie.ts";
import { proxyHttpVersion } from "./proxy-http-version.ts";
import { proxyNextUpstream } from "./proxy-next-upstream.ts";
import { proxyRedirect } from "./proxy-redirect.ts";
import { proxyRequestBuffering } from "./proxy-request-buffering.ts";
import { proxySetHeaders } from "./proxy-set-headers.ts";
import { proxySsl } from "./proxy-ssl.ts";
import { proxyTimeouts } from "./proxy-timeouts.ts";
import { redirect } from "./redirect.ts";
import { rewriteLog } from "./rewrite-log.ts";
import { rewrite } from "./rewrite.ts";
import { serverAlias } from "./server-alias.ts";
import { serviceUpstream } from "./service-upstream.ts";
import { sslCiphers } from "./ssl-ciphers.ts";
import { sslPassthrough } from "./ssl-passthrough.ts";
import { sslRedirect } from "./ssl-redirect.ts";
import { upstreamHashBy } from "./upstream-hash-by.ts";
import { upstreamVhost } from "./upstream-vhost.ts";
import { usePortInRedirects } from "./use-port-in-redirects.ts";
import { xForwardedPrefix } from "./x-forwarded-prefix.ts";
import { LOOKED_AT_WITH, UNMODELLED } from "./unmodelled.ts";

export const annotationGroups = {
  basicAuth,
  proxySsl,
  customHeaders,
  cors,
  appRoot,
  redirect,
  rewriteLog,
  rewrite,
  xForwardedPrefix,
  sslRedirect,
  usePortInRedirects,
  limits,
  limitRate,
  denylistSourceRange,
  allowlistSourceRange,
  enableGlobalAuth,
  externalAuth,
  access,
  upstreamVhost,
  connectionHeader,
  proxySetHeaders,
  hideHeaders,
  backendProtocol,
  fastcgi,
  proxyBodySize,
  proxyRequestBuffering,
  clientBodyBufferSize,
  proxyTimeouts,
  proxyNextUpstream,
  proxyHttpVersion,
  proxyBuffering,
  proxyCookie,
  proxyRedirect,
  mirror,
  serverAlias,
  serviceUpstream,
  loadBalance,
  upstreamHashBy,
  affinity,
  canary,
  customHttpErrors,
  defaultBackend,
  disableProxyInterceptErrors,
  clientCertificate,
  sslCiphers,
  sslPassthrough,
  accessLog,
};

const GROUPS: readonly (readonly [name: string, group: CompilableGroup<unknown>])[] = Object.entries(annotationGroups);

type Groups = typeof annotationGroups;
/** All settings of one Ingress, by group. */
export type Settings = { readonly [Name in keyof Groups]: ReturnType<Groups[Name]["parse"]> };

/** Every annotation of upstream, by its name without the prefix. */
export const RULES: ReadonlyMap<string, AnnotationRule> = new Map([
  ...Object.values<CompilableGroup<unknown>>(annotationGroups).flatMap(({ annotations }) => Object.entries(annotations)),
  ...Object.values(UNMODELLED).flatMap((annotations) => Object.entries(annotations)),
]);

/** Aliases and names alike: which group of upstream has them. */
export const GROUP_OF: ReadonlyMap<string, string> = new Map([
  ...Object.values<CompilableGroup<unknown>>(annotationGroups).flatMap(({ upstream, annotations }) =>
    namesOf(annotations).map((name) => [name, upstream] as const),
  ),
  ...Object.entries(UNMODELLED).flatMap(([upstream, annotations]) => namesOf(annotations).map((name) => [name, upstream] as const)),
]);

function namesOf(annotations: Readonly<Record<string, AnnotationRule>>): readonly string[] {
  return Object.entries(annotations).flatMap(([name, { aliases }]) => [name, ...aliases]);
}

const RULES_BY_ANY_NAME: ReadonlyMap<string, AnnotationRule> = new Map(
  [...RULES].flatMap(([name, rule]) => [name, ...rule.aliases].map((one) => [one, rule] as const)),
);

const NOT_MODELLED: ReadonlySet<string> = new Set(Object.values(UNMODELLED).flatMap((annotations) => Object.keys(annotations)));

export interface CompiledAnnotations {
  readonly settings: Settings;
  /** Why the Ingress is not served at all. */
  readonly dropped: string | undefined;
  /** Why every location of the Ingress answers 503. */
  readonly denied: string | undefined;
  /** Objects that it names, each of which may have all of them answer 503. */
  readonly denials: readonly Denial[];
  /** Values that could not be used, unknown and unmodelled names: `name: reason`. */
  readonly problems: readonly string[];
  steps(location: LocationFacts): Readonly<Record<Phase, readonly Step[]>>;
}

/** What Ingresses without a single annotation of ours share. */
const bare = new WeakMap<ControllerConfig, CompiledAnnotations>();

/** Reads all annotations of an Ingress; undefined gives the defaults. */
export function compileAnnotations(ingress: Ingress | undefined, config: ControllerConfig): CompiledAnnotations {
  const names = Object.keys(ingress?.metadata.annotations ?? {});
  if (names.some((name) => name.startsWith(config.prefix) || RULES_BY_ANY_NAME.has(name))) return readAnnotations(ingress, config);
  const shared = bare.get(config) ?? readAnnotations(undefined, config);
  bare.set(config, shared);
  return shared;
}

/** What the catch-all's `/` heeds of an Ingress: redirects and rewrites are not among it, nor the ConfigMap's. */
export function withoutRewrites(ingress: Ingress | undefined, config: ControllerConfig): CompiledAnnotations {
  const { metadata = { name: "" }, ...rest } = ingress ?? { apiVersion: "networking.k8s.io/v1", kind: "Ingress", spec: {} };
  const { prefix } = config;
  const kept = Object.entries(metadata.annotations ?? {}).filter(([name]) => !REWRITES.has(withoutPrefix(name, config)));
  const annotations = { ...Object.fromEntries(kept), [`${prefix}ssl-redirect`]: "false", [`${prefix}force-ssl-redirect`]: "false" };
  return readAnnotations({ ...rest, metadata: { ...metadata, annotations } }, config);
}

const REWRITES: ReadonlySet<string> = new Set(
  [redirect, rewrite, rewriteLog, appRoot, sslRedirect].flatMap(({ annotations }) => Object.keys(annotations)),
);

function readAnnotations(ingress: Ingress | undefined, config: ControllerConfig): CompiledAnnotations {
  const read = new AnnotationReader(ingress, config, RULES);
  let denied: string | undefined;
  let dropped = riskyGroup(ingress, config);
  const settings: Record<string, unknown> = {};
  const denials: Denial[] = [];
  const stepMakers: ((location: LocationFacts) => readonly Step[])[] = [];
  const defaults = groupDefaults(config, annotationGroups, RULES);
  const own = ownNames(ingress, config);
  for (const [name, group] of GROUPS) {
    try {
      const byDefault = defaults.get(name);
      const result = byDefault && !own.some((one) => byDefault.names.has(one)) ? byDefault.result : group.compile(read);
      settings[name] = result.settings;
      if (result.steps) stepMakers.push(result.steps);
      if (result.denial) denials.push(result.denial);
    } catch (error) {
      if (error instanceof InvalidAnnotation) dropped ??= error.message;
      else if (error instanceof LocationDenied) denied ??= error.message;
      else if (!(error instanceof GroupSkipped)) throw error;
      settings[name] = group.parse(new AnnotationReader(undefined, config, RULES));
    }
  }
  dropped ??= invalidUnmodelled(ingress, config);
  return {
    settings: settings as Settings,
    dropped,
    denied,
    denials,
    problems: [...new Set([...read.problems, ...unknownNames(ingress, config)])],
    steps(location) {
      const steps: Record<Phase, Step[]> = { location: [], rewrite: [], preaccess: [], access: [], content: [] };
      for (const make of stepMakers) for (const step of make(location)) steps[step.phase].push(step);
      return steps;
    },
  };
}

/**
 * annotations-risk-level: an annotation above it drops the Ingress, by its name with or without the prefix. Snippets that are switched off
 * are no risk: they are not read.
 */
function riskyGroup(ingress: Ingress | undefined, config: ControllerConfig): string | undefined {
  const level = config.text("annotations-risk-level", "High").toLowerCase();
  const most = Math.max(
    0,
    RISKS.findIndex((risk) => risk.toLowerCase() === level),
  );
  const snippets = config.flag("allow-snippet-annotations", false);
  for (const written of Object.keys(ingress?.metadata.annotations ?? {})) {
    const name = withoutPrefix(written, config);
    const rule = snippets || !name.endsWith("-snippet") ? RULES_BY_ANY_NAME.get(name) : undefined;
    if (rule && RISKS.indexOf(rule.risk) > most)
      return `annotation group ${GROUP_OF.get(name)} contains risky annotation based on ingress configuration`;
  }
  return undefined;
}

/** What nothing here reads is checked all the same. */
function invalidUnmodelled(ingress: Ingress | undefined, config: ControllerConfig): string | undefined {
  if (!config.validates) return undefined;
  for (const name of ownNames(ingress, config)) {
    const rule = NOT_MODELLED.has(name) ? RULES.get(name) : undefined;
    const valueOf = (of: string): string => ingress?.metadata.annotations?.[config.prefix + of] ?? "";
    const value = valueOf(name);
    const other = LOOKED_AT_WITH[name];
    if (other !== undefined && parseBool(valueOf(other)) !== true) continue;
    if (rule?.onInvalid === "drop" && value !== "" && !rule.valid(value))
      return `annotation ${config.prefix}${name} contains invalid value`;
  }
  return undefined;
}

const withoutPrefix = (name: string, { prefix }: ControllerConfig): string => (name.startsWith(prefix) ? name.slice(prefix.length) : name);

const ownNames = (ingress: Ingress | undefined, config: ControllerConfig): readonly string[] =>
  Object.keys(ingress?.metadata.annotations ?? {}).flatMap((name) => (name.startsWith(config.prefix) ? [withoutPrefix(name, config)] : []));

function unknownNames(ingress: Ingress | undefined, config: ControllerConfig): readonly string[] {
  return ownNames(ingress, config).flatMap((name) => {
    if (NOT_MODELLED.has(name)) return [`${config.prefix}${name}: not modelled, it has no effect`];
    return RULES_BY_ANY_NAME.has(name) ? [] : [`${config.prefix}${name}: unknown annotation, it has no effect`];
  });
}
