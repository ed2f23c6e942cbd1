// A connection to an inline pod's HTTP server. Ordinary requests (GETs, mostly) are answered here, one at a time; at the first other one
// the connection goes to Node's server, for good.
import type { Duplex } from "node:stream";
import { borrowReads, returnReads } from "../../netsim/index.ts";
import { ordinaryHead } from "./request-head.ts";
import { PlainRequest } from "./request.ts";
import { inOnePiece, PlainResponse, type ResponseSink } from "./response.ts";
import type { HttpRequest, HttpResponse } from "./exchange.ts";

/** A net.Socket, or an end of an in-memory connection. */
export interface HttpSocket extends Duplex {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  destroySoon(): void;
  readonly setTimeout: (ms: number) => unknown;
}

export interface ConnectionOwner {
  readonly keepAliveMs: number;
  /** Ends as it can: no connection is kept. */
  readonly draining: boolean;
  nowMs(): number;
  answer(request: HttpRequest, response: HttpResponse): void;
  /** Node's server takes over, beginning with these bytes; `ended`: the client's last ones. */
  passOn(socket: HttpSocket, chunk: Buffer, ended: boolean): void;
  onGone(connection: HttpConnection): void;
}

/** Requests that come before the answer of the first are held up to this size. */
const AHEAD_BYTES = 65_536;

export class HttpConnection implements ResponseSink {
  readonly #owner: ConnectionOwner;
  readonly #socket: HttpSocket;
  #response: PlainResponse | undefined;
  /** What has come after the request under way. */
  #ahead: Buffer | undefined;
  #ended = false;
  /** The client wants no other answer. */
  #closing = false;
  #passedOn = false;

  constructor(owner: ConnectionOwner, socket: HttpSocket) {
    this.#owner = owner;
    this.#socket = socket;
    borrowReads(socket, this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", ignoreError);
    socket.on("close", this.#onClose);
    if (owner.keepAliveMs > 0) {
      socket.on("timeout", this.#onTimeout);
      socket.setTimeout(owner.keepAliveMs);
    }
  }
  get busy(): boolean {
    return this.#response !== undefined;
  }
  /** Ends it unless a request is under way. */
  endIdle(): void {
    if (!this.busy) this.#socket.end();
  }
  destroy(): void {
    this.#socket.destroy();
  }

  get keepAliveSeconds(): number {
    return Math.floor(this.#owner.keepAliveMs / 1000);
  }
  nowMs(): number {
    return this.#owner.nowMs();
  }
  send(text: string, body: Uint8Array | undefined, tail: string, done?: () => void): boolean {
    const socket = this.#socket;
    const whole = inOnePiece(text, body, tail);
    if (whole !== undefined) return whole === "" && done ? socket.write("", done) : socket.write(whole, "latin1", done);
    if (text === "" && tail === "") return socket.write(body, done);
    socket.cork();
    if (text !== "") socket.write(text, "latin1");
    let room = socket.write(body, tail === "" ? done : undefined);
    if (tail !== "") room = socket.write(tail, "latin1", done);
    socket.uncork();
    return room;
  }
  onceDrained(listener: () => void): void {
    this.#socket.once("drain", listener);
  }
  answered(last: boolean): void {
    this.#response = undefined;
    const socket = this.#socket;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (last || this.#closing || this.#owner.draining || (this.#ended && !ahead)) return socket.destroySoon();
    if (!ahead) return;
    if (socket.isPaused()) socket.resume();
    this.#take(ahead, false);
  }
  cut(): void {
    this.#socket.destroy();
  }

  #onData = (chunk: Buffer): void => {
    if (!this.#response) return this.#take(chunk, true);
    this.#hold(Buffer.concat(this.#ahead ? [this.#ahead, chunk] : [chunk]));
  };
  #hold(ahead: Buffer): void {
    this.#ahead = ahead;
    if (ahead.length > AHEAD_BYTES) this.#socket.pause();
  }
  #take(chunk: Buffer, borrowed: boolean): void {
    const head = ordinaryHead(chunk);
    if (!head) return this.#passOn(chunk);
    if (head.length < chunk.length) {
      const rest = chunk.subarray(head.length);
      this.#hold(borrowed ? Buffer.from(rest) : rest);
    }
    this.#closing = head.close;
    const response = new PlainResponse(this, head.method, !head.close && !this.#owner.draining);
    this.#response = response;
    this.#owner.answer(new PlainRequest(head, this.#socket), response);
  }
  #passOn(chunk: Buffer): void {
    const socket = this.#socket;
    this.#passedOn = true;
    returnReads(socket, this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.off("timeout", this.#onTimeout);
    this.#owner.onGone(this);
    this.#owner.passOn(socket, Buffer.from(chunk), this.#ended);
  }
  #onEnd = (): void => {
    this.#ended = true;
    if (!this.#response) this.#socket.end();
  };
  #onTimeout = (): void => {
    if (!this.#response) this.#socket.destroy();
  };
  #onClose = (): void => {
    const response = this.#response;
    this.#response = undefined;
    this.#ahead = undefined;
    response?.lost();
    if (!this.#passedOn) this.#owner.onGone(this);
  };
}

const ignoreError = (): void => {};
