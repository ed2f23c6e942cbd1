// How long clients' connections live, how many requests they carry, as the ConfigMap says now, and that one comes after another.
// Upstream: keepalive_timeout, keepalive_requests, client_header_timeout, http2, http2_max_concurrent_streams of nginx.tmpl.
// Leaves out: idle HTTP/2 connections stay open.
import type { Server, ServerResponse } from "node:http";
import type { Http2SecureServer, Http2ServerRequest } from "node:http2";
import type { ControllerConfig } from "../config.ts";

/** client-header-timeout */
export const headTimeoutMs = (config: ControllerConfig): number => config.number("client-header-timeout", 60) * 1000;

/** keep-alive-requests; keep-alive 0 is one request each. */
export function requestsPerConnection(config: ControllerConfig): number {
  return config.number("keep-alive", 75) > 0 ? config.number("keep-alive-requests", 1000) : 1;
}

export function tuneServers(config: ControllerConfig, plain: Server, secure: Http2SecureServer): void {
  const limits = {
    headersTimeout: headTimeoutMs(config),
    keepAliveTimeout: config.number("keep-alive", 75) * 1000,
  };
  Object.assign(plain, limits);
  Object.assign(secure, limits);
  const maxConcurrentStreams = config.number("http2-max-concurrent-streams", 128);
  if (maxConcurrentStreams > 0) secure.updateSettings({ maxConcurrentStreams });
}

const REQUESTS = Symbol("requests");

/** Whether this is the last request that a connection of HTTP/1 may carry. Node's own count begins anew when a connection was parked. */
export function isLastRequest(socket: object & { [REQUESTS]?: number }, config: ControllerConfig): boolean {
  const count = (socket[REQUESTS] ?? 0) + 1;
  socket[REQUESTS] = count;
  return count >= requestsPerConnection(config);
}

/** The last request of an HTTP/2 connection: streams of a client have odd numbers. */
export function countStream({ stream }: Http2ServerRequest, config: ControllerConfig): void {
  const most = requestsPerConnection(config);
  if (stream?.id !== undefined && (stream.id + 1) / 2 >= most) stream.session?.close();
}

const LATEST = Symbol("latest answer");
type Asked = object & { [LATEST]?: ServerResponse | undefined };

/** The answer that is under way on a connection of HTTP/1: nginx looks at a request when it has answered the one before. */
export function answerUnderWay(socket: Asked): ServerResponse | undefined {
  const latest = socket[LATEST];
  return latest && !latest.writableFinished && !latest.destroyed ? latest : undefined;
}

export function setLatestAnswer(socket: Asked, response: ServerResponse): void {
  socket[LATEST] = response;
}

/** An idle connection keeps nothing of its last request alive. */
export function forgetAnswer(socket: Asked, response: ServerResponse): void {
  if (socket[LATEST] === response) socket[LATEST] = undefined;
}
