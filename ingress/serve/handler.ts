// Serves requests of one controller pod: facts → evaluate → tries → answer.
// Upstream: one worker of nginx.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { log } from "../../model/log.ts";
import { type Answer, type HeaderLine, page } from "../answer.ts";
import { Balance } from "../balance.ts";
import type { HttpProxyEngine } from "../engine/http-proxy-engine.ts";
import type { Http2Engine } from "../engine/http2-engine.ts";
import type { NodeEngine } from "../engine/node-engine.ts";
import {
  ClientSignal,
  type Forward,
  type ForwardBody,
  type ForwardRequest,
  type ForwardResponse,
  UpstreamError,
  upstreamError,
} from "../engine/forward.ts";
import { type Decision, errorBackend, evaluate, setErrorHeaders } from "../evaluate.ts";
import type { Exchange, World } from "../exchange.ts";
import { addHsts, podHeaders } from "../headers.ts";
import { Notes } from "../notes.ts";
import type { Peer } from "../upstreams.ts";
import { passAnswer } from "./pass-answer.ts";
import { expand } from "../variables.ts";
import { hasBody, readBody } from "./request-body.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { type Arrival, isAnswer, requestFacts } from "./request-facts.ts";
import type { RoutesFeed } from "./routes-feed.ts";
import { responseOn, sendAnswer } from "./send-answer.ts";
import { type ControllerWorld, RequestWorld } from "./world.ts";

type Forwarding = Extract<Decision, { type: "forward" }> & {
  /** It is an error's own Service: its answer stands, whatever it is. */
  readonly error?: true;
};

export interface HandlerParts {
  readonly feed: RoutesFeed;
  readonly world: ControllerWorld;
  readonly http1: HttpProxyEngine;
  readonly own: NodeEngine;
  readonly http2: Http2Engine;
}

export class Handler {
  readonly metrics = new RequestMetrics();
  readonly #parts: HandlerParts;
  readonly #balance: Balance;
  /** Connections that an answer has ended. */
  readonly #ended = new WeakSet<object>();
  #requests = 0;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#balance = new Balance(parts.world.random.fork("balance"));
  }
  get requests(): number {
    return this.#requests;
  }
  handle(request: IncomingMessage, response: ServerResponse, arrival: Arrival): void {
    // What came in behind a request that ended its connection is not read.
    if (this.#ended.has(request.socket)) return void request.resume();
    this.#requests++;
    response.on("error", ignoreError);
    const head = request.method === "HEAD";
    const ends: (() => void)[] = [];
    response.once("close", () => ends.forEach((end) => end()));
    const decision = this.#decide(request, arrival, (end) => ends.push(end));
    const finish = (found: Decision): void => {
      ends.push(() => this.metrics.count(found, response.writableFinished ? response.statusCode : 499));
      if (found.exchange?.notes) this.#traced(found.exchange, found.exchange.notes, response);
      if (found.type === "answer") {
        const { answer, exchange } = found;
        if (exchange?.location.settings.customErrors.codes.has(answer.status) !== true)
          return this.#refuse(request, response, answer, exchange, head);
        this.#errorPage(request, response, answer.status, exchange).catch((error: unknown) =>
          this.#broken(error, request, response, exchange),
        );
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
    const ends: (() => void)[] = [];
    socket.once("close", () => ends.forEach((end) => end()));
    socket.on("error", () => {});
    const answerOn = (answer: Answer, exchange: Exchange | undefined): void =>
      void sendAnswer(responseOn(request, socket), answer, exchange, false);
    const finish = async (decision: Decision): Promise<void> => {
      if (decision.type === "answer") return answerOn(decision.answer, decision.exchange);
      const { exchange, peers, balance, backend } = decision;
      const peer = this.#balance.pick(backend.upstream, peers, balance, exchange, new Set());
      if (!peer) return answerOn(page(503, `upstream ${backend.upstream} has no peers`), exchange);
      const out = this.#request(request, decision, peer, { type: "none" }, request.headers.upgrade);
      addHsts(exchange);
      try {
        await this.#parts.http1.upgrade(
          { request, socket, head, idleTimeoutMs: out.readTimeoutMs, onUpgraded: (answer) => addToUpgrade(answer, exchange) },
          out,
        );
      } catch (error) {
        const failure = upstreamError(error, { requestSent: false });
        if (!socket.destroyed) answerOn(page(failure.status, `upgrade: ${failure.message}`), exchange);
      }
    };
    const failed = (error: unknown): void => {
      log("error", "ingress: upgrade failed", { error });
      socket.destroy();
    };
    Promise.resolve(this.#decide(request, arrival, (end) => ends.push(end)))
      .then(finish)
      .catch(failed);
  }

  #decide(request: IncomingMessage, arrival: Arrival, onEnd: World["onEnd"]): Decision | Promise<Decision> {
    const { feed, world } = this.#parts;
    const facts = requestFacts(request, arrival, feed.table.config);
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
    const { proxy } = exchange.location.settings;
    const head = request.method === "HEAD";
    let body: ForwardBody = { type: "none" };
    if (hasBody(request) && decision.error !== true) {
      const streams = isGrpc(exchange);
      const read = streams
        ? { type: "stream" as const, stream: request }
        : await readBody(request, exchange.facts.contentLength, proxy.bodySizeBytes, proxy.requestBuffering || proxy.httpVersion === "1.0");
      if (read.type === "gone") return;
      if (read.type === "too-large")
        return this.#refuse(request, response, page(413, `body is over proxy-body-size ${proxy.bodySizeBytes}`), exchange, head);
      body = read;
    }
    if (decision.error !== true) this.#mirror(exchange, body);
    const left = new ClientSignal();
    response.once("close", () => {
      if (!response.writableFinished) left.abort();
    });
    const outcome = await this.#tries(request, response, decision, body, left);
    if (left.aborted || response.destroyed) return;
    if (outcome instanceof UpstreamError) {
      return this.#refuse(request, response, page(outcome.status, outcome.message), exchange, head);
    }
    const tooBig = headBytes(outcome) > proxy.bufferSizeBytes;
    if (tooBig) {
      outcome.abort();
      return this.#refuse(
        request,
        response,
        page(502, `upstream sent too big header: over proxy-buffer-size ${proxy.bufferSizeBytes}`),
        exchange,
        head,
      );
    }
    const { codes, interceptDisabled } = exchange.location.settings.customErrors;
    if (codes.has(outcome.status) && !interceptDisabled && !decision.error) {
      outcome.body.resume();
      return this.#errorPage(request, response, outcome.status, exchange);
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
    const { proxy } = exchange.location.settings;
    const { clock } = this.#parts.world;
    const startedAt = clock.monotonic();
    const tried = new Set<string>();
    const idempotent = !["POST", "LOCK", "PATCH"].includes(exchange.facts.method) || proxy.nextUpstream.has("non_idempotent");
    const { http1, own, http2 } = this.#parts;
    const engine: Forward = isGrpc(exchange) ? http2 : request.httpVersionMajor >= 2 ? own : http1;
    const limit = proxy.nextUpstreamTries === 0 ? Infinity : proxy.nextUpstreamTries;
    for (let tries = 0, rounds = 1; ; rounds++) {
      const peer = this.#balance.pick(backend.upstream, peers, balance, exchange, tried);
      if (!peer) return new UpstreamError("error", `upstream ${backend.upstream} has no peers`, { requestSent: false });
      tried.add(peer.id);
      this.#balance.opened(backend.upstream, peer);
      const tryAt = clock.monotonic();
      try {
        const answer = await engine.send({ request, response, signal }, this.#request(request, decision, peer, body, undefined));
        exchange.notes?.push(`${peer.id} answered ${answer.status} after ${Math.round(clock.monotonic() - tryAt)} ms`);
        // Told to who asks, as the gateway does: `loopkube load` counts pods by it.
        if (exchange.facts.headers["x-loopkube-endpoint"] === "tell") exchange.setResponse("X-Loopkube-Endpoint", peer.id);
        answer.body.once("close", () => this.#balance.closed(backend.upstream, peer, clock.monotonic() - tryAt, clock.monotonic()));
        return answer;
      } catch (error) {
        this.#balance.closed(backend.upstream, peer, clock.monotonic() - tryAt, clock.monotonic());
        const failure = upstreamError(error, { requestSent: true });
        exchange.notes?.push(`${peer.id} failed (${failure.failure}): ${failure.message}`);
        // A kept connection that the pod has closed meanwhile costs no try.
        if (failure.reused && failure.failure === "error") tried.delete(peer.id);
        else tries++;
        const allowed = proxy.nextUpstream.has(failure.failure) && (idempotent || !failure.requestSent);
        const inTime = proxy.nextUpstreamTimeoutMs === 0 || clock.monotonic() - startedAt < proxy.nextUpstreamTimeoutMs;
        const unsent = body.type !== "stream";
        // As upstream's balancer does, a lone peer is tried again.
        if (signal.aborted || !allowed || !inTime || !unsent || tries >= limit || rounds >= MOST_ROUNDS) return failure;
      }
    }
  }

  #request(request: IncomingMessage, decision: Forwarding, peer: Peer, body: ForwardBody, upgrade: string | undefined): ForwardRequest {
    const { exchange } = decision;
    const { proxy, backendProtocol } = exchange.location.settings;
    const underscores = exchange.table.config.flag("enable-underscores-in-headers", false);
    const headers = podHeaders(exchange, request.rawHeaders, { underscores, upgrade });
    if (body.type === "bytes") headers["Content-Length"] = String(body.bytes.length);
    else if (body.type === "stream" && exchange.facts.contentLength !== undefined)
      headers["Content-Length"] = String(exchange.facts.contentLength);
    else if (body.type === "stream") headers["Transfer-Encoding"] = "chunked";
    else if (exchange.facts.contentLength === 0 && decision.error !== true) headers["Content-Length"] = "0";
    const secure =
      backendProtocol === "HTTPS" || backendProtocol === "GRPCS" || (backendProtocol === "AUTO_HTTP" && exchange.facts.scheme === "https");
    return {
      method: exchange.facts.method,
      target: exchange.upstreamTarget,
      headers,
      body,
      peer,
      tls: secure,
      httpVersion: proxy.httpVersion,
      connectTimeoutMs: proxy.connectTimeoutMs,
      sendTimeoutMs: proxy.sendTimeoutMs,
      readTimeoutMs: proxy.readTimeoutMs,
    };
  }

  /** mirror-target: a copy, whose answer and failure nobody sees. */
  #mirror(exchange: Exchange, body: ForwardBody): void {
    const { target, host, requestBody } = exchange.location.settings.mirror;
    if (target === "") return;
    const url = expand(exchange, target).replace(/(?<!:)\/{2,}/g, "/");
    if (!URL.canParse(url)) return;
    const bytes = requestBody && body.type === "bytes" ? body.bytes : undefined;
    const headers: HeaderLine[] = [["Host", host === "" ? new URL(url).host : expand(exchange, host)]];
    for (const [name, value] of Object.entries(podHeaders(exchange, [], { underscores: false, upgrade: undefined })))
      if (name !== "Host") headers.push([name, String(value)]);
    if (bytes) headers.push(["Content-Length", String(bytes.length)]);
    this.#parts.world.request(url, { method: exchange.facts.method, headers, ...(bytes ? { body: bytes } : {}) }).catch(() => {});
  }

  /** custom-http-errors: another Service gives the answer, with a status of its own. */
  async #errorPage(request: IncomingMessage, response: ServerResponse, status: number, exchange: Exchange): Promise<void> {
    const backend = errorBackend(exchange);
    const upstream = backend && this.#parts.feed.upstreams.find(backend);
    const head = request.method === "HEAD";
    if (!backend) return this.#refuse(request, response, page(404, `custom-http-errors ${status}: no default backend`), exchange, head);
    if (upstream?.type !== "peers") return this.#refuse(request, response, page(503, upstream?.reason ?? ""), exchange, head);
    setErrorHeaders(exchange, status);
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
    // A body that nobody reads ends the connection, as nginx's lingering close does in the end.
    const unread = hasBody(request) && !request.complete && answer.status !== 401;
    const close = request.httpVersionMajor < 2 && (unread || answer.close === true);
    if (close) this.#ended.add(request.socket);
    exchange?.notes?.push(`the controller answers ${answer.status}: ${answer.reason}`);
    sendAnswer(response, close ? { ...answer, close } : answer, exchange, head);
    request.resume();
  }
  #broken(error: unknown, request: IncomingMessage, response: ServerResponse, exchange: Exchange | undefined): void {
    log("error", "ingress: request failed", { error });
    if (response.headersSent) response.destroy();
    else this.#refuse(request, response, page(500, "internal error"), exchange, request.method === "HEAD");
  }
}

/** Kept connections that turn out closed, before a request is given up. */
const MOST_ROUNDS = 64;

/** A client that has left is told by 'close'. */
const ignoreError = (): void => {};

/** Headers of steps stand on a 101 too. */
function addToUpgrade(answer: IncomingMessage, exchange: Exchange): void {
  for (const [, [name, value]] of exchange.responseHeaders) answer.headers[name.toLowerCase()] = value;
  const cookies = exchange
    .added(101)
    .filter(([name]) => name.toLowerCase() === "set-cookie")
    .map(([, value]) => value);
  if (cookies.length > 0) answer.headers["set-cookie"] = [...(answer.headers["set-cookie"] ?? []), ...cookies];
  delete answer.headers["server"];
}

/** Size of an answer's head on the wire, about. */
function headBytes({ rawHeaders }: ForwardResponse): number {
  let size = 32;
  for (const text of rawHeaders) size += text.length + 2;
  return size;
}

function isGrpc({ location }: Exchange): boolean {
  return location.settings.backendProtocol === "GRPC" || location.settings.backendProtocol === "GRPCS";
}
