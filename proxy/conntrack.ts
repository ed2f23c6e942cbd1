// Which UDP conntrack entries are stale: to a Service's address, but answered by something that no longer serves it.
// Upstream: pkg/proxy/conntrack/cleanup.go, with the fix of #139628 (Services without endpoints count too).
import { ipFamily } from "../model/ip.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { Rules } from "./rules.ts";
import { hostPort, type ServicePort } from "./service-port.ts";

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
  return !servingIds(rule.port).has(hostPort(endpoint.ip, endpoint.port));
}

const memo = new WeakMap<ServicePort, ReadonlySet<string>>();

/** Endpoints that still answer; kept while the ServicePort lives, since all entries are looked at in one go. */
function servingIds(port: ServicePort): ReadonlySet<string> {
  let ids = memo.get(port);
  if (!ids) memo.set(port, (ids = new Set(port.endpoints.filter((endpoint) => endpoint.serving).map((endpoint) => endpoint.id))));
  return ids;
}
