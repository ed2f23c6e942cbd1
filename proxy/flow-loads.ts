// Open flows by endpoint, per virtual server: what load-aware balancers are told, and what draining endpoints still carry.
// Upstream: ipvs' own connection table (ActiveConn). A flow is open from its verdict until the fabric says that it ended.
import type { Balancer } from "../balancers/index.ts";
import type { Clock } from "../model/clock.ts";

interface OpenFlow {
  readonly server: string;
  readonly endpoint: string;
  readonly balancer: Balancer;
  readonly atMs: number;
}

export class FlowLoads {
  readonly #clock: Clock;
  readonly #flows = new Map<number, OpenFlow>();
  readonly #servers = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  /** `server` names what the balancer balances. */
  opened(flow: number, server: string, endpoint: string, balancer: Balancer): void {
    balancer.opened(endpoint);
    this.#flows.set(flow, { server, endpoint, balancer, atMs: this.#clock.now() });
    let loads = this.#servers.get(server);
    if (!loads) this.#servers.set(server, (loads = new Map()));
    loads.set(endpoint, (loads.get(endpoint) ?? 0) + 1);
  }
  /** A flow ended; one that was never opened here, or has ended before, is ignored. */
  closed(flow: number): void {
    const open = this.#flows.get(flow);
    if (!open) return;
    this.#flows.delete(flow);
    const nowMs = this.#clock.now();
    open.balancer.closed(open.endpoint, nowMs - open.atMs, nowMs);
    const loads = this.#servers.get(open.server);
    const left = (loads?.get(open.endpoint) ?? 1) - 1;
    if (left > 0) loads?.set(open.endpoint, left);
    else loads?.delete(open.endpoint);
    if (loads?.size === 0) this.#servers.delete(open.server);
  }
  /** Open flows of a server by endpoint id. */
  of(server: string): ReadonlyMap<string, number> {
    return this.#servers.get(server) ?? NONE;
  }
  get size(): number {
    return this.#flows.size;
  }
}

const NONE: ReadonlyMap<string, number> = new Map();
