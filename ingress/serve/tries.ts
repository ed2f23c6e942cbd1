// Peers are asked one after another until one answers. Upstream: ngx_http_upstream_next.
import type { Clock } from "../../model/clock.ts";
import { type Balance, NO_PEER } from "../balance.ts";
import {
  type Forward,
  type ForwardBody,
  type ForwardClient,
  type ForwardResponse,
  UpstreamError,
  upstreamError,
} from "../engine/forward.ts";
import { isFastCgi, isGrpc, nextUpstream } from "../next-upstream.ts";
import { type Forwarding, podRequest } from "./pod-request.ts";
import { answeredTry } from "./request-end.ts";

/** One for each way to speak to a pod; `own` where the client speaks HTTP/2. */
export interface Engines {
  readonly memory: Forward;
  readonly own: Forward;
  readonly http2: Forward;
  readonly fastcgi: Forward;
}

export interface TryParts {
  readonly engines: Engines;
  readonly balance: Balance;
  readonly clock: Clock;
}

/** Kept connections that turn out closed, before a request is given up. */
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
  const plain = request.httpVersionMajor >= 2 ? engines.own : engines.memory;
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
      const answer = await engine.send(client, podRequest(request, decision, peer, body, undefined));
      if (asked) {
        asked.connectedAt = answer.connectedAt;
        answeredTry(asked, answer.status, answer.rawHeaders, clock.monotonic());
      }
      // http_503 and the like: the answer is not passed on while another peer may be asked.
      if (conditions.has(`http_${answer.status}`) && idempotent && unsent && tries + 1 < limit && inTime()) {
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
