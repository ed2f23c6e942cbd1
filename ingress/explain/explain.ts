// Why a request is answered as it is: the same code as when it is served, with notes and without a network.
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../../model/clock.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { ipFamily } from "../../model/ip.ts";
import type { Random } from "../../model/random.ts";
import { compareText } from "../../model/text.ts";
import { setsCookie, stuckPeer } from "../annotations/affinity.ts";
import { limitAnswers } from "../annotations/limits.ts";
import { Balance, choiceOf } from "../request/balance.ts";
import { type Decision, evaluate } from "../request/evaluate.ts";
import type { World } from "../request/exchange.ts";
import { explainListener } from "./explain-listener.ts";
import { answerNotes, ownAnswer } from "./explain-answer.ts";
import { hostName } from "../request/match.ts";
import { nextUpstream, timeoutsOf } from "../request/next-upstream.ts";
import { type NoteStep, Notes } from "./notes.ts";
import { isAnswer, type RequestHead, requestFacts } from "../request/request-facts.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

export interface ExplainedRequest {
  readonly method: string;
  readonly url: URL;
  /** Path and query as they go on the wire; the URL's own when left out. */
  readonly target?: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly clientIp: string;
  /** What the server of auth-url is taken to say; 200 when left out. */
  readonly authStatus?: number | undefined;
  /** What the pod is taken to say. */
  readonly podStatus?: number | undefined;
}

export interface ExplainParts {
  readonly feed: RoutesFeed;
  readonly clock: Clock;
  readonly random: Random;
  /** An Ingress by `namespace/name`. */
  ingress(owner: string): Ingress | undefined;
}

export type Forwarded = Extract<Decision, { type: "forward" }>;

export interface Explanation {
  readonly steps: readonly NoteStep[];
  /** Undefined: it goes to no pod. */
  readonly forwarded: Forwarded | undefined;
}

/** The steps from class to answer, and where the request goes. */
export async function explainRequest(parts: ExplainParts, request: ExplainedRequest): Promise<Explanation> {
  const { feed, random } = parts;
  const { table, upstreams } = feed;
  const { url, clientIp, authStatus } = request;
  const head = headOf(request);
  const notes = new Notes();
  notes.begin("class");
  classNotes(parts, hostName(head.headers.host), notes);
  notes.begin("listener");
  const scheme = url.protocol === "https:" ? "https" : "http";
  const arrival = explainListener(feed, { scheme, urlHost: url.hostname, headers: head.headers, clientIp }, notes);
  if (!arrival) return { steps: notes.steps, forwarded: undefined };
  const facts = requestFacts(head, arrival, table.config, table.flags);
  if (isAnswer(facts)) {
    notes.begin("answer");
    notes.push(ownAnswer(facts, undefined, upstreams));
    return { steps: notes.steps, forwarded: undefined };
  }
  const decide = (status: number, told?: Notes): [Promise<Decision>, Met] => {
    const met: Met = { auth: false, limits: false };
    return [Promise.resolve(evaluate(facts, table, upstreams, worldOf(parts, status, met, told), told)), met];
  };
  const [deciding, met] = decide(authStatus ?? 200, notes);
  const decision = await deciding;
  if (met.limits && decision.exchange)
    for (const answer of limitAnswers(decision.exchange))
      notes.push(`once limits are used up: ${ownAnswer(answer, decision.exchange, upstreams)}`);
  if (met.auth && authStatus === undefined) {
    for (const [says, status] of REFUSALS) {
      const other = await decide(status)[0];
      const then = other.type === "forward" ? "it goes on all the same" : ownAnswer(other.answer, other.exchange, upstreams, "");
      notes.push(`if auth-url says ${says}: ${then}`);
    }
  }
  if (decision.type === "forward") forwardNotes(decision, random, notes);
  notes.begin("answer");
  answerNotes(decision, request.podStatus, upstreams, notes);
  return { steps: notes.steps, forwarded: decision.type === "forward" ? decision : undefined };
}

/** What else the server of auth-url may say, and a status that stands for it. */
const REFUSALS = [
  ["401", 401],
  ["403", 403],
  ["anything else, or nothing", 500],
] as const;

/** The head that curl would send for a URL, method and header lines. */
function headOf({ method, url, target, headers: given }: ExplainedRequest): RequestHead {
  const lines = given.some(([name]) => name.toLowerCase() === "host") ? given : [["Host", url.host] as const, ...given];
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) {
    const lower = name.toLowerCase();
    const before = headers[lower];
    headers[lower] = before === undefined ? value : `${before}${lower === "cookie" ? "; " : ", "}${value}`;
  }
  return {
    method,
    url: target ?? `${url.pathname}${url.search}`,
    headers: headers as IncomingHttpHeaders,
    rawHeaders: lines.flat(),
    httpVersion: "1.1",
    httpVersionMajor: 1,
  };
}

/** What steps have turned to. */
interface Met {
  auth: boolean;
  limits: boolean;
}

/** Nothing is asked, counted or kept. */
function worldOf({ feed, clock, random }: ExplainParts, authStatus: number, met: Met, notes: Notes | undefined): World {
  return {
    pod: { name: "", ip: "" },
    clock,
    random,
    secret: (key) => feed.secret(key),
    configMap: (key) => feed.configMap(key),
    state(key, create) {
      if (key.startsWith("limit-")) met.limits = true;
      return create();
    },
    request: async (url) => {
      met.auth = true;
      notes?.push(`would ask ${url}; ${authStatus} is assumed`);
      return { status: authStatus, headers: [], body: "" };
    },
    onEnd: () => {},
  };
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

function forwardNotes({ exchange, peers, balance, backend: { upstream } }: Forwarded, random: Random, notes: Notes): void {
  notes.begin("balancer");
  const among = peers.map((peer) => peer.id).join(", ");
  const choice = choiceOf(upstream, balance, exchange);
  if (choice.type === "cookie") {
    const { affinity } = choice;
    notes.push(`affinity: cookie ${affinity.name}, ${affinity.mode || "balanced"}, among ${among}`);
    const stuck = stuckPeer(affinity, exchange, upstream, peers);
    const cookie = setsCookie(exchange) ? ", and Set-Cookie" : "; this location sets no cookie";
    notes.push(stuck ? `leads to ${stuck.id}` : `no cookie of this upstream was sent: any of them${cookie}`);
  } else {
    const owner = exchange.table.policies.get(upstream)?.owner;
    const how = choice.type === "hash" ? `hash of ${choice.expression}` : choice.type;
    notes.push(`balancer ${how} among ${among}${owner === undefined ? "" : `, as ${owner} says, which names the Service first`}`);
    if (choice.type === "hash") {
      const peer = new Balance(random).pick(upstream, peers, balance, exchange, new Set());
      if (choice.subsetSize !== undefined) notes.push(`the key leads to ${choice.subsetSize} of them, chance to one of these`);
      else if (peer) notes.push(`leads to ${peer.id}`);
    }
  }
  notes.begin("tries");
  const { conditions, tries, timeoutMs, idempotent } = nextUpstream(exchange);
  const { connectMs, readMs } = timeoutsOf(exchange);
  const when = [...conditions].filter((word) => word !== "non_idempotent").join(", ");
  const within = timeoutMs === 0 ? "" : ` within ${timeoutMs / 1000} s`;
  notes.push(
    when === ""
      ? "one: proxy-next-upstream is off"
      : `${tries === 0 ? "any number" : `up to ${tries}`}${within}: the next pod after ${when}`,
  );
  notes.push(`502 when the last is refused or reset, 504 after ${connectMs / 1000} s of connecting or ${readMs / 1000} s without a byte`);
  const names = peers.filter(({ host }) => !ipFamily(host)).map(({ host }) => host);
  if (names.length > 0) notes.push(`503 when DNS does not know ${names.join(", ")}`);
  if (!idempotent) notes.push(`${exchange.facts.method} is not sent again once a pod may have seen it`);
}
