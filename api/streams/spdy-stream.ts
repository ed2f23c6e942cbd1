// One stream of a SPDY session as a Duplex: FIN is end-of-stream in each direction, RST_STREAM is destroy.
import { Duplex } from "node:stream";
import { SPDY_RESET } from "./spdy-frames.ts";

const WINDOW_BYTES = 64 * 1024;

/** What a stream needs of its session. */
export interface SpdyStreamLink {
  reply(): void;
  reset(status: number): void;
  send(bytes: Buffer, fin: boolean, done: () => void): void;
  /** Bytes that may be sent now in one frame; 0 when a window is used up. */
  room(): number;
  /** More (or, negative, fewer) received bytes wait to be read. */
  unread(deltaBytes: number): void;
  /** Tells the peer that so many bytes have been read. */
  acknowledge(bytes: number): void;
  gone(): void;
}

/** Made by SpdySession; whoever receives it must `reply()` or `refuse()`. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes that the peer's window still allows; kept by the session. */
  window: number;
  readonly #link: SpdyStreamLink;
  #inbox: Buffer[] = [];
  #finReceived = false;
  #finSent = false;
  #silent = false;
  #wanted = false;
  #readBytes = 0;
  #outgoing: { readonly rest: Buffer; readonly done: (error?: Error | null) => void } | undefined;

  constructor(id: number, headers: ReadonlyMap<string, string>, window: number, link: SpdyStreamLink) {
    super({ allowHalfOpen: true, highWaterMark: WINDOW_BYTES });
    this.id = id;
    this.headers = headers;
    this.window = window;
    this.#link = link;
    this.on("error", () => undefined);
  }

  /** Accepts the stream. */
  reply(): void {
    this.#link.reply();
  }

  /** Resets the stream. */
  refuse(status: number = SPDY_RESET.protocolError): void {
    if (!this.#silent && !this.destroyed) this.#link.reset(status);
    this.#silent = true;
    this.destroy();
  }

  receiveData(bytes: Buffer): void {
    if (this.#finReceived) return this.refuse(SPDY_RESET.streamAlreadyClosed);
    if (this.destroyed || bytes.length === 0) return;
    this.#inbox.push(bytes);
    this.#link.unread(bytes.length);
    if (this.#wanted) this.#drainInbox();
  }

  receiveFin(): void {
    if (this.#finReceived || this.destroyed) return;
    this.#finReceived = true;
    if (this.#wanted) this.#drainInbox();
  }

  /** The peer has reset the stream, or the session is gone. */
  receiveReset(): void {
    this.#silent = true;
    this.destroy();
  }

  /** Goes on with a write that waited for the peer's window. */
  flush(): void {
    while (this.#outgoing) {
      const room = this.#link.room();
      if (room <= 0) return;
      const { rest, done } = this.#outgoing;
      const piece = rest.subarray(0, room);
      const left = rest.subarray(room);
      this.#outgoing = left.length > 0 ? { rest: left, done } : undefined;
      this.window -= piece.length;
      this.#link.send(piece, false, left.length > 0 ? () => undefined : done);
    }
  }

  override _read(): void {
    this.#wanted = true;
    this.#drainInbox();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#outgoing = { rest: chunk, done };
    if (chunk.length === 0) {
      this.#outgoing = undefined;
      return this.#link.send(chunk, false, done);
    }
    this.flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#finSent = true;
    this.#link.send(Buffer.alloc(0), true, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const unread = this.#inbox.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#inbox = [];
    this.#outgoing?.done(error ?? new Error("the stream was reset"));
    this.#outgoing = undefined;
    if (unread > 0) this.#link.unread(-unread);
    if (!this.#silent && !(this.#finReceived && this.#finSent)) this.#link.reset(SPDY_RESET.cancel);
    this.#link.gone();
    done(error);
  }

  #drainInbox(): void {
    for (let chunk = this.#inbox.shift(); chunk; chunk = this.#inbox.shift()) {
      this.#wanted = this.push(chunk);
      this.#link.unread(-chunk.length);
      this.#readBytes += chunk.length;
      if (this.#readBytes >= WINDOW_BYTES / 2 && !this.#finReceived) {
        this.#link.acknowledge(this.#readBytes);
        this.#readBytes = 0;
      }
      if (!this.#wanted) return;
    }
    if (this.#finReceived) this.push(null);
  }
}
