// What an error of a location leads to: the sign-in page, or a Service that answers instead.
// Upstream: error_page in nginx.tmpl; a location with pages of its own has none of the ConfigMap's.
import { addConfigured } from "./annotations/custom-headers.ts";
import { type Answer, redirect } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import type { BackendRef, Location } from "./route-table.ts";
import { CERTIFICATE } from "./headers.ts";
import { expand, headerText } from "./variables.ts";

export type ErrorPage = "sign-in" | "own" | "everywhere";

/** By status, whoever answers it. */
export function errorPage({ location }: Exchange, status: number): ErrorPage | undefined {
  const { customHttpErrors } = location.settings;
  // A denied location has nothing of its annotations.
  if (location.denied !== undefined) return customHttpErrors.everywhere.has(status) ? "everywhere" : undefined;
  const signin = signsIn(location);
  if (signin && status === 401) return "sign-in";
  if (customHttpErrors.own.size > 0 || signin) return customHttpErrors.own.has(status) ? "own" : undefined;
  return customHttpErrors.everywhere.has(status) ? "everywhere" : undefined;
}

/** auth-signin, where authentication is asked for at all. */
function signsIn({ settings, path }: Location): boolean {
  const { url, signin } = settings.externalAuth;
  return url !== "" && signin !== "" && !settings.access.openPrefixes.some((prefix) => path.startsWith(prefix));
}

/** The redirect to sign in, which is a location of its own: headers of the location it is for are not on it, but those of enable-cors. */
export function signIn(exchange: Exchange, refused: Pick<Answer, "headers">): Answer {
  leave(exchange, "access-control-");
  const { signin, signinParam } = exchange.location.settings.externalAuth;
  const url = expand(exchange, withTarget(signin, signinParam));
  const { scheme, host } = exchange.facts;
  const answer = redirect(302, url.startsWith("/") ? `${scheme}://${host}${url}` : url, `${refusal(refused)}: auth-signin`);
  return { ...answer, headers: [...answer.headers, ...refused.headers.filter(([name]) => name === "WWW-Authenticate")] };
}

const refusal = (refused: Pick<Answer, "headers"> & { readonly reason?: string }): string => refused.reason ?? "the pod answers 401";

/** buildAuthSignURL: with the way back, unless it has that already. */
function withTarget(signin: string, parameter: string): string {
  const mark = signin.indexOf("?");
  const sent = [...new URLSearchParams(mark < 0 ? "" : signin.slice(mark + 1))];
  if (sent.find(([name]) => name === parameter)?.[1]) return signin;
  return `${signin}${sent.length === 0 ? "?" : "&"}${parameter}=$pass_access_scheme://$http_host$escaped_request_uri`;
}

/** The Service that answers in place of errors, by the default-backend annotation. */
export function annotatedBackend({ location }: Exchange): BackendRef | undefined {
  const { defaultBackend } = location.settings;
  const namespace = location.owner?.split("/")[0] ?? "";
  if (defaultBackend === "") return undefined;
  return { namespace, service: defaultBackend, port: "", upstream: `custom-default-backend-${namespace}-${defaultBackend}` };
}

/** What an error's Service learns of it. */
export function setErrorHeaders(exchange: Exchange, status: number): void {
  const { facts, location } = exchange;
  const [namespace = "", name = ""] = location.owner?.split("/") ?? [];
  exchange.setUpstream("X-Code", String(status));
  exchange.setUpstream("X-Format", facts.headers.accept ?? "");
  exchange.setUpstream("X-Namespace", namespace);
  exchange.setUpstream("X-Ingress-Name", name);
  exchange.setUpstream("X-Service-Name", location.backend?.service ?? "");
  exchange.setUpstream("X-Service-Port", location.backend?.port ?? "");
}

/** What an error's location does not set: it is as the client says, or not at all. */
const CLIENTS = [
  "X-Real-IP",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Proto",
  "X-Forwarded-Scheme",
  "X-Scheme",
  "X-Original-Forwarded-For",
  "X-Original-Forwarded-Host",
  "Proxy",
  ...CERTIFICATE,
];

/** The request for the page of an error: of the headers for pods it has only these. */
export function errorRequest(exchange: Exchange, status: number): void {
  exchange.upstreamHeaders.clear();
  for (const name of CLIENTS) exchange.setUpstream(name, headerText(exchange, name.toLowerCase()));
  exchange.setUpstream("X-Forwarded-For", exchange.facts.clientIp);
  setErrorHeaders(exchange, status);
  exchange.setUpstream("X-Original-URI", exchange.facts.target);
  leave(exchange);
  addConfigured(exchange);
  exchange.authCookie = undefined;
}

/** Headers that steps set on answers stay behind, but those whose names begin so. */
function leave(exchange: Exchange, kept?: string): void {
  exchange.elsewhere = true;
  for (const name of exchange.responseHeaders.keys())
    if ((kept === undefined || !name.startsWith(kept)) && !name.startsWith("x-loopkube-")) exchange.responseHeaders.delete(name);
}
