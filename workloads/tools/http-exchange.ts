// One HTTP/1.1 request as the pod: resolve, connect, TLS when asked, send, and the answer's head with its body as a stream.
// curl and wget are two ways of asking for it and of telling what went wrong.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { ipFamily } from "../../model/ip.ts";
import { orTerminated, type ToolIo } from "./tool.ts";

export interface ExchangeRequest {
  readonly url: URL;
  readonly method: string;
  /** In the order to be sent; Host is among them. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: Buffer;
  /** Verify the server's certificate. */
  readonly verify: boolean;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** Addresses instead of those that the name resolves to. */
  readonly addresses?: readonly string[];
  readonly connectTimeoutMs?: number;
  /** Stops the exchange; its reason is what is thrown. */
  readonly signal: AbortSignal;
  readonly onTrying?: (ip: string, port: number) => void;
  readonly onRefused?: (ip: string, port: number, error: unknown) => void;
  readonly onConnected?: (ip: string, port: number) => void;
  readonly onSent?: () => void;
}

export interface ExchangeAnswer {
  readonly message: IncomingMessage;
  readonly ip: string;
  readonly port: number;
  /** Milliseconds from the start: name resolved, connected, TLS done, first byte. */
  readonly timings: { readonly lookup: number; readonly connect: number; readonly tls: number; readonly firstByte: number };
  /** Ends the connection. */
  close(): void;
}

/** Where an exchange failed; `cause` is the error of that step. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly step: "lookup" | "connect" | "tls" | "send" | "receive";
  readonly elapsedMs: number;
  constructor(step: ExchangeError["step"], cause: unknown, elapsedMs: number) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.step = step;
    this.elapsedMs = elapsedMs;
  }
}

/** The port a URL asks for. */
export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}

/** The host of a URL without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** Sends the request and resolves with the head of the answer. Throws ExchangeError. */
export async function exchange(request: ExchangeRequest, io: ToolIo): Promise<ExchangeAnswer> {
  const { clock } = io.context;
  const start = clock.monotonic();
  const elapsed = (): number => clock.monotonic() - start;
  const port = portOf(request.url);
  const host = hostOf(request.url);
  const step = async <T>(name: ExchangeError["step"], promise: Promise<T>): Promise<T> => {
    try {
      return await orTerminated(promise, io.signal);
    } catch (error) {
      if (io.signal.aborted) throw error;
      throw new ExchangeError(name, request.signal.aborted ? request.signal.reason : error, elapsed());
    }
  };
  const addresses = request.addresses ?? (await step("lookup", stoppable(io.context.lookup(host), request.signal)));
  const lookup = elapsed();
  const connected = await step("connect", connect(request, addresses, port, io));
  const connectMs = elapsed();
  let socket: Duplex = connected.socket;
  const answer = Promise.withResolvers<IncomingMessage>();
  const secure = request.url.protocol === "https:";
  const client = (secure ? httpsRequest : httpRequest)({
    method: request.method,
    path: request.url.pathname + request.url.search,
    host,
    port,
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: 65536,
    ...(secure
      ? {
          agent: new TlsAgent({ keepAlive: false }),
          // The agent passes it to tls.connect, which then speaks TLS over it.
          socket: connected.socket,
          rejectUnauthorized: request.verify,
          ...(request.ca === undefined ? {} : { ca: request.ca }),
          ...(ipFamily(host) ? {} : { servername: host }),
          ALPNProtocols: ["http/1.1"],
        }
      : { createConnection: () => connected.socket }),
  });
  const byName = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of request.headers) {
    const entry = byName.get(name.toLowerCase()) ?? { name, values: [] };
    entry.values.push(value);
    byName.set(name.toLowerCase(), entry);
  }
  for (const { name, values } of byName.values()) client.setHeader(name, values.length === 1 ? (values[0] ?? "") : values);
  if (!byName.has("connection")) client.removeHeader("connection");
  if (!request.body) client.removeHeader("content-length");
  let tls = 0;
  client.once("socket", (wrapped) => {
    socket = wrapped;
    wrapped.once("secureConnect", () => (tls = elapsed()));
  });
  client.once("response", (message) => answer.resolve(message));
  client.once("error", (error) => answer.reject(error));
  client.once("upgrade", (message) => answer.resolve(message));
  const onAbort = (): void => void client.destroy(request.signal.reason instanceof Error ? request.signal.reason : new Error("stopped"));
  request.signal.addEventListener("abort", onAbort, { once: true });
  if (!secure) request.onSent?.();
  client.end(request.body);
  try {
    const message = await step(secure && tls === 0 ? "receive" : "receive", answer.promise);
    client.on("error", () => {});
    if (secure) request.onSent?.();
    return { message, ip: connected.ip, port, timings: { lookup, connect: connectMs, tls, firstByte: elapsed() }, close };
  } catch (error) {
    client.on("error", () => {});
    close();
    throw secure && tls === 0 && error instanceof ExchangeError && !request.signal.aborted
      ? new ExchangeError("tls", error.cause, error.elapsedMs)
      : error;
  }
  function close(): void {
    request.signal.removeEventListener("abort", onAbort);
    client.destroy();
    socket.destroy();
    connected.socket.destroy();
  }
}

async function connect(
  request: ExchangeRequest,
  addresses: readonly string[],
  port: number,
  io: ToolIo,
): Promise<{ readonly socket: Duplex; readonly ip: string }> {
  let last: unknown = new Error("no address");
  for (const ip of addresses) {
    request.onTrying?.(ip, port);
    try {
      const timeout = request.connectTimeoutMs === undefined ? {} : { timeoutMs: request.connectTimeoutMs };
      const signal = AbortSignal.any([io.signal, request.signal]);
      const socket = await stoppable(io.context.dial(ip, port, { signal, ...timeout }), request.signal);
      request.onConnected?.(ip, port);
      return { socket, ip };
    } catch (error) {
      last = error;
      request.onRefused?.(ip, port, error);
      if (request.signal.aborted) break;
    }
  }
  throw last;
}

async function stoppable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const gate = Promise.withResolvers<never>();
  const onAbort = (): void => gate.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, gate.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
