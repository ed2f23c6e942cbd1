// A request's body on its way in: buffered as nginx does by default, so that it can be sent again to another pod; larger ones stream.
// Upstream: proxy_request_buffering, client_max_body_size. nginx spills to disk where this streams, so large bodies are sent once.
import type { IncomingMessage } from "node:http";
import { Transform, type TransformCallback } from "node:stream";
import { type Clock, nextTurn } from "../../model/clock.ts";
import type { ForwardBody } from "../engine/forward.ts";
import { end } from "./first-head.ts";

/** Larger bodies than this are streamed. */
export const BUFFER_LIMIT = 1024 * 1024;

/** As much as nginx reads with a head: client-header-buffer-size, about. */
const PREREAD_BYTES = 1024;

export type BodyResult = ForwardBody | { readonly type: "too-large" } | { readonly type: "gone" };

/** client-body-timeout: how long a client may send nothing of a body that is being read. */
export interface Patience {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** `limit` 0 is none. */
export async function readBody(
  request: IncomingMessage,
  contentLength: number | undefined,
  limit: number,
  buffering: boolean,
  patience: Patience,
): Promise<BodyResult> {
  const stream: BodyResult = { type: "stream", stream: request };
  if (contentLength !== undefined && contentLength > BUFFER_LIMIT) return stream;
  if (!buffering) {
    // What has come with the head, nginx has whole before it asks a pod.
    await nextTurn();
    if (!request.complete || request.readableLength > PREREAD_BYTES) return stream;
  }
  const most = limit > 0 ? limit : Infinity;
  const chunks: Buffer[] = [];
  let size = 0;
  const { promise, resolve } = Promise.withResolvers<BodyResult>();
  let heardAt = patience.clock.monotonic();
  const look = (): void => {
    const left = heardAt + patience.timeoutMs - patience.clock.monotonic();
    if (left > 0) timer = patience.clock.after(left, look, { background: true });
    else giveUp(request);
  };
  let timer = patience.clock.after(patience.timeoutMs, look, { background: true });
  const settle = (result: BodyResult): void => {
    timer.cancel();
    request.off("data", onData);
    request.off("end", onEnd);
    request.off("close", onClose);
    resolve(result);
  };
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    heardAt = patience.clock.monotonic();
    chunks.push(chunk);
    if (size > most) {
      request.pause();
      settle({ type: "too-large" });
    } else if (size > BUFFER_LIMIT && limit === 0) {
      request.pause();
      request.unshift(Buffer.concat(chunks));
      settle({ type: "stream", stream: request });
    }
  };
  const onEnd = (): void => settle({ type: "bytes", bytes: chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks) });
  const onClose = (): void => settle({ type: "gone" });
  request.on("data", onData);
  request.on("end", onEnd);
  request.on("close", onClose);
  return promise;
}

/** A body of unknown length on its way to the pod, which ends before what is over the limit. */
export class LimitedBody extends Transform {
  #left: number;
  readonly #onTooLarge: () => void;

  constructor(limit: number, onTooLarge: () => void) {
    super();
    this.#left = limit;
    this.#onTooLarge = onTooLarge;
  }
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#left -= chunk.length;
    if (this.#left >= 0) done(null, chunk);
    else this.#onTooLarge();
  }
}

/** No answer: the connection is reset, an HTTP/2 stream closed. */
function giveUp(request: IncomingMessage): void {
  if (request.httpVersionMajor >= 2) request.destroy();
  else end(request.socket);
}

/** A request with neither Content-Length nor Transfer-Encoding has no body. */
export function hasBody(request: IncomingMessage): boolean {
  const { headers, httpVersionMajor } = request;
  if (headers["transfer-encoding"] !== undefined) return true;
  if (headers["content-length"] !== undefined) return headers["content-length"] !== "0";
  return httpVersionMajor >= 2 && !request.readableEnded && request.method !== "GET" && request.method !== "HEAD";
}
