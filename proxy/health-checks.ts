// The health check servers of all nodes: one per healthCheckNodePort and node address. Each family is counted apart, as each has a proxier.
import type { Clock } from "../model/clock.ts";
import { ipFamily } from "../model/ip.ts";
import type { Listening, Network, Peer } from "../model/ports.ts";
import { healthAnswer, healthServer, localReadyEndpoints } from "./health-check.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { hasNodePorts } from "./node-port-addresses.ts";
import type { NodeViews } from "./node-views.ts";
import type { Rules } from "./rules.ts";
import { ServiceListeners, type ListenerEvents } from "./service-listeners.ts";
import type { ServiceTable } from "./service-port.ts";

export interface HealthChecksOptions {
  readonly network: Pick<Network, "expose">;
  readonly clock: Clock;
  readonly rules: Rules;
  readonly nodes: NodeViews;
  readonly events: ListenerEvents;
  /** How a node's proxy is set up: it answers where NodePorts do. */
  readonly config: (node: string) => ProxyConfig;
  /** No sync is overdue. */
  readonly isHealthy: () => boolean;
}

/** Opens and closes them as Services come and go. */
export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #listeners: ServiceListeners;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
    const open = ({ ip, port }: { readonly ip: string; readonly port: number }): Promise<Listening> => this.#serve(ip, port);
    this.#listeners = new ServiceListeners({ open, clock: options.clock, events: options.events });
  }
  want(key: string, table: ServiceTable | undefined): void {
    const { nodes, config } = this.#options;
    const checked = (table?.ports ?? []).filter((port) => port.healthCheckNodePort !== 0);
    const families = new Map(checked.map(({ family, healthCheckNodePort }) => [family, healthCheckNodePort]));
    this.#listeners.want(
      key,
      [...families].flatMap(([family, port]) =>
        nodes
          .addresses(family)
          .filter(({ ip, node }) => hasNodePorts(ip, node, config(node.name)))
          .map(({ ip }) => ({ ip, port, protocol: "TCP" as const })),
      ),
    );
  }
  settle(): Promise<void> {
    return this.#listeners.settle();
  }
  stop(): Promise<void> {
    return this.#listeners.stop();
  }
  #serve(ip: string, port: number): Promise<Listening> {
    const { rules, nodes, network, isHealthy } = this.#options;
    const name = nodes.at(ip)?.name ?? "";
    const owner: Peer = { kind: "node", name, ip };
    const server = healthServer(() => {
      const servicePort = rules.atHealthCheckNodePort(port);
      const table = servicePort && rules.table(`${servicePort.namespace}/${servicePort.name}`);
      const ready = localReadyEndpoints(table?.ports ?? [], name, ipFamily(ip) ?? "IPv4");
      return healthAnswer(servicePort ?? { namespace: "", name: "" }, ready, isHealthy());
    });
    return network.expose({ ip, port }, "TCP", { type: "server", server }, owner);
  }
}
