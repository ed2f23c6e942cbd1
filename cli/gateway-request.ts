// One HTTP request through the gateway on a connection of its own (CONNECT), so that its headers arrive as they are written.
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { realClock } from "../model/clock.ts";

export interface GatewayRequest {
  /** `ip:port` of the gateway. */
  readonly gateway: string;
  readonly url: URL;
  /** `namespace/name` of the pod to connect as; without it the host. */
  readonly pod: string | undefined;
  readonly method: string;
  /** `Name: value`, in order. */
  readonly headers: readonly string[];
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

export interface GatewayAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly body: Buffer;
  /** `ip:port` that the connection was given to. */
  readonly endpoint: string;
  readonly ms: number;
}

/** No answer came: there was no connection (the message is the gateway's), it broke, or it took too long. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Rejects with Unreachable, or with the error of the connection to the gateway. */
export async function requestThroughGateway(options: GatewayRequest): Promise<GatewayAnswer> {
  const began = realClock.monotonic();
  const abort = new AbortController();
  const timer = realClock.after(options.timeoutMs, () =>
    abort.abort(new Unreachable(`${options.url.host}: no answer within ${options.timeoutMs / 1000} s`)),
  );
  try {
    const { connection, endpoint } = await open(options, abort.signal);
    const { answer, body } = await exchange(connection, options, abort.signal);
    const { statusCode = 0, statusMessage = "" } = answer;
    return { status: statusCode, statusText: `${statusCode} ${statusMessage}`.trim(), body, endpoint, ms: realClock.monotonic() - began };
  } catch (error) {
    throw abort.signal.aborted ? (abort.signal.reason as Error) : error;
  } finally {
    timer.cancel();
  }
}

async function exchange(
  connection: Duplex,
  options: GatewayRequest,
  signal: AbortSignal,
): Promise<{ readonly answer: IncomingMessage; readonly body: Buffer }> {
  try {
    const answer = await send(connection, options, signal);
    return { answer, body: await bytesOf(answer) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === "ECONNRESET" || code === "EPIPE" ? "the connection was reset before an answer had come" : message;
    throw new Unreachable(`${options.url.host}: ${what}`, { cause: error });
  }
}

function open(
  { gateway, url, pod }: GatewayRequest,
  signal: AbortSignal,
): Promise<{ readonly connection: Duplex; readonly endpoint: string }> {
  const colon = gateway.lastIndexOf(":");
  const authority = `${url.hostname}:${url.port || 80}`;
  const headers: Record<string, string> = { host: authority };
  if (pod !== undefined) headers["proxy-authorization"] = `Basic ${Buffer.from(`${pod}:`).toString("base64")}`;
  return new Promise((resolve, reject) => {
    const to = { host: gateway.slice(0, colon), port: Number(gateway.slice(colon + 1)) };
    const asked = request({ ...to, method: "CONNECT", path: authority, headers, agent: false, signal });
    asked.on("error", reject);
    asked.on("connect", (answer, connection: Duplex, head) => {
      if (head.length > 0) connection.unshift(head);
      if (answer.statusCode === 200) resolve({ connection, endpoint: String(answer.headers["x-loopkube-endpoint"] ?? "") });
      else void bytesOf(connection).then((text) => reject(new Unreachable(text.toString().trim())), reject);
    });
    asked.end();
  });
}

function send(connection: Duplex, { url, method, headers, body }: GatewayRequest, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ createConnection: () => connection, host: url.hostname, method, path: `${url.pathname}${url.search}`, signal });
    sent.on("error", reject);
    sent.on("response", resolve);
    sent.setHeader("host", url.host);
    sent.setHeader("connection", "close");
    for (const [name, values] of Object.entries(Object.groupBy(headers, (line) => line.slice(0, line.indexOf(":")).toLowerCase()))) {
      const texts = (values ?? []).map((line) => line.slice(line.indexOf(":") + 1).trim());
      sent.setHeader(name, texts.length === 1 ? (texts[0] ?? "") : texts);
    }
    sent.end(body);
  });
}

async function bytesOf(stream: Duplex | IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
