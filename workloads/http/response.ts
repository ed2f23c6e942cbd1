// The answer to a plain request, written as Node's ServerResponse writes one.
import { EventEmitter } from "node:events";
import type { HeaderList, HeaderValue, HttpResponse } from "./exchange.ts";
import { headerText, responseHead } from "./response-head.ts";

/** The connection, as its answer under way needs it. */
export interface ResponseSink {
  readonly keepAliveSeconds: number;
  nowMs(): number;
  /** `text` is latin1. `done`: all of it, and all before it, is with the kernel, or the connection is gone. */
  send(text: string, body: Uint8Array | undefined, tail: string, done?: () => void): boolean;
  onceDrained(listener: () => void): void;
  /** The answer is complete, and sent. */
  answered(last: boolean): void;
  cut(): void;
}

/** A body up to this size is sent in one piece with its head. */
const SMALL_BYTES = 4096;
const LAST_CHUNK = "0\r\n\r\n";

export class PlainResponse extends EventEmitter implements HttpResponse {
  statusCode = 200;
  statusMessage: string | undefined;
  shouldKeepAlive: boolean;
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  readonly #sink: ResponseSink;
  readonly #head: boolean;
  #headers: string[] = [];
  #bare = false;
  /** The program has written the head before its body was known. */
  #early = false;
  #chunked = false;
  #last = false;
  #drained = true;

  constructor(sink: ResponseSink, method: string, shouldKeepAlive: boolean) {
    super();
    this.#sink = sink;
    this.#head = method === "HEAD";
    this.shouldKeepAlive = shouldKeepAlive;
  }
  setHeader(name: string, value: HeaderValue): this {
    this.#refuseLate("set");
    const text = headerText(name, value);
    this.#remove(name);
    this.#add(name, text);
    return this;
  }
  removeHeader(name: string): void {
    this.#refuseLate("remove");
    this.#remove(name);
    if (name.toLowerCase() === "connection") this.#bare = true;
  }
  writeHead(status: number, reasonOrHeaders?: string | HeaderList, more?: HeaderList): this {
    this.#refuseLate("write");
    const headers = typeof reasonOrHeaders === "string" ? more : reasonOrHeaders;
    if (!Number.isInteger(status) || status < 100 || status > 999)
      throw Object.assign(new RangeError(`Invalid status code: ${status}`), { code: "ERR_HTTP_INVALID_STATUS_CODE" });
    this.statusCode = status;
    this.#early = true;
    if (typeof reasonOrHeaders === "string") this.statusMessage = reasonOrHeaders;
    if (Array.isArray(headers)) {
      const before = this.#headers.length;
      for (let i = 0; i < headers.length; i += 2) {
        const name = headers[i] ?? "";
        const text = headerText(name, headers[i + 1] ?? "");
        if (before > 0) this.#remove(name);
        this.#add(name, text);
      }
    } else for (const [name, value] of Object.entries(headers ?? {})) if (value !== undefined) this.setHeader(name, value);
    return this;
  }
  write(chunk: string | Uint8Array): boolean {
    if (this.writableEnded || this.destroyed) return false;
    // Its head goes with the end.
    if (!this.#hasBody) return true;
    const head = this.headersSent ? "" : this.#begin(undefined);
    const body = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (body.length === 0) return head === "" || this.#send(head, undefined, "");
    return this.#chunked ? this.#send(`${head}${body.length.toString(16)}\r\n`, body, "\r\n") : this.#send(head, body, "");
  }
  end(chunk?: string | Uint8Array): this {
    if (this.writableEnded || this.destroyed) return this;
    this.writableEnded = true;
    const ascii = typeof chunk === "string" && Buffer.byteLength(chunk) === chunk.length ? chunk : undefined;
    const body = ascii !== undefined ? undefined : typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const bytes = ascii?.length ?? body?.length ?? 0;
    let text = this.headersSent ? "" : this.#begin(this.#early ? undefined : bytes);
    let tail = "";
    if (!this.#hasBody || bytes === 0) {
      if (this.#chunked) tail = LAST_CHUNK;
      this.#sink.send(text, undefined, tail, this.#onSent);
      return this;
    }
    if (this.#chunked) {
      text += `${bytes.toString(16)}\r\n`;
      tail = `\r\n${LAST_CHUNK}`;
    }
    if (ascii !== undefined) this.#sink.send(text + ascii, undefined, tail, this.#onSent);
    else this.#sink.send(text, body, tail, this.#onSent);
    return this;
  }
  /** Cuts the connection. */
  destroy(): this {
    this.#sink.cut();
    return this;
  }
  /** The connection closed before the answer was complete. */
  lost(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }

  get #hasBody(): boolean {
    return !this.#head && this.statusCode !== 204 && this.statusCode !== 304 && this.statusCode >= 200;
  }
  #begin(bodyBytes: number | undefined): string {
    this.headersSent = true;
    const head = responseHead(this.statusCode, this.statusMessage, this.#headers, {
      hasBody: this.#hasBody,
      bodyBytes,
      shouldKeepAlive: this.shouldKeepAlive,
      bare: this.#bare,
      keepAliveSeconds: this.#sink.keepAliveSeconds,
      nowMs: this.#sink.nowMs(),
    });
    this.#chunked = head.chunked;
    this.#last = head.last;
    return head.text;
  }
  #send(text: string, body: Uint8Array | undefined, tail: string): boolean {
    const room = this.#sink.send(text, body, tail);
    if (!room && this.#drained) {
      this.#drained = false;
      this.#sink.onceDrained(this.#onDrained);
    }
    return room;
  }
  #onDrained = (): void => {
    this.#drained = true;
    if (!this.destroyed && !this.writableEnded) this.emit("drain");
  };
  #onSent = (): void => {
    if (this.destroyed) return;
    this.emit("finish");
    this.emit("close");
    this.#sink.answered(this.#last);
  };
  #add(name: string, text: string | readonly string[]): void {
    if (typeof text === "string") this.#headers.push(name, text);
    else for (const each of text) this.#headers.push(name, each);
  }
  #remove(name: string): void {
    const headers = this.#headers;
    if (headers.length === 0) return;
    const wanted = name.toLowerCase();
    for (let i = headers.length - 2; i >= 0; i -= 2) {
      const each = headers[i] ?? "";
      if (each.length === wanted.length && each.toLowerCase() === wanted) headers.splice(i, 2);
    }
  }
  #refuseLate(what: string): void {
    if (this.headersSent)
      throw Object.assign(new Error(`Cannot ${what} headers after they are sent to the client`), { code: "ERR_HTTP_HEADERS_SENT" });
  }
}

/** What is written in one piece: small bodies go with their head. */
export function inOnePiece(text: string, body: Uint8Array | undefined, tail: string): string | undefined {
  if (!body) return text + tail;
  return body.length <= SMALL_BYTES ? text + Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1") + tail : undefined;
}
