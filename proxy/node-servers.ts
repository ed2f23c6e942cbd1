// The metrics and health servers of all nodes, opened as nodes come and closed as they go.
import type { Server } from "node:net";
import type { Clock } from "../model/clock.ts";
import type { IpFamily } from "../model/ip.ts";
import type { MetricRegistry } from "../model/metrics.ts";
import type { Listening, Network, Peer } from "../model/ports.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { countIptables, countNoLocalEndpoints, nodeMetrics, type ProxyMetrics } from "./metrics.ts";
import { HEALTHZ_PORT, healthzServer, METRICS_PORT, metricsServer } from "./node-server.ts";
import type { NodeViews } from "./node-views.ts";
import type { Rules } from "./rules.ts";
import { type ListenerEvents, ServiceListeners } from "./service-listeners.ts";

export interface NodeServersOptions {
  readonly network: Pick<Network, "expose">;
  readonly clock: Clock;
  readonly rules: Rules;
  readonly nodes: NodeViews;
  readonly metrics: ProxyMetrics;
  readonly families: readonly IpFamily[];
  readonly events: ListenerEvents;
  /** How a node's proxy is set up. */
  readonly config: (node: string) => ProxyConfig;
  /** Whether a Service (`namespace/name`) changed in the last sync. */
  readonly changed: (service: string) => boolean;
  /** When rules were last synced, and whether a sync is overdue. */
  readonly sync: () => { readonly lastSyncMs: number; readonly healthy: boolean };
}

export class NodeServers {
  readonly #options: NodeServersOptions;
  readonly #registries = new Map<string, MetricRegistry>();
  readonly #listeners: ServiceListeners;

  constructor(options: NodeServersOptions) {
    this.#options = options;
    const open = ({ ip, port }: { readonly ip: string; readonly port: number }): Promise<Listening> => this.#open(ip, port);
    this.#listeners = new ServiceListeners({ open, clock: options.clock, events: options.events });
  }
  /** Makes a node's servers be there, or not when the node is gone. */
  want(node: string): void {
    const { nodes } = this.#options;
    const ips = nodes.has(node) ? nodes.get(node).addresses : [];
    if (ips.length === 0) this.#registries.delete(node);
    this.#listeners.want(
      node,
      ips.flatMap((ip) => [METRICS_PORT, HEALTHZ_PORT].map((port) => ({ ip, port, protocol: "TCP" as const }))),
    );
  }
  settle(): Promise<void> {
    return this.#listeners.settle();
  }
  stop(): Promise<void> {
    return this.#listeners.stop();
  }
  /** The exposition of one node. */
  text(node: string): string {
    const { rules, nodes, families, metrics, config: configOf, changed } = this.#options;
    const registry = this.#registry(node);
    const [view, config] = [nodes.get(node), configOf(node)];
    countNoLocalEndpoints(registry, rules, view, families);
    if (config.mode === "iptables") countIptables(registry, { rules, node: view, config }, families, changed);
    return metrics.text(registry);
  }
  #registry(node: string): MetricRegistry {
    let registry = this.#registries.get(node);
    if (!registry) this.#registries.set(node, (registry = nodeMetrics(this.#options.config(node).mode, this.#options.families)));
    return registry;
  }
  #open(ip: string, port: number): Promise<Listening> {
    const { nodes, network } = this.#options;
    const name = nodes.at(ip)?.name ?? "";
    const owner: Peer = { kind: "node", name, ip };
    return network.expose({ ip, port }, "TCP", { type: "server", server: this.#server(name, port) }, owner);
  }
  #server(node: string, port: number): Server {
    const { nodes, clock, config, sync } = this.#options;
    if (port === METRICS_PORT) return metricsServer(config(node).mode, () => this.text(node));
    const state = () => ({ nowMs: clock.now(), ...sync(), eligible: nodes.get(node).eligible !== false });
    return healthzServer(state, this.#registry(node));
  }
}
