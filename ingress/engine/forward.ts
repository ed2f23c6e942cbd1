// What carries one request to one peer, whatever the engine: http-proxy, node:http or node:http2. One behaviour suite runs on all.
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Peer } from "../routes/upstreams.ts";
import type { CgiParam } from "./fastcgi-records.ts";
import type { PeerTls } from "./peer-tls.ts";

/** What follows the head of the request to the pod. */
export type ForwardBody =
  | { readonly type: "none" }
  | { readonly type: "bytes"; readonly bytes: Buffer }
  /** Can be sent once only. */
  | { readonly type: "stream"; readonly stream: Readable };

export interface ForwardRequest {
  readonly method: string;
  /** Path and query, on the wire as they are here. */
  readonly target: string;
  /** Without hop-by-hop headers; names in the case they are sent in. */
  readonly headers: OutgoingHttpHeaders;
  readonly body: ForwardBody;
  readonly peer: Peer;
  /** What FCGI pods get in place of method, target and headers. */
  readonly cgi?: readonly CgiParam[];
  /** Undefined: plain text. */
  readonly tls: PeerTls | undefined;
  /** proxy-http-version, for engines of HTTP/1. */
  readonly httpVersion: "1.0" | "1.1";
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
}

/** A pod's connection that speaks another protocol now. */
export interface Upgraded {
  readonly socket: Duplex;
  /** What has come on it behind the head. */
  readonly rest: Buffer;
}

/** The pod's answer, once its head is there. */
export interface ForwardResponse {
  readonly status: number;
  readonly statusText: string;
  /** Name, value, name, value. */
  readonly rawHeaders: readonly string[];
  /** The body as Latin-1 text when all of it has come with the head and is no larger than this; asked once, before `stream`. */
  takeWhole(limitBytes: number): string | undefined;
  /** The body as it comes. */
  readonly stream: Readable;
  /** Reads the body to its end for nobody. */
  discard(): void;
  /** Runs when the body has been read or given up; one listener. */
  onClosed(listener: () => void): void;
  /** When the connection was there, on the monotonic clock. */
  readonly connectedAt: number;
  /** After the body has ended: name, value, …. */
  trailers(): readonly string[];
  /** Of a 101. */
  readonly upgraded?: Upgraded | undefined;
  /** Gives the connection up. */
  abort(): void;
}

/** An answer whose body Node reads for us: of node:http or node:http2. */
export class StreamedResponse implements ForwardResponse {
  readonly status: number;
  readonly statusText: string;
  readonly rawHeaders: readonly string[];
  readonly stream: Readable;
  readonly connectedAt: number;
  readonly trailers: () => readonly string[];
  readonly upgraded: Upgraded | undefined;
  readonly abort: () => void;

  constructor(
    head: Pick<ForwardResponse, "status" | "statusText" | "rawHeaders" | "stream" | "connectedAt" | "trailers" | "upgraded" | "abort">,
  ) {
    this.status = head.status;
    this.statusText = head.statusText;
    this.rawHeaders = head.rawHeaders;
    this.stream = head.stream;
    this.connectedAt = head.connectedAt;
    this.trailers = head.trailers;
    this.upgraded = head.upgraded;
    this.abort = head.abort;
  }
  takeWhole(limitBytes: number): string | undefined {
    const size = this.stream.readableLength;
    if (size === 0 || size > limitBytes || size !== contentLength(this.rawHeaders)) return undefined;
    const chunk: unknown = this.stream.read(size);
    if (!Buffer.isBuffer(chunk)) return undefined;
    this.stream.resume();
    return chunk.toString("latin1");
  }
  discard(): void {
    this.stream.resume();
  }
  onClosed(listener: () => void): void {
    this.stream.once("close", listener);
  }
}

function contentLength(rawHeaders: readonly string[]): number | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 14 && name.toLowerCase() === "content-length") return Number(rawHeaders[i + 1]);
  }
  return undefined;
}

/** Tells that the client has left. An AbortSignal in small, one is made for every request; the try under way listens. */
export class ClientSignal {
  #aborted = false;
  #listener: (() => void) | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }
  /** In place of the listener before it, whose try is over. */
  onAbort(listener: () => void): void {
    this.#listener = listener;
  }
  offAbort(listener: () => void): void {
    if (this.#listener === listener) this.#listener = undefined;
  }
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#listener?.();
  }
}

/** The client's side, for engines that need it. */
export interface ForwardClient {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborts when the client has left. */
  readonly signal: ClientSignal;
}

export interface Forward {
  readonly name: string;
  /** Resolves with the head of the answer; rejects with an UpstreamError. */
  send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse>;
}

/** Why a peer gave no answer: the words of proxy_next_upstream. */
export type UpstreamFailure = "error" | "timeout" | "invalid_header";

export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly failure: UpstreamFailure;
  /** True when bytes of the request may have reached the pod. */
  readonly requestSent: boolean;
  /** The connection had been kept from an earlier request: the pod may just have closed it. */
  readonly reused: boolean;
  /** The name of an ExternalName Service leads nowhere: Lua has no balancer for such an upstream. */
  readonly #unresolved: boolean;

  constructor(
    failure: UpstreamFailure,
    message: string,
    sent: { readonly requestSent: boolean; readonly reused?: boolean; readonly unresolved?: boolean },
  ) {
    super(message);
    this.#unresolved = sent.unresolved ?? false;
    this.failure = failure;
    this.requestSent = sent.requestSent;
    this.reused = sent.reused ?? false;
  }
  /** What the client gets when no other peer is tried. */
  get status(): number {
    if (this.#unresolved) return 503;
    return this.failure === "timeout" ? 504 : 502;
  }
}

/** Any error of a connection as an UpstreamError: the one table from errno to failure. */
export function upstreamError(error: unknown, sent: { readonly requestSent: boolean; readonly reused?: boolean }): UpstreamError {
  if (error instanceof UpstreamError) return error;
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const message = error instanceof Error ? error.message : String(error);
  if (code === "ETIMEDOUT" || code === "ESOCKETTIMEDOUT") return new UpstreamError("timeout", message, sent);
  if (code.startsWith("HPE_"))
    return new UpstreamError("invalid_header", code === "HPE_HEADER_OVERFLOW" ? "upstream sent too big header" : message, sent);
  const unresolved = code === "ENOTFOUND" || code === "EAI_AGAIN";
  return new UpstreamError("error", message, { ...sent, unresolved });
}
