// Serving HTTP as a container: listen, answer, and at SIGTERM stop accepting, finish what is under way, and return.
import type { Server } from "node:http";
import {
  answerSafely,
  createHttpServer,
  httpDate,
  type Handler,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  type HttpServerOptions,
  NodeDrain,
} from "../http/index.ts";
import { errnoOf, errnoText, throwIfTerminated, type ToolIo } from "../tools/tool.ts";
import type { Registration } from "../../model/ports.ts";

export interface ServeOptions extends Pick<HttpServerOptions, "keepAliveMs" | "onUpgrade"> {
  /** A server made by the caller, for TLS. */
  readonly server?: Server;
  /** Called once when the port is open. */
  readonly onListening?: () => void;
  /** The line on stderr when the port cannot be had. */
  readonly onBusy?: (reason: string) => string;
  /** Stops serving as SIGTERM does. */
  readonly stop?: AbortSignal;
}

/** Serves until SIGTERM; resolves with 0, or 1 when the port is taken. */
export async function serveHttp(io: ToolIo, port: number, handler: Handler, options: ServeOptions = {}): Promise<number> {
  const { server, drain } = options.server ? ofNode(options.server, handler, options) : ofPods(handler, io, options);
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
  await registration.close();
  await drain();
  return 0;
}

interface Served {
  readonly server: Server | HttpServer;
  /** Idle connections end at once, the others with the answer under way. */
  drain(): Promise<void>;
}

function ofPods(handler: Handler, io: ToolIo, { keepAliveMs, onUpgrade }: ServeOptions): Served {
  const { clock } = io.context;
  const server = createHttpServer(handler, { clock, ...(keepAliveMs && { keepAliveMs }), ...(onUpgrade && { onUpgrade }) });
  return { server, drain: () => server.drain() };
}

function ofNode(server: Server, handler: Handler, { keepAliveMs = 0 }: ServeOptions): Served {
  server.keepAliveTimeout = keepAliveMs;
  const drain = new NodeDrain(server);
  server.on("request", (request, response) => answerSafely(handler, request, response));
  return { server, drain: () => drain.run() };
}

/** Resolves when the signal aborts. */
export function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Answers with exactly these headers (and Content-Length), without Node's own Connection and Keep-Alive. */
export function answer(
  response: HttpResponse,
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
  response: HttpResponse,
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
export function clientOf(request: HttpRequest): { readonly ip: string; readonly port: number; readonly text: string } {
  const ip = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const port = request.socket.remotePort ?? 0;
  return { ip, port, text: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}` };
}

const BODY_LIMIT = 16 * 1024 * 1024;

/** The request's body. Throws RangeError beyond 16 MiB. */
export async function bodyOf(request: HttpRequest): Promise<Buffer> {
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
export function urlOf(request: HttpRequest): URL {
  const base = `http://${request.headers.host ?? "localhost"}`;
  const target = request.url ?? "/";
  return URL.parse(target, base) ?? URL.parse(target.replace(/^\/+/, "/"), "http://localhost") ?? new URL("http://localhost/");
}

/** Headers as Go prints them: canonical names, each with its values, sorted by name. */
export function canonicalHeaders(request: HttpRequest): readonly (readonly [string, readonly string[]])[] {
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
