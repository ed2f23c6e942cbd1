// ssl-ciphers of a host: Node takes of a context that SNI chooses the certificate alone, so the context is put in place before the
// connection's TLS begins, by the name in its ClientHello. Looked at only while some host has ciphers of its own.
// Upstream: ngx_http_ssl_servername, which exchanges the whole context.
import type { Duplex } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import type { SecureContext } from "../../netsim/index.ts";
import { parseClientHello } from "../tls/client-hello.ts";
import { findServer } from "../request/match.ts";
import type { RouteTable } from "../routes/route-table.ts";
import { takePreface } from "./preface.ts";

const known = new WeakMap<RouteTable, boolean>();

export function someHostHasCiphers(table: RouteTable): boolean {
  let found = known.get(table);
  if (found === undefined) {
    found = [...table.hosts.values(), ...table.wildcards.values()].some(({ ciphers }) => ciphers !== undefined);
    known.set(table, found);
  }
  return found;
}

/** The name that the client asks for; "gone" when it has left. */
export async function serverNameOf(socket: Duplex, clock: Clock, timeoutMs: number): Promise<string | undefined | "gone"> {
  const name = await takePreface(socket, {
    clock,
    timeoutMs,
    parse: (bytes) => {
      const found = parseClientHello(bytes);
      return found.type === "more" ? undefined : { value: found.type === "hello" ? found.serverName : undefined, size: 0 };
    },
  });
  return socket.destroyed ? "gone" : name;
}

export const hasCiphers = (table: RouteTable, serverName: string | undefined): boolean =>
  serverName !== undefined && findServer(table, serverName.toLowerCase()).ciphers !== undefined;

/** What Node's TLS server gives to a new connection. */
interface TlsServerInternals {
  _sharedCreds?: SecureContext;
}

/** Runs `admit`, in which a connection's TLS begins, with another context as the server's. */
export function withContext(server: object, context: SecureContext, admit: () => void): void {
  const internals = server as TlsServerInternals;
  const own = internals._sharedCreds;
  internals._sharedCreds = context;
  try {
    admit();
  } finally {
    if (own) internals._sharedCreds = own;
  }
}
