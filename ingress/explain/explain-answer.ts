// How an explained request ends: who answers in the end, with which status, and what follows from what a pod may say.
import { type Answer, page } from "../request/answer.ts";
import { errorTarget, intercepted, type Replacement, replacement, signInUrl } from "../request/error-pages.ts";
import type { Decision } from "../request/evaluate.ts";
import type { Exchange } from "../request/exchange.ts";
import { nextUpstream, timeoutsOf } from "../request/next-upstream.ts";
import type { Notes } from "./notes.ts";
import { upgradeOf } from "../request/request-facts.ts";
import type { Upstreams } from "../routes/upstreams.ts";

/** `podStatus`: without one, what follows from each status that is not passed on. */
export function answerNotes(decision: Decision, podStatus: number | undefined, upstreams: Upstreams, notes: Notes): void {
  if (decision.type === "answer") return notes.push(ownAnswer(decision.answer, decision.exchange, upstreams));
  const { exchange } = decision;
  const { connectMs, readMs } = timeoutsOf(exchange);
  if (connectMs === 0 || readMs === 0) {
    const name = connectMs === 0 ? "proxy-connect-timeout" : "proxy-read-timeout";
    return notes.push(ownAnswer(page(504, `${name} is 0: no pod is in time`), exchange, upstreams));
  }
  notes.push(`the pod sees ${exchange.facts.method} ${exchange.upstreamTarget}`);
  if (podStatus !== undefined) {
    if (nextUpstream(exchange).conditions.has(`http_${podStatus}`)) notes.push(`every pod that is tried is taken to say ${podStatus}`);
    const answer = page(podStatus, `the pod says ${podStatus}`);
    return notes.push(intercepted(exchange, podStatus) ? ownAnswer(answer, exchange, upstreams) : `answers ${podStatus}, as the pod says`);
  }
  notes.push(`its answer is passed on${upgradeOf(exchange.facts) === undefined ? "" : ", and with 101 client and pod are joined"}`);
  const { customHttpErrors, disableProxyInterceptErrors } = exchange.location.settings;
  const named = [401, ...customHttpErrors.own, ...customHttpErrors.everywhere];
  const kept = named.filter((status) => intercepted(exchange, status));
  for (const line of consequences(exchange, kept, upstreams)) notes.push(`but when it says ${line}`);
  for (const line of consequences(exchange, [502, 504], upstreams)) notes.push(`when no pod answers, of ${line}`);
  if (disableProxyInterceptErrors && named.length > 1)
    notes.push("disable-proxy-intercept-errors: custom-http-errors are for the controller's own errors alone");
}

/** `404, 503: what follows`, those together that have the same in their place. */
function consequences(exchange: Exchange, statuses: readonly number[], upstreams: Upstreams): readonly string[] {
  const byText = new Map<string, number[]>();
  for (const status of new Set(statuses.toSorted((a, b) => a - b))) {
    const instead = replacement(exchange, status, upstreams);
    const text = instead && replacementText(instead, exchange);
    if (text !== undefined) byText.set(text, [...(byText.get(text) ?? []), status]);
  }
  return [...byText].map(([text, of]) => `${of.join(", ")}: ${text}`);
}

function replacementText(instead: Replacement, exchange: Exchange): string {
  switch (instead.type) {
    case "sign-in":
      return `answers 302, as auth-signin says (Location: ${signInUrl(exchange)})`;
    case "answer":
      return `answers ${instead.answer.status}: ${instead.answer.reason}`;
    case "service": {
      const { namespace, service } = instead.backend;
      return `Service ${namespace}/${service} answers instead, as custom-http-errors says, asked for ${errorTarget(exchange)}`;
    }
  }
}

/** What the client gets for an answer of the controller's own: of one that has another in its place `cause` tells first. */
export function ownAnswer(
  { status, reason, headers }: Answer,
  exchange: Exchange | undefined,
  upstreams: Upstreams,
  cause = `${status}, ${reason}: `,
): string {
  const instead = exchange && replacement(exchange, status, upstreams);
  if (exchange && instead) return cause + replacementText(instead, exchange);
  const location = headers.find(([name]) => name === "Location")?.[1];
  return `answers ${status}: ${reason}${location === undefined ? "" : ` (Location: ${location})`}`;
}
