// Asks the server of auth-url whether a request may pass, and keeps its answers where auth-cache-key says so.
// Upstream: nginx.tmpl's external-auth location; ngx_http_auth_request_module, ngx_http_file_cache; lua/nginx/ngx_conf_external_auth.lua.
import { type Answer, type HeaderLine, page } from "./answer.ts";
import type { ExternalAuth } from "../annotations/external-auth.ts";
import type { Exchange, SubrequestAnswer } from "./exchange.ts";
import { asksForCertificates, CERTIFICATE, certificateHeaders, forwardedFor } from "./headers.ts";
import { expand, headerText, inSubrequest } from "./variables.ts";

/** Undefined lets the request pass. */
export async function askExternally(settings: ExternalAuth, exchange: Exchange): Promise<Answer | undefined> {
  let answer: SubrequestAnswer;
  try {
    answer = await cached(settings, exchange);
  } catch (error) {
    return page(500, `auth-url ${settings.url} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  // Over kept connections Lua asks: only 200 is a yes, and of a no nothing but the status counts.
  const kept = settings.keepAlive !== undefined;
  const passes = kept ? answer.status === 200 : answer.status >= 200 && answer.status < 300;
  const cookies = headerOf(answer, "set-cookie");
  if (cookies !== "" && (passes || !kept)) exchange.authCookie = { value: cookies, always: settings.alwaysSetCookie && !kept };
  if (passes) {
    for (const name of settings.responseHeaders) exchange.setUpstream(name, headerOf(answer, name.toLowerCase()));
    return undefined;
  }
  if (answer.status === 401 || answer.status === 403) {
    const challenge = answer.status === 401 && !kept ? headerOf(answer, "www-authenticate") : "";
    return page(answer.status, `auth-url says ${answer.status}`, challenge === "" ? [] : [["WWW-Authenticate", challenge]]);
  }
  return page(500, `auth-url answers ${answer.status}, which is neither 2xx nor 401 nor 403`);
}

/** As a variable of nginx has it: lines of one name joined. */
function headerOf({ headers }: SubrequestAnswer, lower: string): string {
  return headers.flatMap(([name, value]) => (name.toLowerCase() === lower ? [value] : [])).join(", ");
}

/** A subrequest of its own, whose location has no regular expression. */
function inside(exchange: Exchange, text: string): string {
  const { served, pathType } = exchange.location;
  const path = `/_external-auth-${Buffer.from(served).toString("base64url")}-${pathType}`;
  return expand(exchange, text, [], undefined, inSubrequest(path));
}

interface Kept {
  readonly answer: SubrequestAnswer;
  readonly until: number;
  /** Values of the request headers that the answer's Vary names. */
  readonly variant: string;
}

async function cached(settings: ExternalAuth, exchange: Exchange): Promise<SubrequestAnswer> {
  if (settings.cacheKey === "") return ask(settings, exchange);
  const { world, server, location } = exchange;
  const cache = world.state("auth-cache", () => new Map<string, Kept>());
  const key = `${server.host}${location.served} ${location.pathType}\n${settings.url}\n${inside(exchange, settings.cacheKey)}`;
  const kept = cache.get(key);
  if (kept && kept.until > world.clock.monotonic() && kept.variant === variantOf(kept.answer, exchange)) {
    exchange.note("auth-url: answered from the cache");
    return kept.answer;
  }
  const answer = await ask(settings, exchange);
  const keepMs = lifetimeMs(settings, answer, world.clock.now());
  if (keepMs > 0) {
    if (cache.size > 10_000) cache.clear();
    cache.set(key, { answer, until: world.clock.monotonic() + keepMs, variant: variantOf(answer, exchange) });
  }
  return answer;
}

function variantOf(answer: SubrequestAnswer, exchange: Exchange): string {
  const names = headerOf(answer, "vary").toLowerCase().split(",");
  return names.map((name) => headerText(exchange, name.trim())).join("\n");
}

/** What the answer says of itself, else auth-cache-duration; 0 keeps it not. */
function lifetimeMs({ cacheMs }: ExternalAuth, answer: SubrequestAnswer, now: number): number {
  const header = (name: string): string => headerOf(answer, name);
  if (header("set-cookie") !== "" || header("vary").includes("*")) return 0;
  const accel = header("x-accel-expires");
  if (accel !== "") return accel.startsWith("@") ? Number(accel.slice(1)) * 1000 - now || 0 : Number(accel) * 1000 || 0;
  const control = header("cache-control").toLowerCase();
  if (/no-cache|no-store|private/.test(control)) return 0;
  const age = /s-maxage=(\d+)/.exec(control) ?? /max-age=(\d+)/.exec(control);
  if (age) return Number(age[1]) * 1000;
  const expires = header("expires");
  if (expires !== "") return Date.parse(expires) - now || 0;
  return cacheMs.get(String(answer.status)) ?? cacheMs.get("any") ?? 0;
}

const NOT_SENT = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "expect",
  "te",
  "trailer",
  "x-forwarded-proto",
  "x-request-id",
]);

/** A cache asks for the whole answer. */
const CONDITIONS = new Set(["if-modified-since", "if-unmodified-since", "if-none-match", "if-match", "range", "if-range"]);

function ask(settings: ExternalAuth, exchange: Exchange): Promise<SubrequestAnswer> {
  const { facts, world } = exchange;
  const url = inside(exchange, settings.url);
  const headers: HeaderLine[] = [
    ["Host", new URL(url).hostname],
    ["X-Original-URL", expand(exchange, "$scheme://$http_host$request_uri")],
    ["X-Original-Method", facts.method],
    ["X-Sent-From", "nginx-ingress-controller"],
    ["X-Real-IP", facts.clientIp],
    ["X-Forwarded-For", forwardedFor(exchange)],
    ["X-Auth-Request-Redirect", settings.requestRedirect === "" ? facts.target : inside(exchange, settings.requestRedirect)],
    ["X-Request-ID", exchange.requestId],
  ];
  if (settings.method !== "") headers.push(["X-Original-URI", facts.target], ["X-Scheme", exchange.scheme]);
  headers.push(...Object.entries(certificateHeaders(exchange)));
  const own = settings.setHeaders === "" ? undefined : world.configMap(settings.setHeaders);
  for (const [name, value] of Object.entries(own ?? {})) headers.push([name, inside(exchange, value)]);
  const set = new Set(headers.map(([name]) => name.toLowerCase()));
  const underscores = exchange.table.config.flag("enable-underscores-in-headers", false);
  const left = (name: string): boolean =>
    name.startsWith(":") ||
    NOT_SENT.has(name) ||
    set.has(name) ||
    (settings.cacheKey !== "" && CONDITIONS.has(name)) ||
    (CERTIFICATE.has(name) && asksForCertificates(exchange)) ||
    (name.includes("_") && !underscores);
  for (const [name, value] of Object.entries(facts.headers)) {
    if (value === undefined || left(name)) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, one]);
  }
  return world.request(url, {
    method: settings.method === "" ? "GET" : settings.method,
    headers: headers.filter(([, value]) => value !== ""),
    keepAlive: settings.keepAlive,
    httpVersion: settings.keepAlive ? "1.1" : exchange.location.settings.proxyHttpVersion,
  });
}
