// A tiny server of this process for the generator's tests: it says in a header which "pod" it is and may be scripted per request.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Test } from "tap";
import { realClock } from "../../../model/clock.ts";
import type { SocketAddress } from "../../../model/ports.ts";
import { directTransport, type LoadOptions } from "../../../lab/index.ts";

export interface TinyServer {
  readonly server: Server;
  readonly address: SocketAddress;
  /** Connections accepted and requests seen so far. */
  readonly seen: { connections: number; requests: number };
}

type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

/** Listens on a free port until the test ends. */
export async function tinyServer(t: Test, handle: Handler = (_request, response) => void response.end("ok")): Promise<TinyServer> {
  const seen = { connections: 0, requests: 0 };
  const server = createServer((request, response) => handle(request, response, ++seen.requests));
  server.on("connection", () => seen.connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { server, address: { ip: "127.0.0.1", port }, seen };
}

/** A closed loop of 4 clients and 100 requests against `to`, changed by `options`. */
export function loadOf(to: SocketAddress, options: Partial<LoadOptions> = {}): LoadOptions {
  const base = { connections: 4, keepAlive: true, timeoutMs: 2000, method: "GET", path: "/", headers: { host: "tiny" }, clock: realClock };
  const stop = options.requests === undefined && options.forMs === undefined ? { requests: 100 } : {};
  return { transport: directTransport(to), ...base, ...stop, ...options };
}
