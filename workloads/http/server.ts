// The HTTP server of inline pods: requests without a body take a short way of our own, as fast as in a program that has a process to itself
// (docs/decisions/0005-pod-http-server.md); all others are Node's, with the same handler.
import { createServer, type IncomingMessage, type Server as NodeHttpServer } from "node:http";
import type { Duplex } from "node:stream";
import { realClock, type Clock } from "../../model/clock.ts";
import { TcpServer } from "../../netsim/index.ts";
import { HttpConnection, type ConnectionOwner, type HttpSocket } from "./connection.ts";
import { NodeDrain } from "./drain.ts";
import type { Handler, HttpRequest, HttpResponse } from "./exchange.ts";

export interface HttpServerOptions {
  /** Milliseconds an idle connection is kept; 0, the default, is for ever, as Go's servers do. */
  readonly keepAliveMs?: number;
  /** A request to change the protocol; without it such a request is an ordinary one. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Of the Date header. */
  readonly clock?: Clock;
}

/** A server for `ContainerContext.listen`. */
export function createHttpServer(handler: Handler, options: HttpServerOptions = {}): HttpServer {
  return new HttpServer(handler, options);
}

export class HttpServer extends TcpServer implements ConnectionOwner {
  /** As node:http's: what is sent before the client's FIN is answered. */
  readonly httpAllowHalfOpen = true;
  readonly keepAliveMs: number;
  draining = false;
  readonly #handler: Handler;
  readonly #onUpgrade: HttpServerOptions["onUpgrade"];
  readonly #clock: Clock;
  readonly #connections = new Set<HttpConnection>();
  #node: { readonly server: NodeHttpServer; readonly drain: NodeDrain } | undefined;
  #drained: (() => void) | undefined;

  constructor(handler: Handler, { keepAliveMs = 0, onUpgrade, clock = realClock }: HttpServerOptions) {
    super({ allowHalfOpen: true });
    this.#handler = handler;
    this.keepAliveMs = keepAliveMs;
    this.#onUpgrade = onUpgrade;
    this.#clock = clock;
    this.on("connection", (socket: HttpSocket) => this.#connections.add(new HttpConnection(this, socket)));
  }
  override close(done?: (error?: Error) => void): this {
    super.close(done);
    this.closeIdleConnections();
    this.#node?.server.close();
    return this;
  }
  closeIdleConnections(): void {
    for (const connection of this.#connections) connection.endIdle();
    this.#node?.server.closeIdleConnections();
  }
  closeAllConnections(): void {
    for (const connection of [...this.#connections]) connection.destroy();
    this.#node?.server.closeAllConnections();
  }
  /** Ends idle connections, and the others with the answer under way; resolves when there is none. */
  async drain(): Promise<void> {
    this.draining = true;
    for (const connection of this.#connections) connection.endIdle();
    const others = this.#node?.drain.run();
    if ([...this.#connections].some(({ busy }) => busy)) await new Promise<void>((resolve) => (this.#drained = resolve));
    await others;
  }

  nowMs(): number {
    return this.#clock.now();
  }
  answer(request: HttpRequest, response: HttpResponse): void {
    answerSafely(this.#handler, request, response);
  }
  passOn(socket: HttpSocket, chunk: Buffer, ended: boolean): void {
    const { server } = (this.#node ??= this.#createNode());
    server.emit("connection", socket);
    socket.emit("data", chunk);
    if (ended) socket.emit("end");
  }
  onGone(connection: HttpConnection): void {
    this.#connections.delete(connection);
    if (this.#drained && ![...this.#connections].some(({ busy }) => busy)) this.#drained();
  }

  #createNode(): { readonly server: NodeHttpServer; readonly drain: NodeDrain } {
    const server = createServer((request, response) => this.answer(request, response));
    server.keepAliveTimeout = this.keepAliveMs;
    Object.assign(server, { httpAllowHalfOpen: true });
    if (this.#onUpgrade) server.on("upgrade", this.#onUpgrade);
    const drain = new NodeDrain(server);
    // Starts the timeouts of heads and bodies.
    server.emit("listening");
    return { server, drain };
  }
}

/** Runs the handler; one that throws answers 500, or cuts the answer that it has begun. */
export function answerSafely(handler: Handler, request: HttpRequest, response: HttpResponse): void {
  try {
    const outcome = handler(request, response);
    if (outcome instanceof Promise) outcome.catch((error: unknown) => fail(response, error));
  } catch (error) {
    fail(response, error);
  }
}

function fail(response: HttpResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(500, ["Content-Type", "text/plain; charset=utf-8"]);
  response.end(`${error instanceof Error ? error.message : String(error)}\n`);
}
