// auth-url and its family, and the ConfigMap's global-auth-*: another server says whether a request may pass. It is asked by auth-request.ts.
// Upstream: internal/ingress/annotations/{authreq,authreqglobal}.
import { parseBool, splitList } from "../config.ts";
import type { KeepAlive } from "../request/exchange.ts";
import { enableGlobalAuth } from "./enable-global-auth.ts";
import { annotationGroup, type AnnotationReader, GroupSkipped, LocationDenied, timeMs, high, low, medium } from "./annotation.ts";
import { BASIC, BOOL, EXTENDED, HEADER_NAMES, INTEGER, oneOf, URL_CHARS, URL_WITH_VARIABLES, VARIABLES } from "./validators.ts";

export interface ExternalAuth {
  /** "" when not asked for. */
  readonly url: string;
  readonly method: string;
  readonly signin: string;
  readonly signinParam: string;
  readonly responseHeaders: readonly string[];
  readonly requestRedirect: string;
  readonly alwaysSetCookie: boolean;
  /** `namespace/name` of a ConfigMap of headers for the subrequest. */
  readonly setHeaders: string;
  readonly cacheKey: string;
  /** Undefined: a connection for each request. */
  readonly keepAlive: KeepAlive | undefined;
  /** Status to milliseconds; "any" for all. */
  readonly cacheMs: ReadonlyMap<string, number>;
}

const CACHE_DURATION = "200 202 401 5m";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

export const externalAuth = annotationGroup<ExternalAuth>({
  upstream: "ExternalAuth",
  annotations: {
    "auth-url": high(URL_WITH_VARIABLES, "drop"),
    "auth-method": low(oneOf(METHODS), "deny"),
    "auth-signin": high(URL_WITH_VARIABLES),
    "auth-signin-redirect-param": medium(URL_CHARS),
    "auth-response-headers": medium(HEADER_NAMES, "deny"),
    "auth-request-redirect": medium(URL_CHARS, "skip"),
    "auth-always-set-cookie": low(BOOL, "skip"),
    "auth-proxy-set-headers": medium(BASIC),
    "auth-cache-key": medium(VARIABLES),
    "auth-cache-duration": medium(EXTENDED, "skip"),
    "auth-keepalive": low(INTEGER),
    "auth-keepalive-requests": low(INTEGER),
    "auth-keepalive-timeout": low(INTEGER),
    "auth-keepalive-share-vars": low(BOOL),
  },
  parse(read) {
    try {
      return settingsOf(read, read.text("auth-url"));
    } catch (error) {
      // Without its own the Ingress is under the ConfigMap's.
      if (error instanceof GroupSkipped) return settingsOf(read, undefined);
      throw error;
    }
  },
  denial: ({ setHeaders }) =>
    setHeaders === ""
      ? undefined
      : {
          annotation: "auth-proxy-set-headers",
          why(objects) {
            const data = objects.configMap(setHeaders);
            if (!data) return `location denied, reason: unable to find configMap ${JSON.stringify(setHeaders)}`;
            const wrong = Object.keys(data).some((name) => !/^[a-zA-Z\d\-_]+$/.test(name));
            return wrong ? "location denied, reason: invalid proxy-set-headers in configmap" : undefined;
          },
        },
});

/** The annotations' with `own` as auth-url, the ConfigMap's without. */
function settingsOf(read: AnnotationReader, own: string | undefined): ExternalAuth {
  const global = enableGlobalAuth.parse(read) ? read.config.text("global-auth-url") : "";
  const text = (name: string): string => (own === undefined ? read.config.text(`global-${name}`) : (read.text(name) ?? ""));
  if (own !== undefined && !isUrl(own)) throw new LocationDenied(`could not parse auth-url annotation: ${urlProblem(own)}`);
  const url = own ?? (isUrl(global) ? global : "");
  return {
    url,
    method: METHODS.includes(text("auth-method")) ? text("auth-method") : "",
    signin: own !== undefined || isUrl(text("auth-signin")) ? text("auth-signin") : "",
    signinParam: text("auth-signin-redirect-param") || "rd",
    responseHeaders: headerNames(text("auth-response-headers"), own !== undefined),
    requestRedirect: text("auth-request-redirect"),
    alwaysSetCookie: parseBool(text("auth-always-set-cookie")) ?? false,
    setHeaders: own === undefined ? "" : headersMap(read),
    keepAlive: own === undefined ? undefined : keepAlive(read, own),
    cacheKey: text("auth-cache-key"),
    cacheMs: durations(text("auth-cache-duration") || CACHE_DURATION, own !== undefined),
  };
}

/** Kept connections work only where clients do not speak HTTP/2; variables in the host rule them out. */
function keepAlive(read: AnnotationReader, url: string): KeepAlive | undefined {
  const [connections, requests, seconds] = [
    read.number("auth-keepalive", 0),
    read.number("auth-keepalive-requests", 1000),
    read.number("auth-keepalive-timeout", 60),
  ];
  // Variables of subrequests are not shared here in any case.
  read.flag("auth-keepalive-share-vars", false);
  const http2 = read.config.flag("use-http2", true);
  if (connections > 0 && http2) read.problem("auth-keepalive", "has no effect while use-http2 is true in the ConfigMap");
  const fixedHost = !(/^https?:\/\/([^/]*)/.exec(url)?.[1] ?? "").includes("$");
  if (connections <= 0 || requests <= 0 || seconds <= 0 || http2 || !fixedHost) return undefined;
  return { connections, requests, timeoutMs: seconds * 1000 };
}

/** `namespace/name` of a ConfigMap, which must be of the Ingress's own namespace. */
function headersMap(read: AnnotationReader): string {
  const name = read.text("auth-proxy-set-headers") ?? "";
  const [namespace, rest] = name.includes("/") ? name.split("/") : [undefined, name];
  if (namespace !== undefined && namespace !== read.namespace && !read.config.flag("allow-cross-namespace-resources", false))
    throw new LocationDenied(`cross namespace usage of secrets is not allowed: ${rest}`);
  return name;
}

/** Of the ConfigMap, what is no name is left out. */
function headerNames(text: string, own: boolean): readonly string[] {
  const names = splitList(text);
  if (!own) return names.filter((name) => /^[\w-]+$/.test(name));
  if (names.some((name) => !/^[\w-]+$/.test(name))) throw new LocationDenied("location denied, reason: invalid headers list");
  return names;
}

const isUrl = (url: string): boolean => urlProblem(url) === undefined;

/** In the words of parser.StringToURL. */
function urlProblem(url: string): string | undefined {
  if (url.startsWith(":")) return `${url} is not a valid URL: parse ${JSON.stringify(url)}: missing protocol scheme`;
  const [, scheme, host = ""] = /^(?:([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?)?/i.exec(url) ?? [];
  if (scheme === undefined) return "url scheme is empty";
  const port = /:[^:]*$/.exec(host)?.[0] ?? "";
  if (!/^:?\d*$/.test(port))
    return `${url} is not a valid URL: parse ${JSON.stringify(url)}: invalid port ${JSON.stringify(port)} after host`;
  if (host === "") return "url host is empty";
  if (host.includes("..")) return "invalid url host";
  return /^https?$/i.test(scheme) ? undefined : `${scheme} is neither http nor https`;
}

/** Of the ConfigMap, what cannot be read leaves the default. */
function durations(text: string, own: boolean): ReadonlyMap<string, number> {
  const result = new Map<string, number>();
  for (const item of splitList(text)) {
    const words = item.split(/\s+/);
    const at = words.findIndex((word) => /^\d+(?:ms|[smhdwMy])$/.test(word));
    const wrong = at < 0 || words.slice(at).some((word) => /^\d{3}$/.test(word));
    if (wrong && !own) return durations(CACHE_DURATION, own);
    if (wrong) throw new LocationDenied(`location denied, reason: invalid cache duration: ${item}`);
    const ms = timeMs(words[at] ?? "") ?? 0;
    const codes = words.slice(0, at).filter((word) => word === "any" || /^\d{3}$/.test(word));
    // The first that names a status counts.
    for (const code of codes.length > 0 ? codes : ["200", "301", "302"]) if (!result.has(code)) result.set(code, ms);
  }
  return result;
}
