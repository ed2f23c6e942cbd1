// What went wrong with a connection, in the words of Go's net package, which people look for in the logs of a CoreDNS.
import type { SocketAddress } from "../../model/ports.ts";

const SYSTEM: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  EPIPE: "broken pipe",
};

/** Where it went wrong: `local` is unknown when nothing was opened, and `ended` when the server has closed the connection. */
export interface Failed {
  readonly proto: "udp" | "tcp";
  readonly during: "dial" | "read";
  readonly server: SocketAddress;
  readonly local?: SocketAddress | undefined;
  readonly ended?: boolean;
}

/** `read udp 127.244.0.2:40132->127.96.0.53:53: i/o timeout`; errors without a code that Go has are told as they are. */
export function failureText(error: unknown, { proto, during, server, local, ended }: Failed): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (ended) return "EOF";
  const from = local && during === "read" ? `${address(local)}->` : "";
  // A datagram socket has no handshake: only a way that is not there fails at once.
  const dialing = during === "dial" || code === "EHOSTUNREACH" || code === "ENETUNREACH";
  const where = dialing ? `dial ${proto} ${address(server)}` : `read ${proto} ${from}${address(server)}`;
  if (code === "ETIMEDOUT") return `${where}: i/o timeout`;
  const text = SYSTEM[code];
  if (text !== undefined) return `${where}: ${dialing ? "connect" : "read"}: ${text}`;
  return error instanceof Error ? error.message : String(error);
}

function address({ ip, port }: SocketAddress): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
