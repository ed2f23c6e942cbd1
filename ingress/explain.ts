// Why a request is answered as it is: the same evaluation as when it is served, with notes and without a network.
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../model/clock.ts";
import type { Ingress } from "../model/kinds/networking-v1.ts";
import { compareText } from "../model/text.ts";
import type { Random } from "../model/random.ts";
import { stickiness } from "./annotations/affinity.ts";
import { Balance } from "./balance.ts";
import { type Decision, evaluate } from "./evaluate.ts";
import { errorBackend, errorPage } from "./error-pages.ts";
import type { Exchange, RequestFacts, World } from "./exchange.ts";
import { explainListener } from "./explain-listener.ts";
import { hostName } from "./match.ts";
import { type NoteStep, Notes } from "./notes.ts";
import { parseTarget } from "./request-path.ts";
import type { Upstreams } from "./upstreams.ts";
import type { RoutesFeed } from "./routes-feed.ts";

export interface ExplainedRequest {
  readonly method: string;
  readonly url: URL;
  /** Path and query as they go on the wire; the URL's own when left out. */
  readonly target?: string;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly clientIp: string;
}

export interface ExplainParts {
  readonly feed: RoutesFeed;
  readonly clock: Clock;
  readonly random: Random;
  /** An Ingress by `namespace/name`. */
  ingress(owner: string): Ingress | undefined;
}

/** The steps from class to answer, and where the request goes. */
export async function explainRequest(
  parts: ExplainParts,
  request: ExplainedRequest,
): Promise<{ readonly steps: readonly NoteStep[]; readonly decision: Decision | undefined }> {
  const { feed, clock, random } = parts;
  const { table, upstreams } = feed;
  const { url, headers } = request;
  const scheme = url.protocol === "https:" ? "https" : "http";
  const hostHeader = headers.host ?? url.host;
  const target = request.target ?? `${url.pathname}${url.search}`;
  const parsed = parseTarget(target);
  const notes = new Notes();
  const host = hostName(hostHeader);
  notes.begin("class");
  classNotes(parts, host, notes);
  notes.begin("listener");
  const listener = explainListener(feed, { scheme, serverName: url.hostname, headers, clientIp: request.clientIp }, notes);
  if (!listener) return { steps: notes.steps, decision: undefined };
  if (!parsed) {
    notes.begin("answer");
    notes.push(`answers 400: request target ${target} is malformed`);
    return { steps: notes.steps, decision: undefined };
  }
  if (request.method === "TRACE" || request.method === "CONNECT") {
    notes.begin("answer");
    notes.push(`answers 405: ${request.method} is not allowed`);
    return { steps: notes.steps, decision: undefined };
  }
  const length = headers["content-length"];
  const facts: RequestFacts = {
    method: request.method,
    scheme,
    target,
    parsed,
    httpVersion: "1.1",
    hostHeader,
    host,
    headers,
    peerPort: 0,
    ...listener,
    sni: url.hostname,
    contentLength: length === undefined ? undefined : Number(length),
  };
  const world: World = {
    pod: { name: "", ip: "" },
    clock,
    random,
    secret: (key) => feed.secret(key),
    configMap: (key) => feed.configMap(key),
    state: (_key, create) => create(),
    request: async (asked) => {
      notes.push(`would ask ${asked}; 200 is assumed`);
      return { status: 200, headers: [], body: "" };
    },
    onEnd: () => {},
  };
  const decision = await evaluate(facts, table, upstreams, world, notes);
  if (decision.type === "forward") forwardNotes(decision, random, notes);
  notes.begin("answer");
  if (decision.type === "answer") {
    const location = decision.answer.headers.find(([name]) => name === "Location")?.[1];
    notes.push(`answers ${decision.answer.status}: ${decision.answer.reason}${location === undefined ? "" : ` (Location: ${location})`}`);
    if (decision.exchange) errorPageNote(decision.exchange, decision.answer.status, upstreams, notes);
  } else notes.push(`the pod sees ${facts.method} ${decision.exchange.upstreamTarget}, and its answer is passed on`);
  return { steps: notes.steps, decision };
}

/** Who gives another answer in place of an error. */
function errorPageNote(exchange: Exchange, status: number, upstreams: Upstreams, notes: Notes): void {
  const wanted = errorPage(exchange, status);
  if (wanted === undefined || wanted === "sign-in") return;
  const backend = errorBackend(exchange, wanted, upstreams);
  notes.push(
    `custom-http-errors has ${status}: ${backend ? `Service ${backend.namespace}/${backend.service} answers in its place` : "without a default backend it becomes 404"}`,
  );
}

/** Ingresses of this host that do not count; of the others, how many do. */
function classNotes({ feed, ingress }: ExplainParts, host: string, notes: Notes): void {
  const { counted, ignored } = feed.table;
  notes.push(`${counted.length} Ingress${counted.length === 1 ? " counts" : "es count"} for ${feed.flags.controllerClass}`);
  for (const [owner, reason] of [...ignored].sort(([a], [b]) => compareText(a, b))) {
    const rules = ingress(owner)?.spec.rules ?? [];
    const named = rules.length === 0 || rules.some((rule) => (rule.host ?? "") === "" || covers(rule.host?.toLowerCase() ?? "", host));
    if (named) notes.push(`Ingress ${owner} is ignored: ${reason}`);
  }
}

const covers = (rule: string, host: string): boolean =>
  rule === host || (rule.startsWith("*.") && host.includes(".") && host.slice(host.indexOf(".")) === rule.slice(1));

function forwardNotes({ exchange, peers, balance, backend }: Extract<Decision, { type: "forward" }>, random: Random, notes: Notes): void {
  const policy = exchange.table.policies.get(backend.upstream);
  const { upstreamHashBy, loadBalance } = policy ?? balance;
  const hashBy = upstreamHashBy.expression;
  const affinity = stickiness(exchange);
  const { proxyNextUpstream, proxyTimeouts } = exchange.location.settings;
  notes.begin("balancer");
  const among = peers.map((peer) => peer.id).join(", ");
  const fixed = affinity !== undefined || hashBy !== "";
  if (affinity) notes.push(`affinity: cookie ${affinity.name}, ${affinity.mode}, among ${among}`);
  else
    notes.push(
      `balancer ${hashBy === "" ? loadBalance : `hash of ${hashBy}`} among ${among}${policy ? `, as ${policy.owner} says, which names the Service first` : ""}`,
    );
  const before = exchange.addedHeaders.length;
  const peer = fixed ? new Balance(random).pick(backend.upstream, peers, balance, exchange, new Set()) : undefined;
  const fresh = exchange.addedHeaders.length > before;
  if (peer) notes.push(fresh ? `no cookie of this upstream was sent: any of them, and Set-Cookie` : `leads to ${peer.id}`);
  notes.begin("tries");
  const conditions = [...proxyNextUpstream.conditions].join(", ");
  const tries = proxyNextUpstream.tries === 0 ? "any number" : String(proxyNextUpstream.tries);
  notes.push(
    `up to ${tries} when ${conditions}; 502 when refused or reset, 504 after ${proxyTimeouts.connectMs / 1000} s of connecting or ${proxyTimeouts.readMs / 1000} s without a byte`,
  );
  if (["POST", "LOCK", "PATCH"].includes(exchange.facts.method) && !proxyNextUpstream.conditions.has("non_idempotent"))
    notes.push(`${exchange.facts.method} is not sent again once a pod may have seen it`);
}
