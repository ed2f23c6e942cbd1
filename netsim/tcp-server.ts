// A server for raw TCP programs of inline pods: it binds nothing, and is handed its sockets like any other pod's server.
import { createServer, Server } from "node:net";
import type { Duplex } from "node:stream";

/** A net.Server that calls `onConnection` with each socket (or in-memory duplex) handed to it. */
export function createTcpServer(onConnection: (socket: Duplex) => void): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
}

/** The same for a server that is a class of its own. */
export { Server as TcpServer };
