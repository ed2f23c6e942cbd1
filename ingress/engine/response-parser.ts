// Reads HTTP/1.1 answers off a connection, one after another, however their bytes are cut: RFC 9112, as strict as Node's own parser.
// Leaves out line folding and bare LF, which that parser refuses too.
import { UpstreamError } from "./forward.ts";

/** Told what is read, in order. */
export interface ResponseSink {
  /** `rawHeaders`: name, value, name, value; `length` of the body, when it is announced. Answers of 1xx are not told. */
  onHead(status: number, statusText: string, rawHeaders: readonly string[], length: number | undefined): void;
  onBody(chunk: Buffer): void;
  /** `keepAlive`: another request may follow on the connection. */
  onEnd(trailers: readonly string[], keepAlive: KeepAlive): void;
}

/** What the pod says of the connection's further life. */
export interface KeepAlive {
  readonly open: boolean;
  /** Of its Keep-Alive header: it closes an idle connection after so many seconds. */
  readonly timeoutSeconds: number | undefined;
}

type State = "idle" | "head" | "length" | "until-close" | "chunk-size" | "chunk" | "chunk-end" | "trailers";

/** As Node's client limits heads. */
const MAX_HEAD = 16_384;
const NOTHING: readonly string[] = [];
const EMPTY = Buffer.alloc(0);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/;
/** Controls, and CR or LF but as a pair. */
const ILLEGAL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|$)|(?<!\r)\n/;

export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = "idle";
  /** Bytes of a line or head that has not come whole. */
  #kept: Buffer = EMPTY;
  #bodiless = false;
  /** Bytes left of the body or of its chunk. */
  #left = 0;
  #open = true;
  #timeoutSeconds: number | undefined;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }
  /** An answer to a request of this method comes next. */
  expect(method: string): void {
    this.#state = "head";
    this.#bodiless = method === "HEAD";
  }
  /** Throws an UpstreamError for what is no HTTP, and for bytes that nobody asked for. */
  execute(chunk: Buffer): void {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = EMPTY;
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case "idle":
          throw invalid("bytes after the answer");
        case "head": {
          // Empty lines before an answer are passed over.
          if (this.#kept.length === 0) while (bytes[at] === 13 || bytes[at] === 10) at++;
          if (at === bytes.length) return;
          const end = bytes.indexOf("\r\n\r\n", at, "latin1");
          if (end < 0) {
            refuseEarly(bytes.toString("latin1", at));
            return this.#keep(bytes, at);
          }
          if (end - at > MAX_HEAD) throw invalid("upstream sent too big header");
          const head = bytes.toString("latin1", at, end + 2);
          at = end + 4;
          this.#onHead(head);
          break;
        }
        case "length":
        case "chunk": {
          const end = Math.min(bytes.length, at + this.#left);
          this.#left -= end - at;
          const part = at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end);
          at = end;
          this.#sink.onBody(part);
          if (this.#left > 0) break;
          if (this.#state === "chunk") this.#state = "chunk-end";
          else if (this.#state === "length") this.#end(NOTHING);
          break;
        }
        case "until-close":
          return this.#sink.onBody(at === 0 ? bytes : bytes.subarray(at));
        case "chunk-end":
          if (bytes.length - at < 2) return this.#keep(bytes, at);
          if (bytes[at] !== 13 || bytes[at + 1] !== 10) throw invalid("a chunk does not end where its size says");
          at += 2;
          this.#state = "chunk-size";
          break;
        case "chunk-size": {
          const end = bytes.indexOf("\r\n", at, "latin1");
          if (end < 0) return this.#keep(bytes, at);
          this.#left = chunkSize(bytes.toString("latin1", at, end));
          at = end + 2;
          this.#state = this.#left === 0 ? "trailers" : "chunk";
          break;
        }
        case "trailers": {
          if (bytes.length - at < 2) return this.#keep(bytes, at);
          if (bytes[at] === 13 && bytes[at + 1] === 10) {
            at += 2;
            this.#end(NOTHING);
            break;
          }
          const end = bytes.indexOf("\r\n\r\n", at, "latin1");
          if (end < 0) return this.#keep(bytes, at);
          const lines = bytes.toString("latin1", at, end + 2);
          at = end + 4;
          this.#end(parseLines(lines, 0));
          break;
        }
      }
    }
  }
  /** The pod sends no more. Throws when an answer was not whole. */
  finish(): void {
    if (this.#state === "until-close") return this.#end(NOTHING);
    if (this.#state === "idle") return;
    throw new Error("the pod closed the connection before its answer was whole");
  }

  #keep(bytes: Buffer, at: number): void {
    if (bytes.length - at > MAX_HEAD) throw invalid("upstream sent too big header");
    this.#kept = Buffer.from(at === 0 ? bytes : bytes.subarray(at));
  }
  #end(trailers: readonly string[]): void {
    this.#state = "idle";
    this.#sink.onEnd(trailers, { open: this.#open, timeoutSeconds: this.#timeoutSeconds });
  }
  #onHead(head: string): void {
    if (ILLEGAL.test(head)) throw invalid("a control character in the head of an answer");
    const lineEnd = head.indexOf("\r\n");
    const [, minor, code = "", text = ""] = STATUS_LINE.exec(head.slice(0, lineEnd)) ?? [];
    if (minor === undefined) throw invalid("no HTTP/1 status line");
    const status = Number(code);
    const rawHeaders = parseLines(head, lineEnd + 2);
    const framing = framingOf(rawHeaders);
    if (status === 101 || status < 100) throw invalid(`status ${status}`);
    if (status < 200) return;
    this.#timeoutSeconds = framing.timeoutSeconds;
    this.#open = minor === "1" ? !/\bclose\b/i.test(framing.connection) : /\bkeep-alive\b/i.test(framing.connection);
    const bodiless = this.#bodiless || status === 204 || status === 304;
    // The state is set before the sink is told, and a sink that is told of the end may ask for the next answer.
    const untilClose = !bodiless && !framing.chunked && framing.length === undefined;
    if (untilClose) this.#open = false;
    this.#left = framing.length ?? 0;
    this.#state = bodiless ? "idle" : framing.chunked ? "chunk-size" : untilClose ? "until-close" : "length";
    this.#sink.onHead(status, text, rawHeaders, framing.length);
    if (bodiless || (this.#state === "length" && this.#left === 0)) this.#end(NOTHING);
  }
}

/** What can be no head, whatever follows, is not waited for. */
function refuseEarly(start: string): void {
  if (!"HTTP/1.".startsWith(start.slice(0, 7)) || ILLEGAL.test(start)) throw invalid("no HTTP/1 status line");
}

interface Framing {
  readonly length: number | undefined;
  readonly chunked: boolean;
  readonly connection: string;
  readonly timeoutSeconds: number | undefined;
}

function framingOf(rawHeaders: readonly string[]): Framing {
  let length: number | undefined;
  let coding: string | undefined;
  let connection = "";
  let timeoutSeconds: number | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    // Names of other lengths frame nothing.
    if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue;
    const value = rawHeaders[i + 1] ?? "";
    switch (name.toLowerCase()) {
      case "content-length":
        if (length !== undefined || !/^\d{1,15}$/.test(value)) throw invalid(`Content-Length ${value}`);
        length = Number(value);
        break;
      case "transfer-encoding":
        coding = coding === undefined ? value : `${coding}, ${value}`;
        break;
      case "connection":
        connection += `,${value}`;
        break;
      case "keep-alive":
        timeoutSeconds = Number(/\btimeout=(\d+)/i.exec(value)?.[1] ?? Number.NaN);
        break;
    }
  }
  if (coding !== undefined && length !== undefined) throw invalid("both Content-Length and Transfer-Encoding");
  return {
    length,
    // A coding that does not end in chunked ends with the connection.
    chunked: coding !== undefined && /(?:^|,)[ \t]*chunked[ \t]*$/i.test(coding),
    connection,
    timeoutSeconds: timeoutSeconds === undefined || Number.isNaN(timeoutSeconds) ? undefined : timeoutSeconds,
  };
}

/** Lines of `name: value`, each with its CRLF, from `at`. */
function parseLines(text: string, at: number): string[] {
  const lines: string[] = [];
  for (let end: number; at < text.length; at = end + 2) {
    end = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    const name = colon < 0 || colon > end ? "" : text.slice(at, colon);
    if (!TOKEN.test(name)) throw invalid("a header line without a name");
    let from = colon + 1;
    let to = end;
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    lines.push(name, text.slice(from, to));
  }
  return lines;
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** Extensions are passed over, when they are such. */
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,13})(?:;[!#$%&'*+.^_`|~\w-]+(?:=(?:[!#$%&'*+.^_`|~\w-]+|"[\t\x20!#-~\x80-\xff]*"))?)*$/;

function chunkSize(line: string): number {
  const [, digits] = CHUNK_SIZE.exec(line) ?? [];
  if (digits === undefined) throw invalid(`chunk size ${JSON.stringify(line.slice(0, 20))}`);
  return Number.parseInt(digits, 16);
}

function invalid(message: string): UpstreamError {
  return new UpstreamError("invalid_header", message, { requestSent: true });
}
