// A pod that speaks raw bytes, at the other end of an in-memory connection, and each engine in front of it.
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { type Clock, nextTurn, realClock } from "../../../model/clock.ts";
import { createHttpProxyEngine } from "../../../ingress/engine/http-proxy-engine.ts";
import { ClientSignal, type Forward, type ForwardRequest, type ForwardResponse, UpstreamError } from "../../../ingress/engine/forward.ts";
import { createMemoryEngine } from "../../../ingress/engine/memory-engine.ts";
import { createNodeEngine } from "../../../ingress/engine/node-engine.ts";
import type { DialPeer } from "../../../ingress/engine/peer-agent.ts";
import { createDuplexPair, type MemorySocket } from "../../../netsim/index.ts";

export const ENGINES = ["http-proxy", "node:http", "memory"] as const;

const [CONTROLLER, POD] = [
  { ip: "127.244.0.5", port: 40_000 },
  { ip: "127.244.1.9", port: 8080 },
];

/** The server's end of each connection that the engine has opened, and what came on it. */
export interface Connection {
  readonly socket: MemorySocket;
  seen: string;
  closed: boolean;
  /** ECONNRESET when the engine reset it. */
  error: string | undefined;
}

export class Setup implements Disposable {
  readonly engine: Forward;
  readonly connections: Connection[] = [];
  readonly signal = new ClientSignal();
  readonly #close: () => void;
  /** Told of all that comes on a connection so far; answers on it. */
  answer: (connection: Connection) => void = () => {};
  /** What dialling does before it connects. */
  beforeDial: () => Promise<void> = async () => {};

  constructor(name: (typeof ENGINES)[number], clock: Clock = realClock) {
    const dial: DialPeer = async () => {
      await this.beforeDial();
      const [near, far] = createDuplexPair(
        clock,
        { local: CONTROLLER, remote: POD, allowHalfOpen: false },
        { local: POD, remote: CONTROLLER, allowHalfOpen: false },
      );
      const connection: Connection = { socket: far, seen: "", closed: false, error: undefined };
      near.on("error", () => {});
      far.on("error", (error: NodeJS.ErrnoException) => (connection.error = error.code));
      far.once("close", () => (connection.closed = true));
      far.on("data", (chunk: Buffer) => {
        connection.seen += chunk.toString("latin1");
        this.answer(connection);
      });
      this.connections.push(connection);
      return near;
    };
    const proxy = createHttpProxyEngine(clock, dial);
    const memory = createMemoryEngine(clock, dial, proxy);
    const node = createNodeEngine(clock, dial);
    this.engine = { "http-proxy": proxy, "node:http": node, memory }[name];
    this.#close = () => (memory.close(), node.close(), proxy.close());
  }
  send(request: Partial<ForwardRequest> = {}): Promise<ForwardResponse> {
    const incoming = new IncomingMessage(new Socket());
    const client = { request: incoming, response: new ServerResponse(incoming), signal: this.signal };
    return this.engine.send(client, {
      method: "GET",
      target: "/",
      headers: { Host: "pod" },
      body: { type: "none" },
      peer: { id: "127.244.1.9:8080", host: POD.ip, port: POD.port },
      tls: undefined,
      httpVersion: "1.1",
      connectTimeoutMs: 5000,
      sendTimeoutMs: 60_000,
      readTimeoutMs: 60_000,
      ...request,
    });
  }
  [Symbol.dispose](): void {
    this.#close();
    for (const { socket } of this.connections) socket.destroy();
  }
}

/** `200 OK [A=b] body {trailers}`, or the kind of failure; `…` where the body breaks off. */
export async function outcome(sent: Promise<ForwardResponse>): Promise<string> {
  let answer: ForwardResponse;
  try {
    answer = await sent;
  } catch (error) {
    return error instanceof UpstreamError ? error.failure : String(error);
  }
  const head = `${answer.status} ${answer.statusText} [${pairs(answer.rawHeaders)}]`;
  let body = answer.takeWhole(8192);
  if (body === undefined) {
    const { stream } = answer;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    let read = "";
    stream.on("data", (chunk: Buffer) => (read += chunk.toString("latin1")));
    stream.once("close", resolve).resume();
    if (!stream.closed) await closed;
    if (!stream.readableEnded) return `${head} ${read}…`;
    body = read;
  }
  const trailers = pairs(answer.trailers());
  return `${head} ${body}${trailers === "" ? "" : ` {${trailers}}`}`;
}

function pairs(lines: readonly string[]): string {
  const shown: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) shown.push(`${lines[i]}=${lines[i + 1]}`);
  return shown.join(", ");
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Long enough for whatever is on the wire. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}
