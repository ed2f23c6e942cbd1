// Serves requests of one controller pod: facts → evaluate → tries → answer.
// Upstream: one worker of nginx.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import { nextTurn } from "../../model/clock.ts";
import { log } from "../../model/log.ts";
import { mirrored } from "../annotations/mirror.ts";
import { type Answer, type HeaderLine, page } from "../request/answer.ts";
import { Balance } from "../request/balance.ts";
import { ClientSignal, type ForwardBody, type ForwardResponse, UpstreamError } from "../engine/forward.ts";
import { errorRequest, intercepted, replacement, signIn } from "../request/error-pages.ts";
import { type Decision, evaluate, redirectInside } from "../request/evaluate.ts";
import type { Exchange, World } from "../request/exchange.ts";
import { isFastCgi, isGrpc } from "../request/next-upstream.ts";
import { Notes } from "../explain/notes.ts";
import { RequestRecord } from "../request/request-record.ts";
import { answerUnderWay, forgetAnswer, isLastRequest, setLatestAnswer } from "./connection-limits.ts";
import { breakOff, passAnswer } from "./pass-answer.ts";
import { type Forwarding, mirrorRequest } from "./pod-request.ts";
import { hasBody, LimitedBody, readBody } from "./request-body.ts";
import { type EndParts, endRequest, headOf, wentOut } from "./request-end.ts";
import { type Arrival, isAnswer, requestFacts } from "../request/request-facts.ts";
import { sendAnswer } from "./send-answer.ts";
import { type Engines, tryPeers, type TryParts } from "./tries.ts";
import { linger, tellToContinue } from "./unread-body.ts";
import { BareResponse } from "./upgrade.ts";
import { RequestWorld } from "./world.ts";

export interface HandlerParts extends EndParts {
  readonly engines: Engines;
}

export class Handler {
  readonly #parts: HandlerParts;
  readonly #balance: Balance;
  readonly #tryParts: TryParts;
  /** Connections that an answer has ended. */
  readonly #ended = new WeakSet<object>();
  /** Answers over HTTP/1.x that are not complete. */
  readonly #open = new Set<ServerResponse>();
  /** Called when no request is under way. */
  readonly #idle: (() => void)[] = [];
  #draining = false;
  #requests = 0;
  #underWay = 0;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#balance = new Balance(parts.world.random.fork("balance"));
    this.#tryParts = { engines: parts.engines, balance: this.#balance, clock: parts.world.clock };
  }
  get requests(): number {
    return this.#requests;
  }
  get underWay(): number {
    return this.#underWay;
  }
  /** From now on each answer ends its connection. Resolves when no request is under way. */
  async drain(): Promise<void> {
    this.#draining = true;
    for (const response of this.#open) this.#endConnection(response);
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
  #left(): void {
    if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
  handle(request: IncomingMessage, response: ServerResponse, arrival: Arrival): void {
    if (request.httpVersionMajor >= 2) return this.#serve(request, response, arrival);
    const before = answerUnderWay(request.socket);
    setLatestAnswer(request.socket, response);
    if (before) before.once("close", () => this.#serve(request, response, arrival));
    else this.#serve(request, response, arrival);
  }
  #serve(request: IncomingMessage, response: ServerResponse, arrival: Arrival): void {
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
      this.#open.delete(response);
      forgetAnswer(request.socket, response);
      this.#left();
      ends.forEach((end) => end());
    });
    const decision = this.#decide(request, arrival, (end) => ends.push(end));
    const finish = (found: Decision): void => {
      if (found.exchange) found.exchange.record = record;
      else if (found.type === "answer" && !head) record.bodyBytes = found.answer.body.length;
      if (found.type === "forward") record.alternative = found.alternative?.backend.upstream ?? "";
      ends.push(() => {
        // A body that breaks off is the client's mistake; its leave is not.
        const status = response.headersSent ? response.statusCode : hasBody(request) && !request.complete ? 400 : 499;
        endRequest(this.#parts, { request, arrival, exchange: found.exchange, record, status, sentHead: headOf(response) });
      });
      if (found.exchange?.notes) this.#traced(found.exchange, found.exchange.notes, response);
      if (found.type === "answer") {
        const { answer, exchange } = found;
        if (!exchange) {
          if (answer.returned) tellToContinue(request, response, record);
          return this.#refuse(request, response, answer, exchange, head);
        }
        // A stream of gRPC may last.
        const read = answer.status === 413 || isGrpc(exchange) ? NO_BODY : undefined;
        this.#fail(request, response, answer, exchange, read).catch((error: unknown) => this.#broken(error, request, response, exchange));
        return;
      }
      this.#forward(request, response, found).catch((error: unknown) => this.#broken(error, request, response, found.exchange));
    };
    if (decision instanceof Promise) decision.then(finish, (error: unknown) => this.#broken(error, request, response, undefined));
    else finish(decision);
  }
  /**
   * No Keep-Alive line beside "Connection: keep-alive"; no connection ends because of a body that was not asked for; one ends with the last
   * request of keep-alive-requests.
   */
  #likeNginx({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#open.add(response);
    Object.assign(response, { _keepAliveTimeout: 0, _expect_continue: false });
    if (isLastRequest(socket, this.#parts.feed.table.config) || this.#draining) this.#endConnection(response);
  }
  /** Behind this answer; "Connection: close" says so, unless its head has gone out. */
  #endConnection(response: ServerResponse): void {
    const { socket } = response.req;
    this.#ended.add(socket);
    if (response.headersSent) response.once("finish", () => socket.end());
    else response.shouldKeepAlive = false;
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
    if (exchange.record && !decision.sent) tellToContinue(request, response, exchange.record);
    const { mirror } = settings;
    const mirrors = decision.error !== true && mirrored(mirror);
    if (mirrors && !mirror.requestBody) mirrorRequest(this.#parts.world, exchange, undefined);
    if (hasBody(request) && !decision.sent) {
      const streams = isGrpc(exchange) && decision.error !== true;
      const read = streams
        ? { type: "stream" as const, stream: request }
        : await readBody(
            request,
            exchange.facts.contentLength,
            limit,
            settings.proxyRequestBuffering ||
              settings.proxyHttpVersion === "1.0" ||
              isFastCgi(exchange) ||
              (mirrors && mirror.requestBody) ||
              decision.error === true,
            { clock: this.#parts.world.clock, timeoutMs: exchange.table.config.number("client-body-timeout", 60) * 1000 },
          );
      if (read.type === "gone") return;
      if (read.type === "too-large") return fail(tooLarge(limit));
      body = read;
    }
    const left = new ClientSignal();
    let over = false;
    if (body.type === "stream" && exchange.facts.contentLength === undefined && limit > 0) {
      const onTooLarge = (): void => {
        over = true;
        if (response.headersSent) breakOff(response);
        left.abort();
      };
      body = { type: "stream", stream: body.stream.pipe(new LimitedBody(limit, onTooLarge)) };
    }
    if (exchange.record && decision.error !== true) exchange.record.receivedBytes = sizeOf(body, exchange);
    if (mirrors && mirror.requestBody) mirrorRequest(this.#parts.world, exchange, body);
    response.once("close", () => {
      if (!wentOut(response)) left.abort();
    });
    const outcome = await tryPeers(this.#tryParts, { request, response, signal: left }, decision, body);
    if (over && !response.destroyed) {
      request.unpipe();
      return fail(tooLarge(limit));
    }
    if (left.aborted || response.destroyed) return;
    if (outcome instanceof UpstreamError) return fail(page(outcome.status, outcome.message));
    if (outcome.upgraded) {
      if (!(response instanceof BareResponse)) return fail(page(502, "the pod changes the protocol of a request with a body"));
      const idle = { clock: this.#parts.world.clock, timeoutMs: settings.proxyTimeouts.readMs };
      return response.join(outcome, outcome.upgraded, exchange, idle);
    }
    const proxied = decision.error === true || (!isGrpc(exchange) && !isFastCgi(exchange));
    const bufferBytes = proxied ? settings.proxyBuffering.bufferBytes : otherBufferBytes(exchange);
    if (headBytes(outcome) > bufferBytes) {
      outcome.abort();
      return fail(page(502, `upstream sent too big header: over ${bufferBytes} bytes, as proxy-buffer-size says for HTTP`));
    }
    if (decision.error !== true && intercepted(exchange, outcome.status)) {
      outcome.discard();
      return fail(page(outcome.status, `the pod answers ${outcome.status}`, challengeOf(outcome)));
    }
    const inside = outcome.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === "x-accel-redirect");
    if (inside >= 0) return this.#redirect(request, response, decision, outcome, outcome.rawHeaders[inside + 1] ?? "", body);
    passAnswer(response, outcome, exchange, this.#parts.world.clock);
  }

  /** X-Accel-Redirect: another location answers; a few headers of the pod's answer stay. */
  async #redirect(
    request: IncomingMessage,
    response: ServerResponse,
    { exchange, redirects = 0 }: Forwarding,
    outcome: ForwardResponse,
    path: string,
    body: ForwardBody,
  ): Promise<void> {
    outcome.discard();
    const head = request.method === "HEAD";
    if (redirects >= MOST_REDIRECTS) return this.#refuse(request, response, page(500, "X-Accel-Redirect leads to no end"), exchange, head);
    exchange.record?.turnElsewhere();
    const decision = await redirectInside(exchange, path, this.#parts.feed.upstreams);
    if (decision.type === "answer") {
      if (!decision.exchange) return this.#refuse(request, response, decision.answer, undefined, head);
      decision.exchange.record = exchange.record;
      return this.#fail(request, response, decision.answer, decision.exchange, body);
    }
    const found = decision.exchange;
    found.record = exchange.record;
    outcome.rawHeaders.forEach((name, i) => {
      if (i % 2 === 0 && KEPT_INSIDE.has(name.toLowerCase())) found.addedHeaders.push([name, outcome.rawHeaders[i + 1] ?? ""]);
    });
    await this.#forward(request, response, { ...decision, redirects: redirects + 1, sent: body });
  }

  /** An answer of our own, unless auth-signin or custom-http-errors have another one for its status. */
  async #fail(request: IncomingMessage, response: ServerResponse, answer: Answer, exchange: Exchange, read?: ForwardBody): Promise<void> {
    const head = request.method === "HEAD";
    const instead = replacement(exchange, answer.status, this.#parts.feed.upstreams);
    if (!instead) return this.#refuse(request, response, answer, exchange, head);
    if (instead.type === "sign-in") return this.#refuse(request, response, signIn(exchange, answer), exchange, head);
    if (answer.close === true && !("stream" in response)) this.#endConnection(response);
    errorRequest(exchange, answer);
    if (instead.type === "answer") return this.#refuse(request, response, instead.answer, exchange, head);
    exchange.record?.turnElsewhere();
    const { backend, peers } = instead;
    await this.#forward(request, response, {
      type: "forward",
      exchange,
      backend,
      peers,
      balance: exchange.location.settings,
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
      notes.push(wentOut(response) ? `answered ${response.statusCode}` : `the client left, or the pod broke off: ${response.statusCode}`);
    });
  }
  #refuse(request: IncomingMessage, response: ServerResponse, answer: Answer, exchange: Exchange | undefined, head: boolean): void {
    if (response.destroyed) return;
    if (answer.goaway === true) return goAway(response);
    if (answer.returned && exchange?.record) tellToContinue(request, response, exchange.record);
    const close = !("stream" in response) && answer.close === true;
    if (close) this.#ended.add(request.socket);
    if (!("stream" in response) && hasBody(request) && !request.complete) linger(request, this.#parts.world.clock);
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
function goAway(response: ServerResponse | Http2ServerResponse): void {
  const session = "stream" in response ? response.stream.session : undefined;
  session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  // Once that has been written.
  void nextTurn().then(() => session?.destroy());
}

/** nginx gives up an internal redirect after so many. */
const MOST_REDIRECTS = 10;

/** Of gRPC's and FastCGI's modules, which proxy-buffer-size does not mean. */
function otherBufferBytes(exchange: Exchange): number {
  const kilobytes = isGrpc(exchange) ? exchange.table.config.number("grpc-buffer-size-kb", 0) : 0;
  return kilobytes > 0 ? kilobytes * 1024 : PAGE_BYTES;
}

/** grpc_buffer_size and fastcgi_buffer_size by themselves: one page of memory. */
const PAGE_BYTES = 4096;

const tooLarge = (limit: number): Answer => page(413, `body is over proxy-body-size ${limit}`);

/** What of an answer with X-Accel-Redirect reaches the client. */
const KEPT_INSIDE: ReadonlySet<string> = new Set(["set-cookie", "content-disposition", "cache-control", "expires"]);

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

/** WWW-Authenticate stands on a 401 whoever gives its page. */
function challengeOf({ status, rawHeaders }: ForwardResponse): readonly HeaderLine[] {
  const at = status === 401 ? rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === "www-authenticate") : -1;
  return at < 0 ? [] : [["WWW-Authenticate", rawHeaders[at + 1] ?? ""]];
}

/** What is known of it before it is sent. */
function sizeOf(body: ForwardBody, { facts }: Exchange): number {
  return body.type === "bytes" ? body.bytes.length : body.type === "stream" ? (facts.contentLength ?? 0) : 0;
}
