// What is known of a connection beyond its own addresses: the client that PROXY protocol tells, and nginx's place behind ssl-passthrough.
import type { Duplex } from "node:stream";
import type { ProxiedConnection } from "../proxy-protocol.ts";

export interface Origin {
  /** The peer that nginx sees, where it is not the socket's. */
  readonly peerIp: string | undefined;
  /** $proxy_protocol_addr and its like; null: the header named none. */
  readonly proxied: ProxiedConnection | null;
}

const ORIGIN = Symbol("origin");

interface WithOrigin {
  [ORIGIN]?: Origin;
}

// A property, not a WeakMap: HTTP/2 shows a session's socket through a proxy of its own.
export function setOrigin(socket: Duplex, origin: Origin): void {
  Object.assign(socket, { [ORIGIN]: origin } satisfies WithOrigin);
}

export function originOf(socket: Duplex & WithOrigin): Origin | undefined {
  return socket[ORIGIN];
}
