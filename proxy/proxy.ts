// kube-proxy of every node, in one component: watches through a delayed cursor, holds the current rules, opens listeners,
// decides flows. Upstream: cmd/kube-proxy and pkg/proxy/{iptables,nftables,ipvs}/proxier.go.
import { ipvsSchedulers } from "../balancers/index.ts";
import type { Clock } from "../model/clock.ts";
import { nextTurn } from "../model/clock.ts";
import { Cidr } from "../model/ip.ts";
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
import type { Random } from "../model/random.ts";
import type { Change, Store } from "../store/contract.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import { Chooser, isIpvsScheduler } from "./chooser.ts";
import { isStaleUdp } from "./conntrack.ts";
import { dumpRules } from "./dump.ts";
import { evaluate, type ProxyConfig, type ProxyMode } from "./evaluate.ts";
import { explainFlow } from "./explain.ts";
import { HealthChecks } from "./health-checks.ts";
import { RuleBuilder } from "./rule-builder.ts";
import { listenersOf, ServiceListeners, type ListenerEvents, type Wanted, wantedKey } from "./service-listeners.ts";
import { categorize } from "./topology.ts";

/** What the proxy needs of the fabric. */
export interface ProxyFabric extends Pick<Network, "expose"> {
  listenService(address: SocketAddress, protocol: Protocol): Promise<Listening>;
  readonly udpFlows: {
    deleteWhere(predicate: (flow: { readonly destination: SocketAddress; readonly endpoint: SocketAddress }) => boolean): number;
  };
}

export interface ProxyOptions {
  readonly store: Store;
  readonly fabric: ProxyFabric;
  readonly clock: Clock;
  readonly random: Random;
  /** How late the rules follow the store. Default 0. */
  readonly delayMs?: number;
  /** Default iptables, as upstream's. */
  readonly mode?: ProxyMode;
  /** ipvs mode: rr (default), wrr, lc, wlc, sed, nq, sh, dh, lblc, mh. */
  readonly scheduler?: string;
  readonly serviceCIDRs?: readonly string[];
  /** Pod blocks, by which printed rulesets tell pods from others. */
  readonly clusterCIDRs?: readonly string[];
  /** --nodeport-addresses; default all node addresses (nftables: the primary ones). */
  readonly nodePortAddresses?: readonly string[];
  readonly masqueradeAll?: boolean;
  /** Off: stale UDP entries stay, so that a client black-holes as before upstream's clean-up. Default true. */
  readonly cleanUpUdp?: boolean;
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
}

/** Services and endpoints compiled in one turn of the event loop: a few milliseconds' worth. */
const TURN_WORK = 2000;

export function createProxy(options: ProxyOptions): Proxy {
  return new KubeProxy(options);
}

class KubeProxy implements Proxy {
  readonly name = "rules";
  readonly #options: ProxyOptions;
  readonly #config: ProxyConfig;
  readonly #builder = new RuleBuilder();
  readonly #chooser: Chooser;
  readonly #listeners: ServiceListeners;
  readonly #healthChecks: HealthChecks;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #syncs = 0;
  #lastSyncMs = 0;

  constructor(options: ProxyOptions) {
    const { clock, random, fabric, mode = "iptables", scheduler } = options;
    if (scheduler !== undefined && !isIpvsScheduler(scheduler)) {
      const known = ipvsSchedulers.map((kind) => kind.name).join(", ");
      throw new RangeError(`unknown ipvs scheduler ${JSON.stringify(scheduler)}; there is: ${known}`);
    }
    this.#options = options;
    this.#config = {
      mode,
      serviceCIDRs: (options.serviceCIDRs ?? []).map((block) => new Cidr(block)),
      clusterCIDRs: (options.clusterCIDRs ?? []).map((block) => new Cidr(block)),
      nodePortAddresses: options.nodePortAddresses?.map((block) => new Cidr(block)),
      masqueradeAll: options.masqueradeAll ?? false,
      localDetector: true,
      localhostNodePorts: mode === "iptables",
    };
    this.#chooser = new Chooser({ mode, clock, random: random.fork("proxy"), ...(scheduler === undefined ? {} : { scheduler }) });
    const events = this.#listenerEvents();
    this.#listeners = new ServiceListeners({ open: (address, protocol) => fabric.listenService(address, protocol), clock, events });
    this.#healthChecks = new HealthChecks({ network: fabric, clock, rules: this.#builder.rules, nodes: this.#builder.nodes, events });
  }

  async start(): Promise<void> {
    const { store, delayMs = 0 } = this.#options;
    const cursor = store.cursor({ name: "kube-proxy", delayMs });
    await new Promise<void>((resolve, reject) => {
      this.#running = (async () => {
        try {
          for await (const batch of cursor.batches(RuleBuilder.types, this.#abort.signal)) {
            await this.#sync(batch);
            resolve();
          }
        } finally {
          cursor.close();
        }
      })();
      this.#running.then(resolve, reject);
    });
  }
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    await Promise.all([this.#listeners.stop(), this.#healthChecks.stop()]);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly verdict = (flow: Flow): Verdict => {
    const node = this.#builder.nodes.at(flow.destination.ip) ?? this.#builder.nodes.get(flow.node);
    const decision = evaluate(this.#builder.rules, flow, node, this.#config);
    switch (decision.type) {
      case "pass":
        return decision.matched.length === 0 && this.#isServiceAddress(flow.destination.ip)
          ? {
              type: "drop",
              matched: [
                `no rule for ${wantedKey({ ...flow.destination, protocol: flow.protocol })}: the packet leaves the node and is lost`,
              ],
            }
          : decision;
      case "reject":
      case "drop":
        return { type: decision.type, matched: decision.matched };
      case "balance": {
        const choice = this.#chooser.pick(decision.rule, decision.candidates, node.name, flow.source.ip, flow.id);
        if (!choice) return { type: "reject", matched: [...decision.matched, "every endpoint is draining"] };
        const { endpoint, how } = choice;
        const hairpin = endpoint.ip === flow.source.ip;
        return {
          type: "dnat",
          endpoint,
          masquerade: decision.masquerade || hairpin,
          service: decision.rule.port.id,
          matched: [...decision.matched, `${how}: ${endpoint.id}`],
        };
      }
    }
  };
  readonly closed = (flow: number): void => this.#chooser.closed(flow);
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
    const { mode } = this.#config;
    const ports = this.#builder.rules.tables().flatMap((table) => table.ports);
    return {
      mode,
      services: this.#builder.rules.size,
      servicePorts: ports.length,
      endpoints: ports.reduce((sum, port) => sum + port.endpoints.length, 0),
      withoutEndpoints: ports.filter((port) => !port.usable).map((port) => port.id),
      listeners: this.#listeners.openCount,
      failedListeners: this.#listeners.failures().map(({ address, error }) => ({ address, error })),
      affinityClients: this.#chooser.affinity.size,
      syncs: this.#syncs,
      lastSyncMs: Math.round(this.#lastSyncMs * 1000) / 1000,
    };
  }
  dump(options: Readonly<Record<string, string>> = {}): string {
    return dumpRules(this.#builder.rules, this.#builder.nodes, this.#chooser, this.#config, options);
  }
  async explain(question: ExplainQuestion): Promise<ExplainAnswer | undefined> {
    return explainFlow(question, { rules: this.#builder.rules, nodes: this.#builder.nodes, chooser: this.#chooser, config: this.#config });
  }

  async #sync(batch: readonly Change[]): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    let nodesChanged = false;
    for (const change of batch) nodesChanged = this.#builder.note(change) || nodesChanged;
    let udpChanged = false;
    let work = 0;
    for (const { key, old, now } of this.#builder.compile()) {
      for (const port of old?.ports ?? []) {
        this.#chooser.changed(
          port,
          now?.ports.find((other) => other.key === port.key),
        );
        udpChanged ||= port.protocol === "UDP";
      }
      this.#wantListeners(key);
      work += (now?.ports ?? []).reduce((sum, port) => sum + port.endpoints.length, 10);
      if (work < TURN_WORK) continue;
      await nextTurn();
      work = 0;
    }
    if (nodesChanged) for (const table of this.#builder.rules.tables()) this.#wantListeners(table.key);
    this.#chooser.affinity.sweep(clock.now());
    if (udpChanged && this.#options.cleanUpUdp !== false) {
      this.#options.fabric.udpFlows.deleteWhere((flow) => isStaleUdp(this.#builder.rules, flow));
    }
    this.#syncs++;
    this.#lastSyncMs = clock.monotonic() - startedAt;
    await Promise.all([this.#listeners.settle(), this.#healthChecks.settle()]);
  }
  #wantListeners(key: string): void {
    const table = this.#builder.rules.table(key);
    this.#listeners.want(key, listenersOf(table, this.#builder.nodes, this.#config));
    this.#healthChecks.want(key, table);
  }
  /** A ClusterIP or an address of a service block: nothing else can ever answer there. */
  #isServiceAddress(ip: string): boolean {
    return this.#builder.rules.isClusterIP(ip) || this.#config.serviceCIDRs.some((block) => block.contains(ip));
  }
  #listenerEvents(): ListenerEvents {
    const { store, clock } = this.#options;
    const recorder = createEventRecorder({ store, clock, component: "kube-proxy" });
    const about = (keys: readonly string[], type: "Normal" | "Warning", reason: string, message: string): void => {
      for (const key of keys) {
        const service = this.#builder.service(key);
        if (service) recorder.event(service, type, reason, message);
      }
    };
    return {
      opened: (wanted, services, { socket }) => {
        // In the mapped plan every socket is elsewhere, and status lists them.
        if (socket.ip !== wanted.ip || socket.port === wanted.port) return;
        about(services, "Normal", "PortMoved", `${wantedKey(wanted)} is not available to this user: use port ${socket.port} instead`);
      },
      failed: (wanted, services, error) => about(services, "Warning", "ListenFailed", `${wantedKey(wanted)}: ${error.message}`),
    };
  }
}
