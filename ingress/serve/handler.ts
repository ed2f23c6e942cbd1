// Serves requests of one controller pod: facts → evaluate → tries → answer.
// Upstream: one worker of nginx.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { nextTurn } from "../../model/clock.ts";
import { log } from "../../model/log.ts";
import { type Answer, page } from "../answer.ts";
import { Balance } from "../balance.ts";
import type { Http2Engine } from "../engine/http2-engine.ts";
import type { MemoryEngine } from "../engine/memory-engine.ts";
import type { NodeEngine } from "../engine/node-engine.ts";
import { ClientSignal, type Forward, type ForwardBody, type ForwardResponse, UpstreamError, upstreamError } from "../engine/forward.ts";
import { annotatedBackend, errorPage, errorRequest, signIn } from "../error-pages.ts";
import { type Decision, evaluate } from "../evaluate.ts";
import type { Exchange, World } from "../exchange.ts";
import { Notes } from "../notes.ts";
import { RequestRecord } from "../request-record.ts";
import { isLastRequest } from "./connection-limits.ts";
import { passAnswer } from "./pass-answer.ts";
import { type Forwarding, mirrorRequest, podRequest } from "./pod-request.ts";
import { hasBody, readBody } from "./request-body.ts";
import { answeredTry, endRequest, headOf } from "./request-end.ts";
import { type Arrival, isAnswer, requestFacts } from "./request-facts.ts";
import { sendAnswer } from "./send-answer.ts";
import { NO_PEER, serveUpgrade, type UpgradeParts } from "./upgrade.ts";
import { RequestWorld } from "./world.ts";

export interface HandlerParts extends UpgradeParts {
  readonly memory: MemoryEngine;
  readonly own: NodeEngine;
  readonly http2: Http2Engine;
  readonly fastcgi: Forward;
}

export class Handler {
  readonly #parts: HandlerParts;
  readonly #balance: Balance;
  /** Connections that an answer has ended. */
  readonly #ended = new WeakSet<object>();
  /** Called when no request is under way. */
  readonly #idle: (() => void)[] = [];
  #requests = 0;
  #underWay = 0;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#balance = new Balance(parts.world.random.fork("balance"));
  }
  get requests(): number {
    return this.#requests;
  }
  get underWay(): number {
    return this.#underWay;
  }
  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
  #left(): void {
    if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
  handle(request: IncomingMessage, response: ServerResponse, arrival: Arrival): void {
    // What came in behind a request that ended its connection is not read.
    if (this.#ended.has(request.socket)) return void request.resume();
    this.#requests++;
    this.#underWay++;
    response.on("error", ignoreError);
    if (request.httpVersionMajor < 2) this.#likeNginx(request, response);
    const record = new RequestRecord(this.#parts.world.clock.monotonic());
    const head = request.method === "HEAD";
    const ends: (() => void)[] = [];
    response.once("close", () => {
      this.#left();
      ends.forEach((end) => end());
    });
    const decision = this.#decide(request, arrival, (end) => ends.push(end));
    const finish = (found: Decision): void => {
      if (found.exchange) found.exchange.record = record;
      else if (found.type === "answer" && !head) record.bodyBytes = found.answer.body.length;
      if (found.type === "forward") record.alternative = found.alternative?.backend.upstream ?? "";
      ends.push(() => {
        const status = response.headersSent ? response.statusCode : 499;
        endRequest(this.#parts, { request, arrival, exchange: found.exchange, record, status, sentHead: headOf(response) });
      });
      if (found.exchange?.notes) this.#traced(found.exchange, found.exchange.notes, response);
      if (found.type === "answer") {
        const { answer, exchange } = found;
        if (!exchange) return this.#refuse(request, response, answer, exchange, head);
        this.#fail(request, response, answer, exchange).catch((error: unknown) => this.#broken(error, request, response, exchange));
        return;
      }
      this.#forward(request, response, found).catch((error: unknown) => this.#broken(error, request, response, found.exchange));
    };
    if (decision instanceof Promise) decision.then(finish, (error: unknown) => this.#broken(error, request, response, undefined));
    else finish(decision);
  }
  /** A request for another protocol: the socket is the program's now. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, arrival: Arrival): void {
    this.#requests++;
    this.#underWay++;
    serveUpgrade(this.#parts, this.#balance, {
      request,
      socket,
      head,
      arrival,
      record: new RequestRecord(this.#parts.world.clock.monotonic()),
      decide: (onEnd) => this.#decide(request, arrival, onEnd),
      onClose: () => this.#left(),
    });
  }

  /** No Keep-Alive line beside "Connection: keep-alive"; and the last request of keep-alive-requests ends the connection. */
  #likeNginx({ socket }: IncomingMessage, response: ServerResponse): void {
    Object.assign(response, { _keepAliveTimeout: 0 });
    if (isLastRequest(socket, this.#parts.feed.table.config)) this.#isLast({ socket }, response);
  }
  #isLast({ socket }: Pick<IncomingMessage, "socket">, response: ServerResponse): void {
    response.shouldKeepAlive = false;
    this.#ended.add(socket);
  }
  #decide(request: IncomingMessage, arrival: Arrival, onEnd: World["onEnd"]): Decision | Promise<Decision> {
    const { feed, world } = this.#parts;
    const facts = requestFacts(request, arrival, feed.table.config, feed.table.flags);
    if (isAnswer(facts)) return { type: "answer", answer: facts, exchange: undefined };
    const own = new RequestWorld(world, onEnd);
    const { config } = feed.table;
    if (!config.flag("loopkube-trace", false)) return evaluate(facts, feed.table, feed.upstreams, own);
    const notes = new Notes();
    notes.begin("listener");
    notes.push(`${facts.serverPort}, client address ${facts.clientIp}`);
    return evaluate(facts, feed.table, feed.upstreams, own, notes);
  }

  async #forward(request: IncomingMessage, response: ServerResponse, decision: Forwarding): Promise<void> {
    const { exchange } = decision;
    const { settings } = exchange.location;
    const limit = settings.proxyBodySize;
    const fail = (answer: Answer): void | Promise<void> =>
      decision.error === true
        ? this.#refuse(request, response, answer, exchange, request.method === "HEAD")
        : this.#fail(request, response, answer, exchange, body);
    let body = decision.sent ?? NO_BODY;
    if (hasBody(request) && !decision.sent) {
      const streams = isGrpc(exchange) && decision.error !== true;
      const read = streams
        ? { type: "stream" as const, stream: request }
        : await readBody(
            request,
            exchange.facts.contentLength,
            limit,
            settings.proxyRequestBuffering || settings.proxyHttpVersion === "1.0" || isFastCgi(exchange) || decision.error === true,
            { clock: this.#parts.world.clock, timeoutMs: exchange.table.config.number("client-body-timeout", 60) * 1000 },
          );
      if (read.type === "gone") return;
      if (read.type === "too-large") return fail(page(413, `body is over proxy-body-size ${limit}`));
      body = read;
    }
    if (exchange.record && decision.error !== true) exchange.record.receivedBytes = sizeOf(body, exchange);
    if (decision.error !== true) mirrorRequest(this.#parts.world, exchange, body);
    const left = new ClientSignal();
    response.once("close", () => {
      if (!response.writableFinished) left.abort();
    });
    const outcome = await this.#tries(request, response, decision, body, left);
    if (left.aborted || response.destroyed) return;
    if (outcome instanceof UpstreamError) return fail(page(outcome.status, outcome.message));
    const { bufferBytes } = settings.proxyBuffering;
    if (headBytes(outcome) > bufferBytes) {
      outcome.abort();
      return fail(page(502, `upstream sent too big header: over proxy-buffer-size ${bufferBytes}`));
    }
    const intercepted = decision.error !== true && !isGrpc(exchange) && !isFastCgi(exchange) && !settings.disableProxyInterceptErrors;
    if (intercepted && errorPage(exchange, outcome.status) !== undefined) {
      outcome.discard();
      return fail(page(outcome.status, `the pod answers ${outcome.status}`));
    }
    passAnswer(response, outcome, exchange, this.#parts.world.clock);
  }

  /** proxy_next_upstream: other peers, while the conditions hold. */
  async #tries(
    request: IncomingMessage,
    response: ServerResponse,
    decision: Forwarding,
    body: ForwardBody,
    signal: ClientSignal,
  ): Promise<ForwardResponse | UpstreamError> {
    const { exchange, peers, balance, backend } = decision;
    const { tries: most, ...said } = exchange.location.settings.proxyNextUpstream;
    // The template has it for proxy_pass alone, and not in the locations of errors.
    const { conditions, timeoutMs } = decision.error === true || isGrpc(exchange) || isFastCgi(exchange) ? NGINX_NEXT : said;
    const { clock } = this.#parts.world;
    const startedAt = clock.monotonic();
    const tried = new Set<string>();
    const idempotent = !["POST", "LOCK", "PATCH"].includes(exchange.facts.method) || conditions.has("non_idempotent");
    const { memory, own, http2, fastcgi } = this.#parts;
    const plain = request.httpVersionMajor >= 2 ? own : memory;
    // The pages of errors come over HTTP.
    const engine: Forward = decision.error === true ? plain : isFastCgi(exchange) ? fastcgi : isGrpc(exchange) ? http2 : plain;
    const limit = most === 0 ? Infinity : most;
    const unsent = body.type !== "stream";
    const inTime = (): boolean => timeoutMs === 0 || clock.monotonic() - startedAt < timeoutMs;
    for (let tries = 0, rounds = 1; ; rounds++) {
      const peer = this.#balance.pick(backend.upstream, peers, balance, exchange, tried);
      if (!peer) {
        exchange.record?.beginNowhere(clock.monotonic());
        return new UpstreamError("error", NO_PEER, { requestSent: false });
      }
      tried.add(peer.id);
      const tryAt = clock.monotonic();
      const asked = exchange.record?.begin(peer.id, tryAt);
      try {
        const answer = await engine.send({ request, response, signal }, podRequest(request, decision, peer, body, undefined));
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
          this.#balance.closed(backend.upstream, peer, now - tryAt + answer.connectedAt - tryAt, now);
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
          this.#balance.closed(backend.upstream, peer, now - tryAt, now);
          return failure;
        }
      }
    }
  }

  /** An answer of our own, unless auth-signin or custom-http-errors have another one for its status. */
  async #fail(request: IncomingMessage, response: ServerResponse, answer: Answer, exchange: Exchange, read?: ForwardBody): Promise<void> {
    const { status } = answer;
    const wanted = errorPage(exchange, status);
    const head = request.method === "HEAD";
    if (wanted === undefined) return this.#refuse(request, response, answer, exchange, head);
    if (wanted === "sign-in") return this.#refuse(request, response, signIn(exchange, answer), exchange, head);
    if (answer.close === true && !("stream" in response)) this.#isLast(request, response);
    errorRequest(exchange, status);
    const { upstreams, table } = this.#parts.feed;
    const candidates = [wanted === "own" ? annotatedBackend(exchange) : undefined, table.defaultBackend];
    const backend = candidates.find((one) => one && upstreams.find(one).type === "peers");
    const upstream = backend && upstreams.find(backend);
    if (!backend || upstream?.type !== "peers")
      return this.#refuse(request, response, page(404, `custom-http-errors ${status}: no default backend`), exchange, head);
    exchange.record?.turnElsewhere();
    exchange.upstreamTarget = "/";
    const settings = exchange.location.settings;
    await this.#forward(request, response, {
      type: "forward",
      exchange,
      backend,
      peers: upstream.peers,
      balance: settings,
      alternative: undefined,
      error: true,
      ...sentAgain(request, exchange, read),
    });
  }

  /** The answer names its trace, which is complete when it has gone out. */
  #traced(exchange: Exchange, notes: Notes, response: ServerResponse): void {
    exchange.setResponse("X-Loopkube-Trace", exchange.requestId);
    this.#parts.feed.traces.add(exchange.requestId, notes);
    notes.begin("tries");
    response.once("close", () => {
      notes.begin("answer");
      notes.push(
        response.writableFinished ? `answered ${response.statusCode}` : `the client left, or the pod broke off: ${response.statusCode}`,
      );
    });
  }
  #refuse(request: IncomingMessage, response: ServerResponse, answer: Answer, exchange: Exchange | undefined, head: boolean): void {
    if (response.destroyed) return;
    if (answer.goaway === true) return endConnection(response);
    // A body that nobody reads ends the connection, as nginx's lingering close does in the end.
    const unread = hasBody(request) && !request.complete && answer.status !== 401;
    const close = !("stream" in response) && (unread || answer.close === true);
    if (close) this.#ended.add(request.socket);
    exchange?.notes?.push(`the controller answers ${answer.status}: ${answer.reason}`);
    sendAnswer(response, close ? { ...answer, close } : answer, exchange, head, this.#parts.feed);
    request.resume();
  }
  #broken(error: unknown, request: IncomingMessage, response: ServerResponse, exchange: Exchange | undefined): void {
    log("error", "ingress: request failed", { error });
    if (response.headersSent) response.destroy();
    else this.#refuse(request, response, page(500, "internal error"), exchange, request.method === "HEAD");
  }
}

/** HTTP/2 says so to the client, and answers nothing. */
function endConnection(response: ServerResponse | Http2ServerResponse): void {
  const session = "stream" in response ? response.stream.session : undefined;
  session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  // Once that has been written.
  void nextTurn().then(() => session?.destroy());
}

/** Kept connections that turn out closed, before a request is given up. */
const MOST_ROUNDS = 64;

/** proxy_next_upstream where nothing is said of it. */
const NGINX_NEXT = { conditions: new Set(["error", "timeout"]), timeoutMs: 0 } as const;

const NO_BODY: ForwardBody = { type: "none" };

/** The body for an error's Service: what the pod got, or what the client sends; none of one that is too large to be kept. */
function sentAgain(request: IncomingMessage, { facts, location }: Exchange, read?: ForwardBody): Pick<Forwarding, "sent"> {
  if (read && read.type !== "none") return { sent: read.type === "bytes" ? read : NO_BODY };
  const { proxyBodySize } = location.settings;
  const fits = proxyBodySize === 0 || (facts.contentLength ?? 0) <= proxyBodySize;
  return fits && !request.isPaused() ? {} : { sent: NO_BODY };
}

/** A client that has left is told by 'close'. */
const ignoreError = (): void => {};

/** Size of an answer's head on the wire, about. */
function headBytes({ rawHeaders }: ForwardResponse): number {
  let size = 32;
  for (const text of rawHeaders) size += text.length + 2;
  return size;
}

/** What is known of it before it is sent. */
function sizeOf(body: ForwardBody, { facts }: Exchange): number {
  return body.type === "bytes" ? body.bytes.length : body.type === "stream" ? (facts.contentLength ?? 0) : 0;
}

const isFastCgi = ({ location }: Exchange): boolean => location.settings.backendProtocol === "FCGI";

function isGrpc({ location }: Exchange): boolean {
  return location.settings.backendProtocol === "GRPC" || location.settings.backendProtocol === "GRPCS";
}
