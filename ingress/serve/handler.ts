// Serves requests of one controller pod: facts → evaluate → tries → answer.
// Upstream: one worker of nginx.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { nextTurn } from "../../model/clock.ts";
import { log } from "../../model/log.ts";
import { type Answer, type HeaderLine, page } from "../answer.ts";
import { Balance } from "../balance.ts";
import { ClientSignal, type ForwardBody, type ForwardResponse, UpstreamError } from "../engine/forward.ts";
import { errorRequest, intercepted, replacement, signIn } from "../error-pages.ts";
import { type Decision, evaluate, redirectInside } from "../evaluate.ts";
import type { Exchange, World } from "../exchange.ts";
import { isFastCgi, isGrpc } from "../next-upstream.ts";
import { Notes } from "../notes.ts";
import { RequestRecord } from "../request-record.ts";
import { isLastRequest } from "./connection-limits.ts";
import { passAnswer } from "./pass-answer.ts";
import { type Forwarding, mirrorRequest } from "./pod-request.ts";
import { hasBody, readBody } from "./request-body.ts";
import { endRequest, headOf } from "./request-end.ts";
import { type Arrival, isAnswer, requestFacts } from "../request-facts.ts";
import { sendAnswer } from "./send-answer.ts";
import { type Engines, tryPeers, type TryParts } from "./tries.ts";
import { serveUpgrade, type UpgradeParts } from "./upgrade.ts";
import { RequestWorld } from "./world.ts";

export interface HandlerParts extends UpgradeParts {
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
    this.#open.add(response);
    Object.assign(response, { _keepAliveTimeout: 0 });
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
    const outcome = await tryPeers(this.#tryParts, { request, response, signal: left }, decision, body);
    if (left.aborted || response.destroyed) return;
    if (outcome instanceof UpstreamError) return fail(page(outcome.status, outcome.message));
    const { bufferBytes } = settings.proxyBuffering;
    if (headBytes(outcome) > bufferBytes) {
      outcome.abort();
      return fail(page(502, `upstream sent too big header: over proxy-buffer-size ${bufferBytes}`));
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
      notes.push(
        response.writableFinished ? `answered ${response.statusCode}` : `the client left, or the pod broke off: ${response.statusCode}`,
      );
    });
  }
  #refuse(request: IncomingMessage, response: ServerResponse, answer: Answer, exchange: Exchange | undefined, head: boolean): void {
    if (response.destroyed) return;
    if (answer.goaway === true) return goAway(response);
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
function goAway(response: ServerResponse | Http2ServerResponse): void {
  const session = "stream" in response ? response.stream.session : undefined;
  session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  // Once that has been written.
  void nextTurn().then(() => session?.destroy());
}

/** nginx gives up an internal redirect after so many. */
const MOST_REDIRECTS = 10;

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
