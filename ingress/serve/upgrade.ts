// A request for another protocol on its connection: decided as any other, then the socket is joined with the pod's.
// Upstream: ngx_http_upstream_upgrade. Other pods are asked as for any request; a refusal of a pod is passed on.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { log } from "../../model/log.ts";
import { type Answer, page } from "../answer.ts";
import { type Balance, NO_PEER } from "../balance.ts";
import { type UpstreamError, upstreamError } from "../engine/forward.ts";
import type { HttpProxyEngine } from "../engine/http-proxy-engine.ts";
import { errorPage, signIn } from "../error-pages.ts";
import type { Decision } from "../evaluate.ts";
import type { Exchange, World } from "../exchange.ts";
import { addHsts } from "../headers.ts";
import { serverHeader } from "../server-header.ts";
import type { RequestRecord } from "../request-record.ts";
import type { Peer } from "../upstreams.ts";
import { type Forwarding, podRequest } from "./pod-request.ts";
import { answeredTry, endRequest, type EndParts, headOf } from "./request-end.ts";
import type { Arrival } from "../request-facts.ts";
import { responseOn, sendAnswer } from "./send-answer.ts";

export interface UpgradeParts extends EndParts {
  readonly http1: HttpProxyEngine;
}

export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly arrival: Arrival;
  readonly record: RequestRecord;
  decide(onEnd: World["onEnd"]): Decision | Promise<Decision>;
  /** The socket is closed. */
  onClose(): void;
}

const NOTHING = Buffer.alloc(0);

/** From the decision to the end of the connection. */
export function serveUpgrade(parts: UpgradeParts, balance: Balance, asking: UpgradeRequest): void {
  const { request, socket, arrival, record } = asking;
  const ends: (() => void)[] = [];
  socket.once("close", () => {
    asking.onClose();
    ends.forEach((end) => end());
  });
  socket.on("error", () => {});
  /** Our answer, or the pod's, which may be 101. */
  let own: ServerResponse | undefined;
  let answered: IncomingMessage | undefined;
  const writtenBefore = bytesWritten(socket);
  const answerOn = (answer: Answer, exchange: Exchange | undefined): void => {
    own = responseOn(request, socket);
    sendAnswer(own, answer, exchange, false, parts.feed);
  };
  const finish = async (decision: Decision): Promise<void> => {
    const { exchange } = decision;
    if (exchange) exchange.record = record;
    ends.push(() => {
      const sentHead = own ? headOf(own) : answered ? passedHead(answered) : "";
      if (answered) record.bodyBytes = Math.max(0, bytesWritten(socket) - writtenBefore - sentHead.length);
      endRequest(parts, { request, arrival, exchange, record, status: own?.statusCode ?? answered?.statusCode ?? 499, sentHead });
    });
    if (decision.type === "answer") {
      const { answer } = decision;
      return answerOn(exchange && errorPage(exchange, answer.status) === "sign-in" ? signIn(exchange, answer) : answer, exchange);
    }
    record.alternative = decision.alternative?.backend.upstream ?? "";
    const failure = await join(decision);
    if (failure && !socket.destroyed) answerOn(failure, exchange);
  };
  /** Resolves when it is over, with an answer when no pod gave one. */
  const join = async (decision: Forwarding): Promise<Answer | undefined> => {
    const { exchange, peers, backend } = decision;
    const { conditions, timeoutMs, tries: most } = exchange.location.settings.proxyNextUpstream;
    const { clock } = parts.world;
    const startedAt = clock.monotonic();
    const inTime = (): boolean => timeoutMs === 0 || clock.monotonic() - startedAt < timeoutMs;
    const tried = new Set<string>();
    addHsts(exchange);
    for (let tries = 1; ; tries++) {
      const peer = balance.pick(backend.upstream, peers, decision.balance, exchange, tried);
      if (!peer) {
        record.beginNowhere(clock.monotonic());
        return page(502, NO_PEER);
      }
      tried.add(peer.id);
      const failure = await joinWith(decision, peer, tries === 1 ? asking.head : NOTHING);
      const again = failure && conditions.has(failure.failure) && tries !== most && inTime() && !socket.destroyed;
      if (!again) return failure && page(failure.status, `upgrade: ${failure.message}`);
    }
  };
  /** `head`: what the client has sent already; it goes back to the socket once. */
  const joinWith = async (decision: Forwarding, peer: Peer, head: Buffer): Promise<UpstreamError | undefined> => {
    const { exchange } = decision;
    const { clock } = parts.world;
    const out = podRequest(request, decision, peer, { type: "none" }, exchange.facts.headers.upgrade);
    const asked = record.begin(peer.id, clock.monotonic());
    const onAnswer = (answer: IncomingMessage): void => {
      answered = answer;
      answeredTry(asked, answer.statusCode ?? 502, answer.rawHeaders, clock.monotonic());
    };
    const onUpgraded = (answer: IncomingMessage): void => {
      onAnswer(answer);
      addToUpgrade(answer, exchange);
    };
    try {
      await parts.http1.upgrade({ request, socket, head, idleTimeoutMs: out.readTimeoutMs, onUpgraded, onRefused: onAnswer }, out);
      return undefined;
    } catch (error) {
      const failure = upstreamError(error, { requestSent: false });
      asked.endedAt = clock.monotonic();
      asked.status = failure.status;
      return failure;
    }
  };
  Promise.resolve(asking.decide((end) => ends.push(end)))
    .then(finish)
    .catch((error: unknown) => {
      log("error", "ingress: upgrade failed", { error });
      socket.destroy();
    });
}

/** Headers of steps stand on a 101 too. */
function addToUpgrade(answer: IncomingMessage, exchange: Exchange): void {
  for (const [, [name, value]] of exchange.responseHeaders) answer.headers[name.toLowerCase()] = value;
  const cookies = exchange
    .added(101)
    .filter(([name]) => name.toLowerCase() === "set-cookie")
    .map(([, value]) => value);
  if (cookies.length > 0) answer.headers["set-cookie"] = [...(answer.headers["set-cookie"] ?? []), ...cookies];
  const server = serverHeader(exchange.table.config, headerLine(answer, "server"));
  if (server === undefined) delete answer.headers["server"];
  else answer.headers["server"] = server;
}

function headerLine({ rawHeaders }: IncomingMessage, lower: string): string | undefined {
  const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === lower);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** The head of a pod's answer as it is passed on after an upgrade request. */
function passedHead({ statusCode = 101, statusMessage = "", headers }: IncomingMessage): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${name}: ${one}\r\n`),
  );
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join("")}\r\n`;
}

const bytesWritten = (socket: Duplex): number =>
  "bytesWritten" in socket && typeof socket.bytesWritten === "number" ? socket.bytesWritten : 0;
