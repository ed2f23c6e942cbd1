// Whether a local address can be listened on, for `doctor`.
import { createServer } from "node:net";
import type { SocketAddress } from "../model/ports.ts";

/** Listens there for a moment; resolves with undefined when that works, else with the errno code. */
export function probeTcp({ ip, port }: SocketAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: ip, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
