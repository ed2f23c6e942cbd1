// Takes one of the candidate endpoints, as the mode does: at random per flow (iptables, nftables), or by a scheduler (ipvs, userspace).
// Random choices are a function of (seed, ServicePort, client, ordinal), so that clients do not disturb each other's sequences.
import { type Balancer, balancerKind, ipvsSchedulers } from "../balancers/index.ts";
import type { Clock } from "../model/clock.ts";
import type { Random } from "../model/random.ts";
import { AffinityTable } from "./affinity.ts";
import { Draws } from "./draws.ts";
import type { ProxyMode } from "./proxy-config.ts";
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

/** True for the names that --ipvs-scheduler takes. */
export function isIpvsScheduler(name: string): boolean {
  return ipvsSchedulers.some((scheduler) => scheduler.name === name);
}

export class Chooser {
  readonly affinity = new AffinityTable();
  readonly #options: ChooserOptions;
  readonly #draws: Draws;
  /** By ServicePort, then by scope. */
  readonly #balancers = new Map<string, Map<string, Balancer>>();
  readonly #loads: FlowLoads;

  constructor(options: ChooserOptions) {
    this.#options = options;
    this.#loads = new FlowLoads(options.clock);
    this.#draws = new Draws(options.random.int(4294967296));
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
        const balancer = flow === undefined ? undefined : this.#balancers.get(stateKey)?.get(scope);
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
    if (!now || now.balancer !== old.balancer) this.#balancers.delete(key);
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
    const how = this.algorithm(port);
    if (how === "random") {
      const endpoint = candidates[this.#draws.next(port.hash, client, candidates.length)];
      return endpoint && { endpoint, how };
    }
    let state = this.#balancers.get(key);
    if (!state) this.#balancers.set(key, (state = new Map()));
    let balancer = state.get(scope);
    if (!balancer) {
      const kind = balancerKind(how);
      if (!kind) return undefined;
      balancer = kind.create({ random: this.#options.random.fork(`${key} ${scope}`) });
      state.set(scope, balancer);
    }
    const endpoint = balancer.pick(candidates, { key: client, nowMs });
    if (!endpoint) return undefined;
    if (flow !== undefined) this.#loads.opened(flow, `${key} ${scope}`, endpoint.id, balancer);
    return { endpoint, how };
  }
}
