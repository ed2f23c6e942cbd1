// What happens to a request before it is sent anywhere: server, location, phases, upstream. The same code serves and explains.
// Upstream: nginx's phase engine as the template fills it; facts in the order of docs/fidelity.md's phase table.
import { type Answer, page, redirect } from "./answer.ts";
import { belongsTo, stickiness, stickyCookie } from "../annotations/affinity.ts";
import { canaryDecision } from "../annotations/canary.ts";
import { blockedClient } from "./blocked-clients.ts";
import type { Settings } from "../annotations/index.ts";
import { clientCertificateAnswer, misdirected, withAskedCertificate } from "./client-certificate-check.ts";
import type { ControllerConfig } from "../config.ts";
import { annotatedBackend, setErrorHeaders } from "./error-pages.ts";
import { ownPage } from "./own-pages.ts";
import { absoluteRedirect, Exchange, type RequestFacts, type World } from "./exchange.ts";
import { coversName } from "../tls/certificates.ts";
import { certificateFor, findLocation, findServer, locationText } from "./match.ts";
import type { Notes } from "../explain/notes.ts";
import { tellForwardedFor } from "../proxy-protocol-header.ts";
import { escapePath, parseTarget } from "./request-path.ts";
import type { Step } from "../annotations/annotation.ts";
import { expand } from "./variables.ts";
import {
  type Alternative,
  type BackendRef,
  type Location,
  type Phase,
  PHASES,
  type RouteTable,
  type Server,
} from "../routes/route-table.ts";
import type { Peer, Upstreams } from "../routes/upstreams.ts";

export type Decision =
  /** The controller answers itself. */
  | { readonly type: "answer"; readonly answer: Answer; readonly exchange: Exchange | undefined }
  | {
      readonly type: "forward";
      readonly exchange: Exchange;
      readonly backend: BackendRef;
      readonly peers: readonly Peer[];
      /** Settings that choose the peer: the canary's when it was chosen. */
      readonly balance: Settings;
      readonly alternative: Alternative | undefined;
    };

/** Resolves at once unless a step asks the network. `notes` gathers reasons. */
export function evaluate(
  arrived: RequestFacts,
  table: RouteTable,
  upstreams: Upstreams,
  world: World,
  notes?: Notes,
): Decision | Promise<Decision> {
  const facts = arrived.certificate ? withAskedCertificate(arrived, table, world) : arrived;
  const server = findServer(table, facts.host);
  if (notes) serverNotes(facts, server, table, notes);
  const alone = (answer: Answer): Decision => ({ type: "answer", answer, exchange: undefined });
  if (server.redirectTo !== undefined)
    return alone(blockedClient(facts, table.config) ?? toOtherHost(facts, server.redirectTo, table.config));
  const elsewhere = misdirected(facts, server, table, world);
  if (elsewhere) return alone(elsewhere);
  const uncertified = clientCertificateAnswer(facts, server, world);
  if (uncertified && "status" in uncertified) return alone(uncertified);
  if (uncertified) {
    notes?.push(`${uncertified.reason}: auth-tls-error-page ${uncertified.path} is served instead`);
    return locate(redirected(facts, uncertified.path), table, server, upstreams, world, notes);
  }
  return locate(facts, table, server, upstreams, world, notes);
}

/** X-Accel-Redirect of a pod's answer: another path of the same server answers. */
export function redirectInside(
  { facts, table, server, world, notes }: Exchange,
  path: string,
  upstreams: Upstreams,
): Decision | Promise<Decision> {
  const inside = redirected(facts, path);
  notes?.push(`X-Accel-Redirect: ${path} answers instead`);
  return inside === facts
    ? { type: "answer", answer: page(404, `X-Accel-Redirect to ${path}, which is no path`), exchange: undefined }
    : locate(inside, table, server, upstreams, world, notes);
}

/** The request of an internal redirect: another path, and no method but GET and HEAD. */
function redirected(facts: RequestFacts, path: string): RequestFacts {
  const parsed = parseTarget(path);
  return parsed ? { ...facts, parsed, method: facts.method === "HEAD" ? "HEAD" : "GET" } : facts;
}

/** From the server's rewrites to the answer. */
function locate(
  facts: RequestFacts,
  table: RouteTable,
  server: Server,
  upstreams: Upstreams,
  world: World,
  notes: Notes | undefined,
): Decision | Promise<Decision> {
  const alone = (answer: Answer): Decision => ({ type: "answer", answer, exchange: undefined });
  const blocked = blockedClient(facts, table.config);
  if (server.appRoot && facts.parsed.path === "/" && !blocked) {
    const { owner = "", settings } = server.appRoot;
    const target = expand(new Exchange(facts, table, server, server.appRoot, world), settings.appRoot);
    const url = `${facts.scheme}://${facts.hostHeader ?? facts.host}${target}`;
    return alone({ ...redirect(302, url, `app-root of ${owner} sends / to ${target}`), returned: true });
  }
  notes?.begin("location");
  let match = findLocation(server, facts.parsed.path, notes);
  // The server answers, not the location: the only page of an error that it has is the ConfigMap's.
  if (blocked && !("location" in match && match.location.settings.customHttpErrors.everywhere.has(blocked.status))) return alone(blocked);
  if (match.type === "failed") return alone(page(500, match.reason));
  const own = server === table.fallback && !blocked ? ownPage(facts.parsed.path, match, table) : undefined;
  if (own) return alone(own);
  if (match.type === "none") return alone(page(404, `server ${server.host} has no location for ${facts.parsed.path}`));
  let exchange = new Exchange(facts, table, server, match.location, world, notes);
  const answered = (answer: Answer): Decision => ({ type: "answer", answer, exchange });
  if (blocked) {
    exchange.elsewhere = true;
    return answered(blocked);
  }
  let denied = denial(exchange);
  if (denied && match.type === "slash") {
    // Nothing is proxied there, and so nothing redirects to it.
    match = findLocation(server, facts.parsed.path, notes, "without redirects");
    if (!("location" in match)) return alone(page(404, `server ${server.host} has no location for ${facts.parsed.path}`));
    exchange = new Exchange(facts, table, server, match.location, world, notes);
    denied = denial(exchange);
  }
  const limit = denied ? DENIED_BODY_SIZE : match.location.settings.proxyBodySize;
  if (limit > 0 && facts.contentLength !== undefined && facts.contentLength > limit)
    return answered(page(413, `body of ${facts.contentLength} bytes is over proxy-body-size ${limit}`, []));
  if (denied) return answered(denied);
  if (match.type === "slash") {
    const query = facts.parsed.query === undefined ? "" : `?${facts.parsed.query}`;
    return answered(
      redirect(
        301,
        absoluteRedirect(exchange, `${escapePath(facts.parsed.path)}/${query}`),
        `${locationText(match.location)} ends in a slash that ${facts.parsed.path} lacks`,
      ),
    );
  }
  return runPhases(exchange, upstreams);
}

/** nginx's own client_max_body_size: a denied location has none of its Ingress. */
const DENIED_BODY_SIZE = 1024 * 1024;

/** Why the location answers nothing but 503; else its headers for every answer are set. */
function denial(exchange: Exchange): Answer | undefined {
  const { denied, steps } = exchange.location;
  let answer = denied === undefined ? undefined : page(503, `location denied: ${denied}`);
  for (const step of steps.location) {
    if (answer) break;
    const said = exchange.notes?.count ?? 0;
    const found = step.run(exchange);
    if (found instanceof Promise) continue;
    if (exchange.notes) stepNote(exchange, step, found, said);
    answer = found;
  }
  if (!answer) return undefined;
  exchange.denied = true;
  exchange.responseHeaders.clear();
  return answer;
}

function runPhases(exchange: Exchange, upstreams: Upstreams): Decision | Promise<Decision> {
  tellForwardedFor(exchange);
  exchange.notes?.begin("rewrite phase");
  const answered = (answer: Answer): Decision => ({ type: "answer", answer, exchange });
  const rewritten = runSteps(exchange, "rewrite");
  if (rewritten instanceof Promise) return rewritten.then((answer) => (answer ? answered(answer) : afterRewrite(exchange, upstreams)));
  return rewritten ? answered(rewritten) : afterRewrite(exchange, upstreams);
}

function afterRewrite(exchange: Exchange, upstreams: Upstreams): Decision | Promise<Decision> {
  const answered = (answer: Answer): Decision => ({ type: "answer", answer, exchange });
  exchange.notes?.begin("https redirect");
  const secured = httpsRedirect(exchange);
  if (secured) return answered(secured);
  exchange.notes?.begin("upstream");
  const target = chooseUpstream(exchange, upstreams);
  // Without an endpoint Lua answers at once; the built-in default backend is a backend as any other, behind the access phases.
  if (target.type === "answer" && !isDefaultBackend(exchange)) return target;
  const rest = PHASES.filter((phase) => phase !== "location" && phase !== "rewrite");
  exchange.notes?.begin("access phases");
  const run = (from: number): Decision | Promise<Decision> => {
    for (let i = from; i < rest.length; i++) {
      const phase = rest[i];
      const answer = phase && runSteps(exchange, phase);
      if (answer instanceof Promise) return answer.then((value) => (value ? answered(value) : run(i + 1)));
      if (answer) return answered(answer);
    }
    return target;
  };
  return run(0);
}

/** Stops at the first step that answers. */
function runSteps(exchange: Exchange, phase: Phase, from = 0): Answer | undefined | Promise<Answer | undefined> {
  const steps = exchange.location.steps[phase];
  for (let i = from; i < steps.length; i++) {
    const step = steps[i];
    if (!step) continue;
    const said = exchange.notes?.count ?? 0;
    const answer = step.run(exchange);
    if (answer instanceof Promise) {
      return answer.then((value) => {
        if (exchange.notes) stepNote(exchange, step, value, said);
        return value ?? runSteps(exchange, phase, i + 1);
      });
    }
    if (exchange.notes) stepNote(exchange, step, answer, said);
    if (answer) return answer;
  }
  return undefined;
}

/** What the step has not said itself. `said`: lines before it. */
function stepNote(exchange: Exchange, { phase, annotation }: Step, answer: Answer | undefined, said: number): void {
  const who = `${phase}: ${annotation} of ${exchange.location.owner ?? "the ConfigMap"}`;
  if (answer) exchange.note(`${who} answers ${answer.status}`);
  else if (phase === "content") exchange.note(`${who} applies`);
  else if (phase !== "rewrite" || exchange.notes?.count === said) exchange.note(`${who} lets it pass`);
}

/** Lua's rewrite: ssl-redirect when a certificate entry exists for the host, force-ssl-redirect always. */
function httpsRedirect(exchange: Exchange): Answer | undefined {
  const { location, facts, table, server } = exchange;
  const { sslRedirect, usePortInRedirects } = location.settings;
  const certificate = sslRedirect.redirect
    ? certificateFor(table, facts.host, (found, name) => coversName(table, (key) => exchange.world.secret(key), found, name))
    : undefined;
  const wanted = sslRedirect.force || certificate !== undefined;
  if (!wanted || exchange.scheme !== "http") {
    if (exchange.notes) notRedirected(exchange);
    return undefined;
  }
  const excluded = excludedFromTls(location, table.config);
  if (excluded) {
    exchange.note(`none: path ${location.path} is among no-tls-redirect-locations`);
    return undefined;
  }
  if (exchange.notes && facts.headers["x-forwarded-proto"] === "https")
    exchange.note("X-Forwarded-Proto: https is not trusted: use-forwarded-headers is false in the ConfigMap");
  const why = sslRedirect.force ? "force-ssl-redirect" : `ssl-redirect: ${certificate?.owner ?? ""} has a tls section for ${server.host}`;
  const uri = sslRedirect.preserveTrailingSlash || !facts.target.endsWith("/") ? facts.target : facts.target.slice(0, -1);
  const port = usePortInRedirects ? `:${table.flags.httpsPort}` : "";
  const [host = ""] = exchange.bestHost.split(":");
  return redirect(redirectCode(table.config), `https://${host}${port}${uri}`, why);
}

/** no-tls-redirect-locations */
export const excludedFromTls = ({ served }: Location, config: ControllerConfig): boolean =>
  config.list("no-tls-redirect-locations", "/.well-known/acme-challenge").some((prefix) => served.startsWith(prefix));

function notRedirected({ location, server, scheme, notes }: Exchange): void {
  const { force, redirect } = location.settings.sslRedirect;
  if (scheme !== "http") notes?.push(`none: the request came by ${scheme}`);
  else if (!force && !redirect) notes?.push("none: ssl-redirect is false");
  else if (!server.certificate) notes?.push(`none: no tls section names ${server.host}, and force-ssl-redirect is not set`);
}

const isDefaultBackend = ({ location }: Exchange): boolean => !location.backend;

function chooseUpstream(exchange: Exchange, upstreams: Upstreams): Decision {
  const { location, table } = exchange;
  const backend = location.backend ?? controllersBackend(table, upstreams);
  const answered = (answer: Answer): Decision => ({ type: "answer", answer, exchange });
  if (!backend)
    return answered(page(404, `the default backend answers: no rule of ${exchange.server.host} has ${exchange.facts.parsed.path}`));
  const peersOf = (of: BackendRef): ReturnType<Upstreams["find"]> =>
    upstreams.find(of, table.policies.get(of.upstream)?.serviceUpstream ?? false);
  const alternative = table.alternatives.get(backend.upstream);
  // A canary is asked for by the balancer of its main upstream, which is there while that has endpoints.
  const main = alternative && peersOf(backend);
  if (main?.type === "none" && !annotatedBackend(exchange)) return withoutPeers(exchange, backend, main.reason, upstreams);
  const chosen = alternative && canaryChosen(exchange, alternative, upstreams);
  const used = chosen?.backend ?? backend;
  const upstream = peersOf(used);
  if (upstream.type === "none") return withoutPeers(exchange, used, upstream.reason, upstreams);
  exchange.note(
    `goes to Service ${used.namespace}/${used.service} port ${used.port}${location.owner === undefined ? "" : `, as Ingress ${location.owner} says`}`,
  );
  exchange.note(`upstream ${used.upstream}: ${upstream.peers.length} ready endpoint${upstream.peers.length === 1 ? "" : "s"}`);
  return {
    type: "forward",
    exchange,
    backend: used,
    peers: upstream.peers,
    balance: chosen?.settings ?? location.settings,
    alternative: chosen,
  };
}

/** --default-backend-service, while it has endpoints: else the 404 page answers. */
function controllersBackend({ defaultBackend }: RouteTable, upstreams: Upstreams): BackendRef | undefined {
  return defaultBackend && upstreams.find(defaultBackend).type === "peers" ? defaultBackend : undefined;
}

/** Nothing to send to: 503, or the default-backend annotation's Service with X-Code 503 and the path as it is. */
function withoutPeers(exchange: Exchange, backend: BackendRef, reason: string, upstreams: Upstreams): Decision {
  const other = annotatedBackend(exchange);
  const upstream = other && upstreams.find(other);
  if (!other || upstream?.type !== "peers") return { type: "answer", answer: page(503, reason), exchange };
  exchange.note(`${reason}: the default-backend annotation's Service ${other.service} answers instead of ${backend.service}`);
  setErrorHeaders(exchange, 503);
  return { type: "forward", exchange, backend: other, peers: upstream.peers, balance: exchange.location.settings, alternative: undefined };
}

function canaryChosen(exchange: Exchange, alternative: Alternative, upstreams: Upstreams): Alternative | undefined {
  const decision = stickyDecision(exchange, alternative) ?? canaryDecision(alternative.canary, exchange);
  exchange.note(`canary ${alternative.owner}: ${decision.chosen ? "chosen" : "not chosen"}, ${decision.why}`);
  if (!decision.chosen) return undefined;
  return upstreams.find(alternative.backend).type === "none" ? undefined : alternative;
}

/** The affinity cookie of the main rule remembers which of the two upstreams gave it out. */
function stickyDecision(exchange: Exchange, alternative: Alternative): { readonly chosen: boolean; readonly why: string } | undefined {
  const affinity = stickiness(exchange);
  const sent = affinity && stickyCookie(affinity, exchange);
  if (!sent) return undefined;
  const main = exchange.location.backend;
  // Also with affinity-canary-behavior legacy: that only says whether the canary gives out cookies of its own.
  if (main && belongsTo(sent.backend, main.upstream))
    return { chosen: false, why: `cookie ${affinity.name} was given out by the main upstream` };
  const own = alternative.settings.affinity.canaryBehavior === "sticky" && belongsTo(sent.backend, alternative.backend.upstream);
  return own ? { chosen: true, why: `cookie ${affinity.name} was given out by the canary` } : undefined;
}

/** http-redirect-code */
export function redirectCode(config: ControllerConfig): number {
  const asked = config.decimal("http-redirect-code", 308);
  return [301, 302, 307, 308].includes(asked) ? asked : 308;
}

/** from-to-www: the port is always written. */
function toOtherHost(facts: RequestFacts, host: string, config: ControllerConfig): Answer {
  const forwarded = config.flag("use-forwarded-headers", false);
  const sent = (name: string): string | undefined => {
    const value = forwarded ? facts.headers[name] : undefined;
    return typeof value === "string" ? value : undefined;
  };
  const uri = facts.target.endsWith("/") ? facts.target.slice(0, -1) : facts.target;
  const url = `${sent("x-forwarded-proto") ?? facts.scheme}://${host}:${sent("x-forwarded-port") ?? facts.serverPort}${uri}`;
  return { ...redirect(redirectCode(config), url, `from-to-www-redirect sends ${facts.host} to ${host}`), returned: true };
}

function serverNotes(facts: RequestFacts, server: Server, table: RouteTable, notes: Notes): void {
  notes.begin("server");
  const asked = facts.host === "" ? "no Host" : `Host ${facts.host}`;
  notes.push(`${asked} is served by server ${server.host}${server.owners.length > 0 ? ` (${server.owners.join(", ")})` : ""}`);
  const other = findServer(table, `x${facts.host.slice(facts.host.indexOf("."))}`);
  if (server.host === facts.host && other !== table.fallback)
    notes.push(`the exact name beats server ${other.host}, and what has no location here does not fall through to it`);
  if (server === table.fallback) notes.push("no Ingress that counts names this host: the catch-all serves it");
  if (server.redirectTo !== undefined) return;
  notes.begin("matching");
  if (server.regexMode) {
    const { annotation, owner, path } = server.regexMode;
    notes.push(`regular expressions for the whole host, switched on by ${annotation} of ${owner} (path ${path})`);
    notes.push("every path is a prefix without regard to case, Exact included; the first in the order of length wins");
  } else notes.push("plain paths: Exact is equal, Prefix is whole elements; the longest wins");
  for (const { owner, path, winner, older } of server.conflicts)
    notes.push(`path ${path} of ${owner} is not used: ${winner} ${older ? "is older" : "is of the same second, and its name comes last"}`);
  const mains = new Map(
    server.locations.flatMap(({ owner, settings, backend }) => (settings.canary.enabled && backend ? [[owner, backend]] : [])),
  );
  for (const [owner, { namespace, service, upstream }] of mains) {
    const first = table.policies.get(upstream)?.owner;
    notes.push(
      `${owner} is no canary, though it says so: ${first} has its Service ${namespace}/${service} before, so its rules count as any other's`,
    );
  }
}
