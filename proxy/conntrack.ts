// Which UDP conntrack entries are stale: to a Service's address, but answered by something that no longer serves it.
// Upstream: pkg/proxy/conntrack/cleanup.go, with the fix of #139628 (Services without endpoints count too).
import { ipFamily } from "../model/ip.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { Rules } from "./rules.ts";
import { hostPort } from "./service-port.ts";

/** A UDP entry: what the client sends to, and the endpoint that the replies come from. */
export interface ConntrackEntry {
  readonly destination: SocketAddress;
  readonly endpoint: SocketAddress;
}

/** True when the entry must go, so that the client's next datagram is decided anew. Entries of unknown destinations are kept. */
export function isStaleUdp(rules: Rules, { destination, endpoint }: ConntrackEntry): boolean {
  const family = ipFamily(destination.ip);
  const rule = rules.atAddress(destination.ip, destination.port, "UDP") ?? (family && rules.atNodePort(destination.port, "UDP", family));
  if (!rule) return false;
  const id = hostPort(endpoint.ip, endpoint.port);
  return !rule.port.endpoints.some((candidate) => candidate.id === id && candidate.serving);
}
