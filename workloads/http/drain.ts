// How a Node HTTP server ends at SIGTERM: idle connections at once, the others with the answer under way.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export class NodeDrain {
  readonly #sockets = new Set<Duplex>();
  readonly #busy = new Map<Duplex, number>();
  readonly #drained = Promise.withResolvers<void>();
  #stopping = false;

  /** Before the server has connections. */
  constructor(server: Server) {
    server.prependListener("connection", (socket: Duplex) => this.#follow(socket));
    server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => this.#begin(request.socket, response));
  }
  /** Resolves when no request is under way. */
  run(): Promise<void> {
    this.#stopping = true;
    this.#settle();
    return this.#drained.promise;
  }

  #follow(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#busy.delete(socket);
      this.#settle();
    });
  }
  #begin(socket: Duplex, response: ServerResponse): void {
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    if (this.#stopping) response.shouldKeepAlive = false;
    response.once("close", () => {
      const left = (this.#busy.get(socket) ?? 1) - 1;
      if (left > 0) this.#busy.set(socket, left);
      else this.#busy.delete(socket);
      this.#settle();
    });
  }
  #settle(): void {
    if (!this.#stopping) return;
    for (const socket of this.#sockets) if (!this.#busy.has(socket)) socket.end();
    if (this.#busy.size === 0) this.#drained.resolve();
  }
}
