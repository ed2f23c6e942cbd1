// The pod's answer goes to the client as it comes: headers filtered, body streamed, compressed or slowed where asked.
import type { ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import { atEndOfTurn } from "../engine/end-of-turn.ts";
import type { ForwardResponse } from "../engine/forward.ts";
import type { Exchange } from "../request/exchange.ts";
import { addHsts, clientHeaders } from "../request/headers.ts";
import type { RequestRecord } from "../request/request-record.ts";
import { compression } from "./compression.ts";
import { buffered, Gather } from "./gather.ts";
import { limitRateOf, Throttle } from "./throttle.ts";
import { isGrpc } from "../request/next-upstream.ts";

export function passAnswer(response: ServerResponse, answer: ForwardResponse, exchange: Exchange, clock: Clock): void {
  addHsts(exchange);
  const http2 = exchange.facts.httpVersion.startsWith("2");
  const lines = clientHeaders(exchange, answer.status, answer.rawHeaders, http2);
  const bodiless = exchange.facts.method === "HEAD" || answer.status === 204 || answer.status === 304;
  const coded = bodiless ? undefined : compression(exchange, answer.status, lines);
  const compressor = coded?.stream;
  if (http2) response.writeHead(answer.status, coded?.lines ?? lines);
  else response.writeHead(answer.status, answer.statusText, coded?.lines ?? lines);
  const { record } = exchange;
  if (bodiless) {
    answer.discard();
    response.end();
    return;
  }
  const { limitRate, proxyBuffering } = exchange.location.settings;
  const gather = buffered(proxyBuffering, answer.rawHeaders) ? new Gather(proxyBuffering) : undefined;
  // What is not buffered nginx passes on as fast as it comes.
  const rate = gather ? (limitRateOf(answer.rawHeaders) ?? limitRate.rate) : 0;
  const throttle = rate > 0 ? new Throttle(clock, rate, limitRate.after) : undefined;
  if (!compressor && !throttle && !gather && !http2) {
    const whole = answer.takeWhole(WHOLE_BYTES);
    if (whole !== undefined) {
      // Text of one encoding with the head is one write.
      atEndOfTurn(() => response.end(whole, "latin1"));
      return void (record && count(record, whole.length));
    }
  }
  const body = answer.stream;
  const broken = (): void => breakOff(response);
  body.once("error", broken);
  body.once("close", () => {
    if (!body.readableEnded) broken();
  });
  // Those of HTTP/1.1 nginx reads and drops.
  if (isGrpc(exchange)) body.once("end", () => addTrailers(response, answer, http2));
  let from: Readable = body;
  for (const stage of [gather, compressor, throttle]) {
    if (!stage) continue;
    stage.once("error", broken);
    response.once("close", () => stage.destroy());
    from = from.pipe(stage);
  }
  if (record) countPassed(record, answer, body, from, response);
  from.pipe(response as Writable);
}

/** A body that ends too soon ends the connection or the stream, behind the head, which nginx has sent on by then. */
export function breakOff(response: ServerResponse): void {
  if (response.destroyed) return;
  response.flushHeaders();
  if ("stream" in response) (response as unknown as Http2ServerResponse).stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

/** Bodies up to this size are sent with their head in one write, when they are there whole. */
const WHOLE_BYTES = 8192;

/** A body that came whole. */
function count(record: RequestRecord, size: number): void {
  record.bodyBytes = size;
  if (record.lastTry) record.lastTry.bytes = size;
}

/** What comes from the pod, what goes to the client, and the chunks around either. */
function countPassed(record: RequestRecord, answer: ForwardResponse, body: Readable, passed: Readable, response: ServerResponse): void {
  const asked = record.lastTry;
  const fromChunks = chunkedLines(answer.rawHeaders);
  const toChunks = response.chunkedEncoding;
  if (asked) {
    body.on("data", (chunk: Buffer) => void (asked.bytes += chunk.length + (fromChunks ? framing(chunk) : 0)));
    if (fromChunks) body.once("end", () => void (asked.bytes += LAST_CHUNK + linesBytes(answer.trailers())));
  }
  passed.on("data", (chunk: Buffer) => {
    record.bodyBytes += chunk.length;
    if (toChunks) record.framingBytes += framing(chunk);
  });
  if (toChunks) passed.once("end", () => void (record.framingBytes += LAST_CHUNK));
}

/** `SIZE CRLF … CRLF` */
const framing = (chunk: Buffer): number => chunk.length.toString(16).length + 4;

/** `0 CRLF CRLF` */
const LAST_CHUNK = 5;

function chunkedLines(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((text, i) => i % 2 === 0 && text.length === 17 && text.toLowerCase() === "transfer-encoding");
}

const linesBytes = (lines: readonly string[]): number => lines.reduce((size, text) => size + text.length + 2, 0);

/** Trailers of a chunked answer, where the client's protocol carries them. */
function addTrailers(response: ServerResponse, answer: ForwardResponse, http2: boolean): void {
  const trailers = answer.trailers();
  if (trailers.length === 0 || response.destroyed || (!http2 && !response.chunkedEncoding)) return;
  const named: Record<string, string> = {};
  for (let i = 0; i + 1 < trailers.length; i += 2) named[trailers[i] ?? ""] = trailers[i + 1] ?? "";
  response.addTrailers(named);
}
