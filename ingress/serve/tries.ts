// Peers are asked one after another until one answers. Upstream: ngx_http_upstream_next.
import type { Clock } from "../../model/clock.ts";
import { type Balance, NO_PEER } from "../request/balance.ts";
import {
  type Forward,
  type ForwardBody,
  type ForwardClient,
  type ForwardRequest,
  type ForwardResponse,
  UpstreamError,
  upstreamError,
} from "../engine/forward.ts";
import { isFastCgi, isGrpc, nextUpstream } from "../request/next-upstream.ts";
import { upgradeOf } from "../request/request-facts.ts";
import { type Forwarding, podRequest } from "./pod-request.ts";
import { answeredTry } from "./request-end.ts";

/** One for each way to speak to a pod; `own` where the client speaks HTTP/2. */
export interface Engines {
  readonly memory: Forward;
  readonly own: Forward;
  readonly http2: Forward;
  readonly fastcgi: Forward;
  readonly upgrades: Forward;
}

export interface TryParts {
  readonly engines: Engines;
  readonly balance: Balance;
  readonly clock: Clock;
}

/** Requests sent to pods, those on kept connections that turn out closed among them, before one is given up. */
const MOST_ROUNDS = 64;

/** The answer of the first peer that gives one: others are asked while proxy-next-upstream's conditions hold. */
export async function tryPeers(
  { engines, balance: balances, clock }: TryParts,
  client: ForwardClient,
  decision: Forwarding,
  body: ForwardBody,
): Promise<ForwardResponse | UpstreamError> {
  const { exchange, peers, balance, backend } = decision;
  const startedAt = clock.monotonic();
  const tried = new Set<string>();
  const { request, signal } = client;
  const upgrade = decision.error === true || request.httpVersionMajor >= 2 ? undefined : upgradeOf(request);
  const plain = request.httpVersionMajor >= 2 ? engines.own : upgrade === undefined ? engines.memory : engines.upgrades;
  // The pages of errors come over HTTP.
  const special =
    decision.error === true ? undefined : isFastCgi(exchange) ? engines.fastcgi : isGrpc(exchange) ? engines.http2 : undefined;
  const engine: Forward = special ?? plain;
  const { conditions, timeoutMs, tries: most, idempotent } = nextUpstream(exchange, decision.error);
  const limit = most === 0 ? Infinity : most;
  const unsent = body.type !== "stream";
  const inTime = (): boolean => timeoutMs === 0 || clock.monotonic() - startedAt < timeoutMs;
  for (let tries = 0, rounds = 1; ; rounds++) {
    const peer = balances.pick(backend.upstream, peers, balance, exchange, tried);
    if (!peer) {
      exchange.record?.beginNowhere(clock.monotonic());
      return new UpstreamError("error", NO_PEER, { requestSent: false });
    }
    tried.add(peer.id);
    const tryAt = clock.monotonic();
    const asked = exchange.record?.begin(peer.id, tryAt);
    try {
      const answer = await sendToPod(engine, client, podRequest(request, decision, peer, body, upgrade));
      if (asked) {
        asked.connectedAt = answer.connectedAt;
        answeredTry(asked, answer.status, answer.rawHeaders, clock.monotonic());
      }
      // http_503 and the like: the answer is not passed on while another peer may be asked.
      if (conditions.has(`http_${answer.status}`) && idempotent && unsent && tries + 1 < limit && rounds < MOST_ROUNDS && inTime()) {
        tries++;
        answer.abort();
        if (asked) asked.endedAt = clock.monotonic();
        exchange.notes?.push(`${peer.id} answered ${answer.status}: the next is asked, as proxy-next-upstream says`);
        continue;
      }
      exchange.notes?.push(`${peer.id} answered ${answer.status} after ${Math.round(clock.monotonic() - tryAt)} ms`);
      // Told to who asks, as the gateway does: `loopkube load` counts pods by it.
      if (exchange.facts.headers["x-loopkube-endpoint"] === "tell") exchange.setResponse("X-Loopkube-Endpoint", peer.id);
      answer.onClosed(() => {
        const now = clock.monotonic();
        if (asked) asked.endedAt = now;
        balances.closed(backend.upstream, peer, now - tryAt + answer.connectedAt - tryAt, now);
      });
      return answer;
    } catch (error) {
      const now = clock.monotonic();
      const failure = upstreamError(error, { requestSent: true });
      if (asked) {
        asked.endedAt = now;
        asked.status = signal.aborted ? 0 : failure.status;
      }
      exchange.notes?.push(`${peer.id} failed (${failure.failure}): ${failure.message}`);
      // A kept connection that the pod has closed meanwhile costs no try.
      if (failure.reused && failure.failure === "error") {
        tried.delete(peer.id);
        if (asked && !signal.aborted) exchange.record?.forget(asked);
      } else tries++;
      const allowed = conditions.has(failure.failure) && (idempotent || !failure.requestSent);
      // As upstream's balancer does, a lone peer is tried again.
      if (signal.aborted || !allowed || !inTime() || !unsent || tries >= limit || rounds >= MOST_ROUNDS) {
        balances.closed(backend.upstream, peer, now - tryAt, now);
        return failure;
      }
    }
  }
}

/** nginx's timers of 0 s go off before a pod has said anything: proxy-connect-timeout and proxy-read-timeout 0 are no lack of a limit. */
async function sendToPod(engine: Forward, client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
  if (request.connectTimeoutMs === 0) throw new UpstreamError("timeout", "proxy-connect-timeout is 0", { requestSent: false });
  const answer = await engine.send(client, request);
  if (request.readTimeoutMs > 0 && !codedTwice(answer.rawHeaders)) return answer;
  answer.abort();
  if (request.readTimeoutMs > 0)
    throw new UpstreamError("invalid_header", 'upstream sent duplicate header line: "Transfer-Encoding"', { requestSent: true });
  throw new UpstreamError("timeout", "proxy-read-timeout is 0", { requestSent: true });
}

/** What a program does that says Transfer-Encoding itself, beside its server (nginx since 1.23). */
function codedTwice(rawHeaders: readonly string[]): boolean {
  let lines = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.length === 17 && name.toLowerCase() === "transfer-encoding") lines++;
  }
  return lines > 1;
}
