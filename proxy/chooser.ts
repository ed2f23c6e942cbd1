// Takes one of the candidate endpoints, as the mode does: at random per flow (iptables, nftables), or by a scheduler (ipvs, userspace).
// Random choices are a function of (seed, ServicePort, client, ordinal), so that clients do not disturb each other's sequences.
import { type Balancer, balancerKind, ipvsSchedulers } from "../balancers/index.ts";
import type { Clock } from "../model/clock.ts";
import { hash32, type Random } from "../model/random.ts";
import { AffinityTable } from "./affinity.ts";
import type { ProxyMode } from "./evaluate.ts";
import { FlowLoads } from "./flow-loads.ts";
import type { Rule } from "./rules.ts";
import { hostPort, type ProxyEndpoint, type ServicePort } from "./service-port.ts";

export interface Choice {
  readonly endpoint: ProxyEndpoint;
  /** For people: `random`, `rr`, `ClientIP affinity`. */
  readonly how: string;
}

export interface ChooserOptions {
  readonly mode: ProxyMode;
  /** ipvs scheduler; default rr. */
  readonly scheduler?: string;
  readonly random: Random;
  readonly clock: Clock;
}

interface Stream {
  readonly seed: number;
  ordinal: number;
}

interface PortState {
  readonly streams: Map<string, Stream>;
  readonly balancers: Map<string, Balancer>;
}

const MAX_STREAMS = 4096;

/** True for the names that --ipvs-scheduler takes. */
export function isIpvsScheduler(name: string): boolean {
  return ipvsSchedulers.some((scheduler) => scheduler.name === name);
}

export class Chooser {
  readonly affinity = new AffinityTable();
  readonly #options: ChooserOptions;
  readonly #seed: number;
  readonly #ports = new Map<string, PortState>();
  readonly #loads: FlowLoads;

  constructor(options: ChooserOptions) {
    this.#options = options;
    this.#loads = new FlowLoads(options.clock);
    this.#seed = options.random.int(4294967296);
  }
  /** Picks for one flow. `node` is where the rules run; `flow` (when given) is remembered until `closed`, for algorithms that look at load. */
  pick(rule: Rule, candidates: readonly ProxyEndpoint[], node: string, client: string, flow?: number): Choice | undefined {
    const { port } = rule;
    const stateKey = port.key;
    const nowMs = this.#options.clock.now();
    const scope = this.#scopeOf(rule, node);
    if (port.affinitySeconds > 0) {
      const bound = this.affinity.find(stateKey, scope, client, candidates, nowMs);
      if (bound) {
        this.affinity.touch(stateKey, scope, client, bound.id, nowMs, port.affinitySeconds);
        const balancer = flow === undefined ? undefined : this.#ports.get(stateKey)?.balancers.get(scope);
        if (balancer && flow !== undefined) this.#loads.opened(flow, `${stateKey} ${scope}`, bound.id, balancer);
        return { endpoint: bound, how: "ClientIP affinity" };
      }
    }
    const choice = this.#fresh(port, stateKey, scope, candidates, client, nowMs, flow);
    if (choice && port.affinitySeconds > 0) {
      this.affinity.touch(stateKey, scope, client, choice.endpoint.id, nowMs, port.affinitySeconds);
    }
    return choice;
  }
  /** A flow has ended. */
  closed(flow: number): void {
    this.#loads.closed(flow);
  }
  /** Open flows through a rule on a node, by endpoint; empty for algorithms that draw at random. */
  openFlows(rule: Rule, node: string): ReadonlyMap<string, number> {
    return this.#loads.of(`${rule.port.key} ${this.#scopeOf(rule, node)}`);
  }
  /** A port's endpoints have changed, or it is gone (undefined). */
  changed(old: ServicePort, now: ServicePort | undefined): void {
    const { key } = old;
    this.affinity.retain(key, now && now.affinitySeconds > 0 ? new Set(now.endpoints.map((endpoint) => endpoint.id)) : undefined);
    if (!now || now.balancer !== old.balancer) this.#ports.delete(key);
  }
  /** Name of the algorithm that a port is balanced with. */
  algorithm(port: ServicePort): string {
    const { mode } = this.#options;
    if (mode === "iptables" || mode === "nftables") return "random";
    if (mode === "ipvs") return this.ipvsScheduler(port);
    return balancerKind(port.balancer) ? port.balancer : "round-robin";
  }
  /** The scheduler of a port's virtual servers: the annotation's when it names one, else the cluster's. */
  ipvsScheduler(port: ServicePort): string {
    return [port.balancer, this.#options.scheduler ?? ""].find(isIpvsScheduler) ?? "rr";
  }
  /** ipvs keeps persistence, turns and loads per virtual server, the others per ServicePort. */
  #scopeOf(rule: Rule, node: string): string {
    return this.#options.mode === "ipvs" ? `${node} ${hostPort(rule.ip, rule.portNumber)}` : node;
  }
  #fresh(
    port: ServicePort,
    key: string,
    scope: string,
    candidates: readonly ProxyEndpoint[],
    client: string,
    nowMs: number,
    flow?: number,
  ): Choice | undefined {
    let state = this.#ports.get(key);
    if (!state) this.#ports.set(key, (state = { streams: new Map(), balancers: new Map() }));
    const how = this.algorithm(port);
    if (how === "random") {
      const endpoint = candidates[this.#draw(state, key, client, candidates.length)];
      return endpoint && { endpoint, how };
    }
    let balancer = state.balancers.get(scope);
    if (!balancer) {
      const kind = balancerKind(how);
      if (!kind) return undefined;
      balancer = kind.create({ random: this.#options.random.fork(`${key} ${scope}`) });
      state.balancers.set(scope, balancer);
    }
    const endpoint = balancer.pick(candidates, { key: client, nowMs });
    if (!endpoint) return undefined;
    if (flow !== undefined) this.#loads.opened(flow, `${key} ${scope}`, endpoint.id, balancer);
    return { endpoint, how };
  }
  #draw(state: PortState, key: string, client: string, size: number): number {
    let stream = state.streams.get(client);
    if (!stream) {
      // Bounded: a client long unseen starts its sequence anew.
      if (state.streams.size >= MAX_STREAMS) state.streams.delete(state.streams.keys().next().value ?? "");
      state.streams.set(client, (stream = { seed: hash32(`${key} ${client}`, this.#seed), ordinal: 0 }));
    }
    return Math.floor((hash32(String(stream.ordinal++), stream.seed) / 4294967296) * size);
  }
}
