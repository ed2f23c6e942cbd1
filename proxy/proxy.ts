// kube-proxy of every node, in one component: watches through a delayed cursor, holds the current rules, opens listeners,
// decides flows. Upstream: cmd/kube-proxy and pkg/proxy/{iptables,nftables,ipvs}/proxier.go.
import type { Clock } from "../model/clock.ts";
import { nextTurn } from "../model/clock.ts";
import type { Cidr, IpFamily } from "../model/ip.ts";
import type { JsonObject } from "../model/object.ts";
import type {
  Component,
  Diagnostics,
  ExplainAnswer,
  ExplainQuestion,
  Flow,
  Listening,
  Network,
  Protocol,
  SocketAddress,
  Verdict,
} from "../model/ports.ts";
import { Nodes } from "../model/resources.ts";
import type { Change, Store } from "../store/contract.ts";
import { createEventRecorder, type EventRecorder } from "../store/event-recorder.ts";
import { Follower } from "../store/follower.ts";
import { balancerProblem } from "./balancer-annotation.ts";
import { isStaleUdp } from "./conntrack.ts";
import { dumpRules } from "./dump.ts";
import { evaluate } from "./evaluate.ts";
import { explainFlow } from "./explain.ts";
import { HealthChecks } from "./health-checks.ts";
import { listenerEvents } from "./listener-events.ts";
import { ProxyMetrics } from "./metrics.ts";
import { NodeServers } from "./node-servers.ts";
import { type ProxierOptions, Proxiers } from "./proxiers.ts";
import { type Replacement, RuleBuilder } from "./rule-builder.ts";
import { listenersOf, ServiceListeners, type Wanted } from "./service-listeners.ts";
import { categorize } from "./topology.ts";
import { DnatVerdict, lost } from "./verdicts.ts";

/** What the proxy needs of the fabric. */
export interface ProxyFabric extends Pick<Network, "expose"> {
  listenService(address: SocketAddress, protocol: Protocol): Promise<Listening>;
  readonly udpFlows: {
    deleteWhere(predicate: (flow: { readonly destination: SocketAddress; readonly endpoint: SocketAddress }) => boolean): number;
  };
}

export interface ProxyOptions extends ProxierOptions {
  readonly store: Store;
  readonly fabric: ProxyFabric;
  /** How late the rules follow the store. Default 0. */
  readonly delayMs?: number;
  /** Off: stale UDP entries stay, so that a client black-holes as before upstream's clean-up. Default true. */
  readonly cleanUpUdp?: boolean;
  /** Told each time that the rules have become current, before listeners follow. */
  readonly onSynced?: () => void;
}

export interface Proxy extends Component, Diagnostics {
  /** Decides a flow by the rules of its node: the fabric's `verdict` hook. */
  verdict(flow: Flow): Verdict;
  /** A flow has ended: the fabric's `closed` hook, without which load-aware algorithms see flows open for ever. */
  closed(flow: number): void;
  /** Nodes that answer for a load balancer's address: the fabric's `loadBalancerNodes` hook. */
  loadBalancerNodes(destination: SocketAddress, protocol: Protocol): readonly string[];
  /** The real socket behind a Service's address, when it is listened on. */
  socketOf(address: Wanted): SocketAddress | undefined;
  /** The /metrics text of a node's proxy. */
  metricsText(node: string): string;
}

/** Services and endpoints compiled in one turn of the event loop: a few milliseconds' worth. */
const TURN_WORK = 500;
/** A sync that takes longer makes the proxy unhealthy: twice upstream's syncPeriod. */
const OVERDUE_MS = 60_000;

export function createProxy(options: ProxyOptions): Proxy {
  return new KubeProxy(options);
}

class KubeProxy implements Proxy {
  readonly name = "rules";
  readonly #options: ProxyOptions;
  readonly #clock: Clock;
  readonly #builder = new RuleBuilder();
  readonly #proxiers: Proxiers;
  readonly #serviceCIDRs: readonly Cidr[];
  readonly #listeners: ServiceListeners;
  readonly #healthChecks: HealthChecks;
  readonly #nodeServers: NodeServers;
  readonly #metrics: ProxyMetrics;
  readonly #recorder: EventRecorder;
  readonly #follower: Follower;
  #syncs = 0;
  /** Services that the last sync replaced. */
  #lastChanged = new Set<string>();
  #lastSync = { atMs: 0, tookMs: 0 };
  #syncingSinceMs: number | undefined;

  constructor(options: ProxyOptions) {
    const { clock, fabric, store, delayMs = 0 } = options;
    const { rules, nodes } = this.#builder;
    this.#options = options;
    this.#follower = new Follower({ store, name: "kube-proxy", delayMs, types: RuleBuilder.types, take: (batch) => this.#sync(batch) });
    this.#clock = clock;
    this.#proxiers = new Proxiers(options);
    const { config } = this.#proxiers.default;
    this.#serviceCIDRs = config.serviceCIDRs;
    const found = new Set<IpFamily>(this.#serviceCIDRs.map((block) => block.family));
    const families: readonly IpFamily[] = found.size > 0 ? [...found] : ["IPv4"];
    this.#metrics = new ProxyMetrics(families);
    this.#recorder = createEventRecorder({ store, clock, component: "kube-proxy" });
    const events = listenerEvents(this.#recorder, (key) => this.#builder.service(key));
    this.#listeners = new ServiceListeners({ open: (address, protocol) => fabric.listenService(address, protocol), clock, events });
    const isHealthy = (): boolean => clock.now() - (this.#syncingSinceMs ?? clock.now()) < OVERDUE_MS;
    this.#healthChecks = new HealthChecks({
      network: fabric,
      clock,
      rules,
      nodes,
      events,
      config: (node) => this.#proxiers.of(node).config,
      isHealthy,
    });
    this.#nodeServers = new NodeServers({
      network: fabric,
      clock,
      rules,
      nodes,
      metrics: this.#metrics,
      families,
      events,
      config: (node) => this.#proxiers.of(node).config,
      changed: (service) => this.#lastChanged.has(service),
      sync: () => ({ lastSyncMs: this.#lastSync.atMs, healthy: isHealthy() }),
    });
  }

  start(): Promise<void> {
    return this.#follower.start();
  }
  async stop(): Promise<void> {
    await this.#follower.stop();
    await Promise.all([this.#listeners.stop(), this.#healthChecks.stop(), this.#nodeServers.stop()]);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly verdict = (flow: Flow): Verdict => {
    const { rules, nodes } = this.#builder;
    const node = nodes.at(flow.destination.ip) ?? nodes.get(flow.node);
    const { config, chooser } = this.#proxiers.of(node.name);
    const decision = evaluate(rules, flow, node, config);
    switch (decision.type) {
      case "pass":
        return decision.matched.length === 0 && this.#isServiceAddress(flow.destination.ip) ? lost(flow) : decision;
      case "reject":
      case "drop":
        return { type: decision.type, matched: decision.matched };
      case "balance": {
        const choice = chooser.pick(decision.rule, decision.candidates, node.name, flow.source.ip, flow.id);
        if (!choice) return { type: "reject", matched: [...decision.matched, "every endpoint is draining"] };
        return new DnatVerdict(decision, choice, decision.masquerade || choice.endpoint.ip === flow.source.ip);
      }
    }
  };
  readonly closed = (flow: number): void => this.#proxiers.closed(flow);
  readonly loadBalancerNodes = (destination: SocketAddress, protocol: Protocol): readonly string[] => {
    const nodes = this.#builder.nodes.all();
    const port = this.#builder.rules.atAddress(destination.ip, destination.port, protocol)?.port;
    const names = (some: typeof nodes): readonly string[] => some.map((node) => node.name).sort();
    if (!port?.externalLocal) return names(nodes);
    const withEndpoints = nodes.filter((node) => (categorize(port, node).local?.length ?? 0) > 0);
    return names(withEndpoints.length > 0 ? withEndpoints : nodes);
  };
  socketOf(address: Wanted): SocketAddress | undefined {
    return this.#listeners.socketOf(address);
  }

  status(): JsonObject {
    const ports = this.#builder.rules.tables().flatMap((table) => table.ports);
    return {
      mode: this.#proxiers.default.config.mode,
      services: this.#builder.rules.size,
      servicePorts: ports.length,
      endpoints: ports.reduce((sum, port) => sum + port.endpoints.length, 0),
      withoutEndpoints: ports.filter((port) => !port.usable).map((port) => port.id),
      listeners: this.#listeners.openCount,
      failedListeners: this.#listeners.failures().map(({ address, error }) => ({ address, error })),
      affinityClients: this.#proxiers.affinityClients,
      syncs: this.#syncs,
      lastSyncMs: Math.round(this.#lastSync.tookMs * 1000) / 1000,
    };
  }
  metricsText(node: string): string {
    return this.#nodeServers.text(node);
  }
  dump(options: Readonly<Record<string, string>> = {}): string {
    return dumpRules(this.#builder.rules, this.#builder.nodes, this.#proxiers, options);
  }
  async explain(question: ExplainQuestion): Promise<ExplainAnswer | undefined> {
    const { rules, nodes } = this.#builder;
    return explainFlow(question, {
      rules,
      nodes,
      proxiers: this.#proxiers,
      isServiceAddress: (ip) => this.#isServiceAddress(ip),
      service: (key) => this.#builder.service(key),
    });
  }

  async #sync(batch: readonly Change[]): Promise<void> {
    const startedAt = this.#clock.monotonic();
    this.#syncingSinceMs = this.#clock.now();
    let nodesChanged = false;
    let paused = this.#builder.work;
    for (const change of batch) {
      nodesChanged = this.#builder.note(change) || nodesChanged;
      if (this.#builder.work - paused < TURN_WORK) continue;
      await nextTurn();
      paused = this.#builder.work;
    }
    const { services, endpoints, triggers } = this.#builder.takeNoted();
    this.#metrics.queued(this.#clock.now(), services, endpoints);
    const udpChanged = await this.#compile();
    if (nodesChanged) {
      // The first sync compiled every Service with all nodes known.
      if (this.#syncs > 0) await this.#followNodes();
      for (const change of batch) if (change.type.kind === Nodes.kind) this.#nodeServers.want(change.key);
    }
    this.#proxiers.sweep(this.#clock.now());
    if (udpChanged) this.#cleanUpUdp();
    this.#lastSync = { atMs: this.#clock.now(), tookMs: this.#clock.monotonic() - startedAt };
    this.#metrics.synced(this.#lastSync.atMs, this.#lastSync.tookMs, this.#syncs === 0, this.#syncs === 0 ? [] : triggers);
    this.#syncs++;
    this.#syncingSinceMs = undefined;
    this.#options.onSynced?.();
    await Promise.all([this.#listeners.settle(), this.#healthChecks.settle(), this.#nodeServers.settle()]);
  }
  /** NodePorts and health checks are on every node: their listeners follow the nodes. */
  async #followNodes(): Promise<void> {
    let work = 0;
    for (const key of [...this.#builder.rules.keys()]) {
      if (!this.#builder.rules.rulesIn(key).some((rule) => rule.destination === "NodePort" || rule.port.healthCheckNodePort !== 0))
        continue;
      this.#wantListeners(key);
      if (++work % TURN_WORK === 0) await nextTurn();
    }
  }
  /** Recompiles what changed, pausing every few milliseconds; true when that concerns UDP. */
  async #compile(): Promise<boolean> {
    let udpChanged = false;
    let work = 0;
    this.#lastChanged = new Set();
    for (const replacement of this.#builder.compile()) {
      this.#lastChanged.add(replacement.key);
      udpChanged = this.#replaced(replacement) || udpChanged;
      work += (replacement.now?.ports ?? []).reduce((sum, port) => sum + port.endpoints.length, 10);
      if (work < TURN_WORK) continue;
      await nextTurn();
      work = 0;
    }
    return udpChanged;
  }
  #replaced({ key, old, now }: Replacement): boolean {
    let udp = false;
    for (const port of old?.ports ?? []) {
      this.#proxiers.changed(
        port,
        now?.ports.find((other) => other.key === port.key),
      );
      udp ||= port.protocol === "UDP";
    }
    this.#wantListeners(key);
    this.#tellBalancer(key, old?.ports[0]?.balancer, now?.ports[0]?.balancer);
    return udp;
  }
  #tellBalancer(key: string, before = "", balancer = ""): void {
    const problem = before === balancer ? undefined : balancerProblem(balancer, this.#proxiers.modes);
    const service = problem === undefined ? undefined : this.#builder.service(key);
    if (service && problem !== undefined) this.#recorder.event(service, "Warning", "BalancerIgnored", problem);
  }
  #cleanUpUdp(): void {
    if (this.#options.cleanUpUdp === false) return;
    const startedAt = this.#clock.monotonic();
    const deleted = this.#options.fabric.udpFlows.deleteWhere((flow) => isStaleUdp(this.#builder.rules, flow));
    this.#metrics.conntrack(this.#clock.monotonic() - startedAt, deleted);
  }
  #wantListeners(key: string): void {
    const { rules } = this.#builder;
    this.#listeners.want(
      key,
      listenersOf(rules.rulesIn(key), this.#builder.nodes, (node) => this.#proxiers.of(node).config),
    );
    this.#healthChecks.want(key, rules.table(key));
  }
  /** A ClusterIP or an address of a service block: nothing else can ever answer there. */
  #isServiceAddress(ip: string): boolean {
    return this.#builder.rules.isClusterIP(ip) || this.#serviceCIDRs.some((block) => block.contains(ip));
  }
}
