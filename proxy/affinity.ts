// Session affinity by client address: who was sent where, per node and ServicePort, until a timeout that every use renews.
// Upstream: nftables `update @affinity-… { ip saddr }` sets, iptables `-m recent`, ipvs persistence.
import type { ProxyEndpoint } from "./service-port.ts";

interface Entry {
  readonly endpoint: string;
  expiresAtMs: number;
}

/**
 * Affinity entries. `scope` is what an entry is private to (a node, and for ipvs also the virtual server). As with one set per endpoint,
 * a client may have entries for several endpoints: the first candidate with a live one wins.
 */
export class AffinityTable {
  readonly #ports = new Map<string, Map<string, Entry[]>>();

  /** The candidate that this client is bound to, if any. */
  find(port: string, scope: string, client: string, candidates: readonly ProxyEndpoint[], nowMs: number): ProxyEndpoint | undefined {
    const entries = this.#ports.get(port)?.get(`${scope} ${client}`);
    const live = entries?.filter((entry) => entry.expiresAtMs > nowMs);
    if (!live || live.length === 0) return undefined;
    return candidates.find((candidate) => live.some((entry) => entry.endpoint === candidate.id));
  }
  /** Binds or renews. */
  touch(port: string, scope: string, client: string, endpoint: string, nowMs: number, seconds: number): void {
    let clients = this.#ports.get(port);
    if (!clients) this.#ports.set(port, (clients = new Map()));
    const key = `${scope} ${client}`;
    const live = (clients.get(key) ?? []).filter((entry) => entry.expiresAtMs > nowMs && entry.endpoint !== endpoint);
    clients.set(key, [...live, { endpoint, expiresAtMs: nowMs + seconds * 1000 }]);
  }
  /** Forgets endpoints that are gone; `endpoints` undefined: the port itself is gone. */
  retain(port: string, endpoints: ReadonlySet<string> | undefined): void {
    const clients = this.#ports.get(port);
    if (!clients) return;
    if (!endpoints) return void this.#ports.delete(port);
    for (const [key, entries] of clients) {
      const kept = entries.filter((entry) => endpoints.has(entry.endpoint));
      if (kept.length === 0) clients.delete(key);
      else if (kept.length < entries.length) clients.set(key, kept);
    }
  }
  /** Drops what has timed out. */
  sweep(nowMs: number): void {
    for (const [port, clients] of this.#ports) {
      for (const [key, entries] of clients) if (entries.every((entry) => entry.expiresAtMs <= nowMs)) clients.delete(key);
      if (clients.size === 0) this.#ports.delete(port);
    }
  }
  /** Clients with an entry. */
  get size(): number {
    let size = 0;
    for (const clients of this.#ports.values()) size += clients.size;
    return size;
  }
}
