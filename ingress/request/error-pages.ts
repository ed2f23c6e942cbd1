// What an error of a location leads to: the sign-in page, or a Service that answers instead.
// Upstream: error_page in nginx.tmpl; a location or a server with pages of its own has none of the ConfigMap's.
import { addAll } from "../annotations/custom-headers.ts";
import { cidrsOf, inAny } from "../annotations/source-range.ts";
import { type Answer, type HeaderLine, page, redirect } from "./answer.ts";
import { askedCertificate } from "../tls/client-certificates.ts";
import type { Exchange } from "./exchange.ts";
import type { BackendRef, Location } from "../routes/route-table.ts";
import { CERTIFICATE } from "./headers.ts";
import { isFastCgi, isGrpc } from "./next-upstream.ts";
import type { Peer, Upstreams } from "../routes/upstreams.ts";
import { expand, headerText } from "./variables.ts";

export type ErrorPage = "sign-in" | "own" | "everywhere";

/** By status, whoever answers it. */
export function errorPage(exchange: Exchange, status: number): ErrorPage | undefined {
  const { location, elsewhere, denied } = exchange;
  const { own, everywhere } = location.settings.customHttpErrors;
  if (!elsewhere && !denied) {
    const signin = signsIn(location);
    if (signin && status === 401) return "sign-in";
    if (own.size > 0 || signin) return own.has(status) ? "own" : undefined;
  }
  return everywhere.has(status) && !hasPage(exchange) ? "everywhere" : undefined;
}

/** auth-tls-error-page is a page of the server's own. */
function hasPage({ server, world }: Exchange): boolean {
  const asked = server.clientCertificates && askedCertificate(server, world.secret.bind(world));
  return asked !== undefined && !("closed" in asked) && asked.ca !== undefined && asked.settings.errorPage !== "";
}

/** auth-signin, where authentication is asked for at all. */
function signsIn({ settings, served }: Location): boolean {
  const { url, signin } = settings.externalAuth;
  return url !== "" && signin !== "" && !settings.access.openPrefixes.some((prefix) => served.startsWith(prefix));
}

/** Where auth-signin sends a client. */
export function signInUrl(exchange: Exchange): string {
  const { signin, signinParam } = exchange.location.settings.externalAuth;
  const url = expand(exchange, withTarget(signin, signinParam));
  const { scheme, host } = exchange.facts;
  return url.startsWith("/") ? `${scheme}://${host}${url}` : url;
}

/** The redirect to sign in, which is a location of its own: headers of the location it is for are not on it, but those of enable-cors. */
export function signIn(exchange: Exchange, refused: Answer): Answer {
  leave(exchange, "access-control-");
  const answer = redirect(302, signInUrl(exchange), `${refused.reason}: auth-signin`);
  return { ...answer, headers: [...answer.headers, ...challenge(refused.headers)], returned: true };
}

const challenge = (headers: readonly HeaderLine[]): readonly HeaderLine[] => headers.filter(([name]) => name === "WWW-Authenticate");

/** What an answer has beside its page, and keeps with another one. */
const kept = (headers: readonly HeaderLine[]): readonly HeaderLine[] => [
  ...challenge(headers),
  ...headers.filter(([name]) => name === "Location"),
];

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

/** What the client gets in place of an error. */
export type Replacement =
  | { readonly type: "sign-in" }
  /** A page of the controller's own. */
  | { readonly type: "answer"; readonly answer: Answer }
  | { readonly type: "service"; readonly backend: BackendRef; readonly peers: readonly Peer[] };

/** Undefined: the error stands. The Service is the annotation's, else the controller's, whichever has endpoints. */
export function replacement(exchange: Exchange, status: number, upstreams: Upstreams): Replacement | undefined {
  const wanted = errorPage(exchange, status);
  if (wanted === undefined || wanted === "sign-in") return wanted && { type: wanted };
  const refused = pageRefused(exchange);
  if (refused) return { type: "answer", answer: refused };
  for (const backend of [wanted === "own" ? annotatedBackend(exchange) : undefined, exchange.table.defaultBackend]) {
    const upstream = backend && upstreams.find(backend);
    if (backend && upstream?.type === "peers") return { type: "service", backend, peers: upstream.peers };
  }
  return { type: "answer", answer: page(404, "custom-http-errors, and there is no default backend") };
}

/** Whether another answer than the pod's is given for its status: proxy_intercept_errors, which is of proxy_pass alone. */
export function intercepted(exchange: Exchange, status: number): boolean {
  if (isGrpc(exchange) || isFastCgi(exchange) || exchange.location.settings.disableProxyInterceptErrors) return false;
  return errorPage(exchange, status) !== undefined;
}

/** What an error's Service learns of it; nothing of a location, where the server has answered. */
export function setErrorHeaders(exchange: Exchange, status: number): void {
  const { facts, elsewhere } = exchange;
  const location = elsewhere ? undefined : exchange.location;
  const [namespace = "", name = ""] = location?.owner?.split("/") ?? [];
  exchange.setUpstream("X-Code", String(status));
  exchange.setUpstream("X-Format", facts.headers.accept ?? "");
  exchange.setUpstream("X-Namespace", namespace);
  exchange.setUpstream("X-Ingress-Name", name);
  exchange.setUpstream("X-Service-Name", location?.told?.service ?? "");
  exchange.setUpstream("X-Service-Port", location?.told?.port ?? "");
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

/** Path and query of a request for the page of an error. */
export const errorTarget = ({ uri: { args } }: Exchange): string => (args === "" ? "/" : `/?${args}`);

/** The request for the page of an error: of the headers for pods it has only these. A challenge and a Location stay on the answer. */
export function errorRequest(exchange: Exchange, { status, headers }: Pick<Answer, "status" | "headers">): void {
  exchange.upstreamHeaders.clear();
  exchange.upstreamAdded.length = 0;
  for (const name of CLIENTS) exchange.setUpstream(name, headerText(exchange, name.toLowerCase()));
  exchange.upstreamTarget = errorTarget(exchange);
  exchange.setUpstream("X-Forwarded-For", exchange.facts.clientIp);
  setErrorHeaders(exchange, status);
  exchange.setUpstream("X-Original-URI", exchange.facts.target);
  leave(exchange);
  addAll(exchange);
  exchange.addedHeaders.push(...kept(headers));
  exchange.authCookie = undefined;
}

/** The page's location has no ranges of its own, so block-cidrs counts for it. */
function pageRefused({ facts, table }: Exchange): Answer | undefined {
  const blocked = table.config.text("block-cidrs");
  return blocked !== "" && inAny(cidrsOf(blocked), facts.clientIp) ? page(403, `${facts.clientIp} is in block-cidrs`) : undefined;
}

/** Headers that steps set on answers stay behind, but those whose names begin so. */
function leave(exchange: Exchange, kept?: string): void {
  exchange.elsewhere = true;
  for (const name of exchange.responseHeaders.keys())
    if ((kept === undefined || !name.startsWith(kept)) && !name.startsWith("x-loopkube-")) exchange.responseHeaders.delete(name);
}
