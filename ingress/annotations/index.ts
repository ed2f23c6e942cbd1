// Every annotation group, one line each. The order is that of the steps within a phase, as nginx's template and OpenResty give it.
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import type { ControllerConfig } from "../config.ts";
import type { Phase } from "../route-table.ts";
import { AnnotationReader, type CompilableGroup, type LocationFacts, LocationDenied, PREFIX, type Step } from "./annotation.ts";
import { access } from "./access.ts";
import { accessLog } from "./access-log.ts";
import { affinity } from "./affinity.ts";
import { basicAuth } from "./basic-auth.ts";
import { blocks } from "./blocks.ts";
import { connectionHeader } from "./connection-header.ts";
import { cors } from "./cors.ts";
import { customErrors } from "./custom-errors.ts";
import { customHeaders } from "./custom-headers.ts";
import { externalAuth } from "./external-auth.ts";
import { limits } from "./limits.ts";
import { mirror } from "./mirror.ts";
import { proxyCookie } from "./proxy-cookie.ts";
import { backendProtocol } from "./backend-protocol.ts";
import { canary } from "./canary.ts";
import { clientCertificate } from "./client-certificate.ts";
import { fromToWww } from "./from-to-www.ts";
import { loadBalance } from "./load-balance.ts";
import { proxy } from "./proxy.ts";
import { redirect } from "./redirect.ts";
import { rewrite } from "./rewrite.ts";
import { serverAlias } from "./server-alias.ts";
import { serviceUpstream } from "./service-upstream.ts";
import { sourceRange } from "./source-range.ts";
import { sslPassthrough } from "./ssl-passthrough.ts";
import { sslRedirect } from "./ssl-redirect.ts";
import { upstreamVhost } from "./upstream-vhost.ts";

export const annotationGroups = {
  blocks,
  basicAuth,
  customHeaders,
  cors,
  rewrite,
  redirect,
  sslRedirect,
  limits,
  sourceRange,
  externalAuth,
  access,
  upstreamVhost,
  connectionHeader,
  backendProtocol,
  proxy,
  proxyCookie,
  mirror,
  serverAlias,
  fromToWww,
  serviceUpstream,
  loadBalance,
  affinity,
  canary,
  customErrors,
  clientCertificate,
  sslPassthrough,
  accessLog,
};

type Groups = typeof annotationGroups;
/** All settings of one Ingress, by group. */
export type Settings = { readonly [Name in keyof Groups]: ReturnType<Groups[Name]["parse"]> };

/** Known to exist upstream, with no effect here. */
export const UNMODELLED: ReadonlySet<string> = new Set([
  "configuration-snippet",
  "server-snippet",
  "stream-snippet",
  "auth-snippet",
  "modsecurity-snippet",
  "enable-modsecurity",
  "enable-owasp-core-rules",
  "modsecurity-transaction-id",
  "enable-opentelemetry",
  "opentelemetry-trust-incoming-span",
  "opentelemetry-operation-name",
  "fastcgi-index",
  "fastcgi-params-configmap",
  "http2-push-preload",
  "enable-rewrite-log",
  "ssl-ciphers",
  "proxy-ssl-secret",
  "proxy-ssl-verify",
  "proxy-ssl-verify-depth",
  "proxy-ssl-name",
  "proxy-ssl-server-name",
  "proxy-ssl-protocols",
  "proxy-ssl-ciphers",
  "ssl-prefer-server-ciphers",
]);

/** Every name that some group reads. */
export const MODELLED: ReadonlySet<string> = new Set(Object.values(annotationGroups).flatMap((group) => group.annotations));

export interface CompiledAnnotations {
  readonly settings: Settings;
  /** Why every location of the Ingress answers 503. */
  readonly denied: string | undefined;
  /** Values that could not be used, unknown and unmodelled names: `name: reason`. */
  readonly problems: readonly string[];
  steps(location: LocationFacts): Readonly<Record<Phase, readonly Step[]>>;
}

/** What Ingresses without a single annotation of ours share. */
const bare = new WeakMap<ControllerConfig, CompiledAnnotations>();

/** Reads all annotations of an Ingress; undefined gives the defaults. */
export function compileAnnotations(ingress: Ingress | undefined, config: ControllerConfig): CompiledAnnotations {
  if (Object.keys(ingress?.metadata.annotations ?? {}).some((name) => name.startsWith(PREFIX))) return readAnnotations(ingress, config);
  const shared = bare.get(config) ?? readAnnotations(undefined, config);
  bare.set(config, shared);
  return shared;
}

function readAnnotations(ingress: Ingress | undefined, config: ControllerConfig): CompiledAnnotations {
  const read = new AnnotationReader(ingress, config);
  let denied: string | undefined;
  const settings: Record<string, unknown> = {};
  const stepMakers: ((location: LocationFacts) => readonly Step[])[] = [];
  for (const [name, group] of Object.entries<CompilableGroup<unknown>>(annotationGroups)) {
    try {
      const result = group.compile(read);
      settings[name] = result.settings;
      stepMakers.push((location) => result.steps(location));
    } catch (error) {
      if (!(error instanceof LocationDenied)) throw error;
      denied ??= error.message;
      settings[name] = group.parse(new AnnotationReader(undefined, config));
    }
  }
  return {
    settings: settings as Settings,
    denied,
    problems: [...new Set([...read.problems, ...unknownNames(ingress)])],
    steps(location) {
      const steps: Record<Phase, Step[]> = { rewrite: [], preaccess: [], access: [], content: [] };
      for (const make of stepMakers) for (const step of make(location)) steps[step.phase].push(step);
      return steps;
    },
  };
}

function unknownNames(ingress: Ingress | undefined): readonly string[] {
  return Object.keys(ingress?.metadata.annotations ?? {}).flatMap((name) => {
    if (!name.startsWith(PREFIX)) return [];
    const short = name.slice(PREFIX.length);
    if (MODELLED.has(short)) return [];
    return [UNMODELLED.has(short) ? `${name}: not modelled, it has no effect` : `${name}: unknown annotation, it has no effect`];
  });
}
