// Serving HTTP as a container: listen, answer, and at SIGTERM stop accepting, finish what is under way, and return.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { errnoOf, errnoText, throwIfTerminated, type ToolIo } from "../tools/tool.ts";
import type { Registration } from "../../model/ports.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface ServeOptions {
  /** A server made by the caller (https, or with upgrade listeners). */
  readonly server?: Server;
  /** Milliseconds an idle connection is kept; 0, the default, is for ever, as Go's servers do. */
  readonly keepAliveMs?: number;
  /** Called once when the port is open. */
  readonly onListening?: () => void;
  /** The line on stderr when the port cannot be had. */
  readonly onBusy?: (reason: string) => string;
  /** Stops serving as SIGTERM does. */
  readonly stop?: AbortSignal;
}

/** Serves until SIGTERM; resolves with 0, or 1 when the port is taken. */
export async function serveHttp(io: ToolIo, port: number, handler: Handler, options: ServeOptions = {}): Promise<number> {
  const server = options.server ?? createServer();
  server.keepAliveTimeout = options.keepAliveMs ?? 0;
  const sockets = new Set<Duplex>();
  const busy = new Map<Duplex, number>();
  const drained = Promise.withResolvers<void>();
  let stopping = false;
  const settle = (): void => {
    if (!stopping) return;
    for (const socket of sockets) if (!busy.has(socket)) socket.end();
    if (busy.size === 0) drained.resolve();
  };
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      busy.delete(socket);
      settle();
    });
  });
  server.on("request", (request, response) => {
    const { socket } = request;
    busy.set(socket, (busy.get(socket) ?? 0) + 1);
    if (stopping) response.shouldKeepAlive = false;
    response.once("close", () => {
      const left = (busy.get(socket) ?? 1) - 1;
      if (left > 0) busy.set(socket, left);
      else busy.delete(socket);
      settle();
    });
    void Promise.resolve()
      .then(() => handler(request, response))
      .catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else
          answer(
            response,
            500,
            [["Content-Type", "text/plain; charset=utf-8"]],
            `${error instanceof Error ? error.message : String(error)}\n`,
          );
      });
  });
  let registration: Registration;
  try {
    registration = await io.context.listen(port, server);
  } catch (error) {
    throwIfTerminated(io.signal);
    io.stderr.write(
      `${options.onBusy?.(errnoText(errnoOf(error))) ?? `listen tcp :${port}: bind: ${errnoText(errnoOf(error)).toLowerCase()}`}\n`,
    );
    return 1;
  }
  options.onListening?.();
  await stopped(options.stop ? AbortSignal.any([io.signal, options.stop]) : io.signal);
  stopping = true;
  await registration.close();
  settle();
  await drained.promise;
  return 0;
}

/** Resolves when the signal aborts. */
export function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

let dateText = "";
let dateSecond = -1;

/** The Date header's value on the cluster's clock. */
export function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

/** Answers with exactly these headers (and Content-Length), without Node's own Connection and Keep-Alive. */
export function answer(
  response: ServerResponse,
  status: number,
  headers: readonly (readonly [string, string])[],
  body: string | Buffer,
  statusText?: string,
): void {
  const data = typeof body === "string" ? Buffer.from(body) : body;
  const flat: string[] = [];
  let hasLength = status === 204 || status === 304 || status < 200;
  for (const [name, value] of headers) {
    flat.push(name, value);
    hasLength ||= name.toLowerCase() === "content-length";
  }
  if (!hasLength) flat.push("Content-Length", String(data.length));
  if (response.shouldKeepAlive) response.removeHeader("connection");
  if (statusText === undefined) response.writeHead(status, flat);
  else response.writeHead(status, statusText, flat);
  response.end(data);
}

/** A text answer in the manner of Go's net/http: Date, Content-Length, Content-Type. */
export function answerText(
  io: ToolIo,
  response: ServerResponse,
  body: string | Buffer,
  status = 200,
  headers: readonly (readonly [string, string])[] = [],
): void {
  const data = typeof body === "string" ? Buffer.from(body) : body;
  const named = headers.some(([name]) => name.toLowerCase() === "content-type");
  const rest: (readonly [string, string])[] = [
    ["Date", httpDate(io.context.clock.now())],
    ["Content-Length", String(data.length)],
  ];
  if (!named && data.length > 0) rest.push(["Content-Type", detectContentType(data)]);
  answer(response, status, [...headers, ...rest], data);
}

/** Content type of a body, as Go's http.DetectContentType tells text from HTML and the rest. */
export function detectContentType(data: Buffer): string {
  const start = data.toString("latin1", 0, 512).trimStart().toLowerCase();
  if (/^<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[\s>]/.test(start))
    return "text/html; charset=utf-8";
  if (start.startsWith("<?xml")) return "text/xml; charset=utf-8";
  return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(start) ? "application/octet-stream" : "text/plain; charset=utf-8";
}

/** The client's address as "ip" and "ip:port". */
export function clientOf(request: IncomingMessage): { readonly ip: string; readonly port: number; readonly text: string } {
  const ip = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const port = request.socket.remotePort ?? 0;
  return { ip, port, text: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}` };
}

const BODY_LIMIT = 16 * 1024 * 1024;

/** The request's body. Throws RangeError beyond 16 MiB. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += data.length;
    if (size > BODY_LIMIT) throw new RangeError("request body too large");
    parts.push(data);
  }
  return Buffer.concat(parts);
}

/** The request's URL; one that cannot be parsed is "/". */
export function urlOf(request: IncomingMessage): URL {
  const base = `http://${request.headers.host ?? "localhost"}`;
  const target = request.url ?? "/";
  return URL.parse(target, base) ?? URL.parse(target.replace(/^\/+/, "/"), "http://localhost") ?? new URL("http://localhost/");
}

/** Headers as Go prints them: canonical names, each with its values, sorted by name. */
export function canonicalHeaders(request: IncomingMessage): readonly (readonly [string, readonly string[]])[] {
  const all = new Map<string, string[]>();
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = canonicalName(request.rawHeaders[i] ?? "");
    all.set(name, [...(all.get(name) ?? []), request.rawHeaders[i + 1] ?? ""]);
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
}

/** `user-agent` → `User-Agent`. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)([a-z])/g, (_all, dash: string, letter: string) => dash + letter.toUpperCase());
}
