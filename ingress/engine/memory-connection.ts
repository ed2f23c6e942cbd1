// A kept connection to a pod of this process, with the one request that is under way on it: what Node's Agent, ClientRequest and parser
// are to a socket, without their layers. Upstream: ngx_http_upstream.c with keepalive.
import type { Readable } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import type { MemorySocket } from "../../netsim/index.ts";
import { type ForwardRequest, UpstreamError } from "./forward.ts";
import type { MemoryExchange } from "./memory-exchange.ts";
import { requestHead } from "./request-head.ts";
import { type KeepAlive, ResponseParser, type ResponseSink } from "./response-parser.ts";

/** Upstream: upstream-keepalive-timeout. */
const IDLE_MS = 60_000;
/** A pod that says when it closes idle connections is left this much earlier, as Node's Agent does: a request must not meet its FIN. */
const BEFORE_CLOSE_MS = 1000;

export interface ConnectionOwner {
  /** May carry another request. */
  onIdle(connection: MemoryConnection): void;
  onClosed(connection: MemoryConnection): void;
}

export class MemoryConnection implements ResponseSink {
  /** The pool's key. */
  readonly peerId: string;
  /** It has carried a request before the present one. */
  reused = false;
  readonly #clock: Clock;
  readonly #socket: MemorySocket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new ResponseParser(this);
  #exchange: MemoryExchange | undefined;
  /** The body under way to the pod. */
  #body: Readable | undefined;
  #last = false;
  #limitMs = IDLE_MS;
  #lastActivity = 0;
  #timer: Timer | undefined;
  #timerDueAt = 0;

  constructor(clock: Clock, peerId: string, socket: MemorySocket, owner: ConnectionOwner) {
    this.#clock = clock;
    this.peerId = peerId;
    this.#socket = socket;
    this.#owner = owner;
    socket.on("data", this.#onData);
    socket.on("drain", this.#touch);
    socket.once("end", () => this.#onEnd());
    socket.once("error", (error) => this.#fail(error));
    socket.once("close", () => this.#onClose());
  }
  get usable(): boolean {
    return !this.#exchange && !this.#socket.destroyed && this.#socket.writable && !this.#socket.readableEnded;
  }
  /** Sends the exchange's request. */
  start(exchange: MemoryExchange): void {
    const { request } = exchange;
    const head = requestHead(request);
    this.#exchange = exchange;
    this.#last = head.last;
    this.#parser.expect(request.method);
    this.#limit(request.readTimeoutMs);
    exchange.connectedAt = this.#lastActivity;
    const socket = this.#socket;
    const { body } = request;
    if (body.type === "none") return void socket.write(head.text, "latin1");
    this.#arm(request.sendTimeoutMs);
    if (body.type === "bytes") {
      socket.cork();
      socket.write(head.text, "latin1");
      socket.write(body.bytes);
      return socket.uncork();
    }
    socket.write(head.text, "latin1");
    this.#send(body.stream, head.chunked);
  }
  /** The client has left, or its answer is not wanted: a reset tells the pod at once. */
  giveUp(): void {
    this.#exchange = undefined;
    this.#socket.resetAndDestroy();
  }
  close(): void {
    this.#socket.destroy();
  }
  /** The answer's reader has room again. */
  resume(): void {
    if (this.#socket.isPaused()) this.#touch();
    this.#socket.resume();
  }

  onHead(status: number, statusText: string, rawHeaders: readonly string[], length: number | undefined): void {
    this.#exchange?.head(status, statusText, rawHeaders, length);
  }
  onBody(chunk: Buffer): void {
    if (this.#exchange?.data(chunk) === false) this.#socket.pause();
  }
  onEnd(trailers: readonly string[], keepAlive: KeepAlive): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.end(trailers);
    if (this.#body) {
      // The pod has answered without the rest of the body.
      this.#body.resume();
      this.#body = undefined;
      return void this.#socket.resetAndDestroy();
    }
    if (!keepAlive.open || this.#last) return this.#socket.destroySoon();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.rest(keepAlive.timeoutSeconds);
  }
  /** Waits for another request. */
  rest(timeoutSeconds?: number): void {
    this.reused = true;
    this.#limit(timeoutSeconds === undefined ? IDLE_MS : Math.max(1, Math.min(IDLE_MS, timeoutSeconds * 1000 - BEFORE_CLOSE_MS)));
    this.#owner.onIdle(this);
  }

  #send(stream: Readable, chunked: boolean): void {
    const socket = this.#socket;
    this.#body = stream;
    const onData = (chunk: Buffer): void => {
      this.#touch();
      let room: boolean;
      if (chunked) {
        socket.cork();
        socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
        socket.give(chunk);
        room = socket.write("\r\n", "latin1");
        socket.uncork();
      } else room = socket.give(chunk);
      if (!room) stream.pause();
    };
    const onDrain = (): void => void stream.resume();
    const over = (): void => {
      stream.off("data", onData);
      stream.off("end", onSent);
      socket.off("drain", onDrain);
      socket.off("close", over);
      if (this.#body === stream) this.#body = undefined;
    };
    const onSent = (): void => {
      over();
      if (chunked) socket.write("0\r\n\r\n", "latin1");
      this.#touch();
    };
    stream.on("data", onData);
    stream.once("end", onSent);
    socket.on("drain", onDrain);
    socket.once("close", over);
    // It may have been paused to measure it.
    stream.resume();
  }
  #onData = (chunk: Buffer): void => {
    this.#touch();
    try {
      this.#parser.execute(chunk);
    } catch (error) {
      this.#fail(error);
    }
  };
  #onEnd(): void {
    try {
      this.#parser.finish();
    } catch (error) {
      this.#fail(error);
    }
    this.#socket.destroy();
  }
  #fail(error: unknown): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.fail(error, true);
    this.#socket.resetAndDestroy();
  }
  #onClose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#fail(new Error("the connection to the pod closed"));
    this.#owner.onClosed(this);
  }

  #touch = (): void => {
    this.#lastActivity = this.#clock.monotonic();
  };
  #limit(limitMs: number): void {
    this.#limitMs = limitMs;
    this.#touch();
    this.#arm(limitMs);
  }
  /** One timer for the life of the connection: it looks at what the limit is then, and is set anew only for an earlier one. */
  #arm(leftMs: number): void {
    const dueAt = this.#lastActivity + leftMs;
    if (this.#timer && this.#timerDueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#timerDueAt = dueAt;
    this.#timer = this.#clock.after(Math.max(1, dueAt - this.#clock.monotonic()), this.#onTimer, { background: true });
  }
  #onTimer = (): void => {
    this.#timer = undefined;
    const exchange = this.#exchange;
    if (!exchange) {
      if (this.#clock.monotonic() - this.#lastActivity >= this.#limitMs) return this.close();
      return this.#arm(this.#limitMs);
    }
    const { request } = exchange;
    const sending = this.#socket.writableLength > 0;
    // A reader that does not read (a slow client) is not the pod's silence, nor is a client that has not sent its body yet.
    if (exchange.unread || (this.#body && !sending)) this.#touch();
    const limitMs = sending ? request.sendTimeoutMs : request.readTimeoutMs;
    if (this.#clock.monotonic() - this.#lastActivity >= limitMs) return this.#fail(timedOut(request, sending, limitMs));
    this.#arm(limitMs);
  };
}

function timedOut({ peer }: ForwardRequest, sending: boolean, limitMs: number): UpstreamError {
  const what = sending ? "sending the body to" : "reading the answer of";
  return new UpstreamError("timeout", `timed out ${what} ${peer.id} after ${limitMs} ms`, { requestSent: true });
}
