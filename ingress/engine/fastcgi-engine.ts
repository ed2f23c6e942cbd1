// Our engine for FCGI backends: a connection for each request, as nginx has it without fastcgi_keep_conn.
// Upstream: ngx_http_fastcgi_module.
import { type Duplex, PassThrough } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { bodyEnd, bodyRecords, END_REQUEST, parseCgiHead, RecordReader, requestRecords, STDERR, STDOUT } from "./fastcgi-records.ts";
import {
  type Forward,
  type ForwardClient,
  type ForwardRequest,
  type ForwardResponse,
  StreamedResponse,
  UpstreamError,
  upstreamError,
} from "./forward.ts";
import { within } from "./http2-engine.ts";
import type { DialPeer } from "./peer-agent.ts";

/** A head is refused beyond this, whatever proxy-buffer-size says. */
const MOST_HEAD_BYTES = 65_536;

export function createFastCgiEngine(clock: Clock, dial: DialPeer): Forward {
  return {
    name: "fastcgi",
    async send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
      let socket: Duplex;
      try {
        socket = await within(clock, request.connectTimeoutMs, dial(request.peer.host, request.peer.port));
      } catch (error) {
        throw upstreamError(error, { requestSent: false });
      }
      if (client.signal.aborted) {
        socket.destroy();
        throw new UpstreamError("error", "the client has left", { requestSent: false });
      }
      return new Conversation(clock, socket, client, request).answer;
    },
  };
}

/** One request on its connection. */
class Conversation {
  readonly #clock: Clock;
  readonly #socket: Duplex;
  readonly #request: ForwardRequest;
  readonly #answer = Promise.withResolvers<ForwardResponse>();
  readonly #reader = new RecordReader();
  readonly #connectedAt: number;
  /** STDOUT before the head is whole. */
  #head: Buffer = Buffer.alloc(0);
  #body: PassThrough | undefined;
  /** Of the body, as its Content-Length says. */
  #left = Infinity;
  #lastActivity: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, socket: Duplex, client: ForwardClient, request: ForwardRequest) {
    this.#clock = clock;
    this.#socket = socket;
    this.#request = request;
    this.#connectedAt = this.#lastActivity = clock.monotonic();
    const abort = (): void => this.#fail(new UpstreamError("error", "the client has left", { requestSent: true }));
    client.signal.onAbort(abort);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.once("close", () => {
      client.signal.offAbort(abort);
      this.#fail(new Error("upstream prematurely closed FastCGI stdout"));
    });
    this.#watch(request.readTimeoutMs);
    socket.write(requestRecords(request.cgi ?? []));
    const { body } = request;
    if (body.type === "bytes") socket.write(bodyRecords(body.bytes));
    if (body.type !== "stream") socket.write(bodyEnd());
    else {
      body.stream.on("data", (chunk: Buffer) => void socket.write(bodyRecords(chunk)));
      body.stream.once("end", () => void socket.write(bodyEnd()));
    }
  }
  get answer(): Promise<ForwardResponse> {
    return this.#answer.promise;
  }

  #onData(chunk: Buffer): void {
    this.#lastActivity = this.#clock.monotonic();
    try {
      for (const { type, content } of this.#reader.read(chunk)) {
        if (type === STDOUT) this.#onOutput(content);
        else if (type === END_REQUEST) this.#finish();
        else if (type !== STDERR) throw new Error(`upstream sent unexpected FastCGI record: ${type}`);
      }
    } catch (error) {
      this.#fail(new UpstreamError("invalid_header", error instanceof Error ? error.message : String(error), { requestSent: true }));
    }
  }
  #onOutput(content: Buffer): void {
    if (this.#body) return this.#pass(content);
    this.#head = Buffer.concat([this.#head, content]);
    if (this.#head.length > MOST_HEAD_BYTES) throw new Error("upstream sent too big header");
    const head = parseCgiHead(this.#head);
    if (!head) return;
    const { status, statusText, rawHeaders } = head;
    const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === "content-length");
    if (at >= 0) this.#left = Number(rawHeaders[at + 1]) || 0;
    const stream = (this.#body = new PassThrough());
    stream.on("drain", () => this.#socket.resume());
    stream.once("close", () => this.#socket.destroy());
    const abort = (): void => void stream.destroy();
    this.#answer.resolve(
      new StreamedResponse({ status, statusText, rawHeaders, stream, connectedAt: this.#connectedAt, trailers: () => [], abort }),
    );
    this.#pass(head.body);
  }
  #pass(content: Buffer): void {
    const part = content.subarray(0, this.#left);
    this.#left -= part.length;
    if (part.length > 0 && this.#body?.write(part) === false) this.#socket.pause();
  }
  #finish(): void {
    if (!this.#body) return this.#fail(new Error("upstream sent no header"));
    this.#timer?.cancel();
    this.#body.end();
  }
  #fail(error: unknown): void {
    this.#timer?.cancel();
    const failure = upstreamError(error, { requestSent: true });
    this.#answer.reject(failure);
    if (this.#body && !this.#body.writableEnded) this.#body.destroy(failure);
    this.#socket.destroy();
  }
  /** Until the answer has ended; a client that does not read is not the pod's silence. */
  #watch(leftMs: number): void {
    const { readTimeoutMs, peer } = this.#request;
    this.#timer = this.#clock.after(
      leftMs,
      () => {
        if (this.#socket.isPaused()) this.#lastActivity = this.#clock.monotonic();
        const left = this.#lastActivity + readTimeoutMs - this.#clock.monotonic();
        if (left > 0) this.#watch(left);
        else this.#fail(new UpstreamError("timeout", `timed out reading the answer of ${peer.id}`, { requestSent: true }));
      },
      { background: true },
    );
  }
}
