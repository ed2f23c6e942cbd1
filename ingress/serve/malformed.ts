// What Node's parser refuses gets nginx's page, or nginx's silence.
// Upstream: ngx_http_process_request_line, ngx_http_process_request_headers.
import type { Duplex } from "node:stream";
import { pageOf, titleOf } from "../request/answer.ts";
import type { ControllerConfig } from "../config.ts";
import { serverHeader, signed } from "../request/server-header.ts";
import { end } from "./first-head.ts";

interface ParseError extends NodeJS.ErrnoException {
  /** The bytes that the parser had before it, and how many of them it took. */
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
}

export function refuseMalformed(error: ParseError, socket: Duplex, config: ControllerConfig, nowMs: number): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  // A head that is late gets no answer, nor does a client that ends within a body.
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") return end(socket);
  if (error.code === "HPE_INVALID_EOF_STATE") return void socket.destroy();
  const status = error.code !== "HPE_HEADER_OVERFLOW" ? 400 : inRequestLine(error) ? 414 : 494;
  answer(socket, status, config, nowMs);
}

/** HTTP where TLS was expected. */
export function refusePlain(socket: Duplex, config: ControllerConfig, nowMs: number): void {
  answer(socket, 497, config, nowMs);
}

function answer(socket: Duplex, status: number, config: ControllerConfig, nowMs: number): void {
  const body = signed(pageOf(status), config);
  const server = serverHeader(config);
  const line = status === 414 ? `414 ${titleOf(414)}` : "400 Bad Request";
  const head = [
    `HTTP/1.1 ${line}`,
    ...(server === undefined ? [] : [`Server: ${server}`]),
    `Date: ${new Date(nowMs).toUTCString()}`,
    "Content-Type: text/html",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Told by the line's end before or behind where the parser stopped; a line longer than what was read at once is taken for the request's. */
function inRequestLine({ rawPacket, bytesParsed = 0 }: ParseError): boolean {
  if (!rawPacket) return false;
  if (rawPacket.subarray(0, bytesParsed).includes("\n")) return false;
  const rest = rawPacket.subarray(bytesParsed).toString("latin1");
  return !/^\r?\n/.test(rest);
}
