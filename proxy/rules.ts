// The rules of a cluster: every address and port that some Service answers on, found in one look whatever their number.
// Upstream: the nftables maps service-ips, service-nodeports and the set cluster-ips. Shared by all nodes.
import type { Protocol } from "../model/ports.ts";
import { hostPort, type ServicePort, type ServiceTable } from "./service-port.ts";

export type Destination = "ClusterIP" | "externalIP" | "LoadBalancer" | "NodePort";

/** One captured address and port. */
export interface Rule {
  readonly destination: Destination;
  readonly port: ServicePort;
  /** "" for a NodePort, which is on every node. */
  readonly ip: string;
  readonly portNumber: number;
  /** For people: `ClusterIP 127.96.0.12:80/TCP is default/web:http`. */
  readonly label: string;
}

/** Everything that one ServicePort captures. */
export function rulesOf(port: ServicePort): readonly Rule[] {
  const capture = (destination: Destination, ip: string, portNumber: number): Rule => ({
    destination,
    port,
    ip,
    portNumber,
    label: `${destination} ${ip === "" ? portNumber : hostPort(ip, portNumber)}/${port.protocol} is ${port.id}`,
  });
  const rules = [capture("ClusterIP", port.clusterIP, port.port)];
  for (const ip of port.externalIPs) rules.push(capture("externalIP", ip, port.port));
  for (const ip of port.loadBalancerIPs) rules.push(capture("LoadBalancer", ip, port.port));
  if (port.nodePort !== 0) rules.push(capture("NodePort", "", port.nodePort));
  return rules;
}

const addressKey = (ip: string, port: number, protocol: Protocol): string => `${ip} ${port}/${protocol}`;

/** Holds every compiled Service; `set` replaces one. Two Services on one address: the one that was first keeps it while it lives. */
export class Rules {
  readonly #tables = new Map<string, ServiceTable>();
  readonly #byAddress = new Map<string, Rule[]>();
  readonly #clusterIPs = new Map<string, number>();
  readonly #healthChecks = new Map<number, ServicePort>();

  /** Replaces (or with undefined removes) one Service's table and gives back the old one. */
  set(key: string, table: ServiceTable | undefined): ServiceTable | undefined {
    const old = this.#tables.get(key);
    const fresh = new Map<string, Rule>();
    for (const port of table?.ports ?? []) {
      for (const rule of rulesOf(port)) fresh.set(ruleKey(rule), rule);
    }
    for (const port of old?.ports ?? []) {
      for (const rule of rulesOf(port)) if (!fresh.has(ruleKey(rule))) this.#remove(ruleKey(rule), key);
      this.#count(port.clusterIP, -1);
      if (port.healthCheckNodePort !== 0) this.#healthChecks.delete(port.healthCheckNodePort);
    }
    for (const [address, rule] of fresh) this.#put(address, rule);
    for (const port of table?.ports ?? []) {
      this.#count(port.clusterIP, 1);
      if (port.healthCheckNodePort !== 0 && port.externalLocal) this.#healthChecks.set(port.healthCheckNodePort, port);
    }
    if (table) this.#tables.set(key, table);
    else this.#tables.delete(key);
    return old;
  }
  table(key: string): ServiceTable | undefined {
    return this.#tables.get(key);
  }
  /** All tables, sorted by key. */
  tables(): readonly ServiceTable[] {
    return [...this.#tables.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
  get size(): number {
    return this.#tables.size;
  }
  /** The rule of an address that is not a node's. */
  atAddress(ip: string, port: number, protocol: Protocol): Rule | undefined {
    return this.#byAddress.get(addressKey(ip, port, protocol))?.[0];
  }
  /** The rule of a NodePort in a family. */
  atNodePort(port: number, protocol: Protocol, family: ServicePort["family"]): Rule | undefined {
    return this.#byAddress.get(addressKey(family, port, protocol))?.[0];
  }
  isClusterIP(ip: string): boolean {
    return this.#clusterIPs.has(ip);
  }
  atHealthCheckNodePort(port: number): ServicePort | undefined {
    return this.#healthChecks.get(port);
  }
  #put(address: string, rule: Rule): void {
    const rules = this.#byAddress.get(address);
    if (!rules) return void this.#byAddress.set(address, [rule]);
    const mine = rules.findIndex((other) => sameService(other.port, rule.port));
    if (mine < 0) rules.push(rule);
    else rules[mine] = rule;
  }
  #remove(address: string, key: string): void {
    const rules = (this.#byAddress.get(address) ?? []).filter((rule) => `${rule.port.namespace}/${rule.port.name}` !== key);
    if (rules.length === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, rules);
  }
  #count(clusterIP: string, change: 1 | -1): void {
    const count = (this.#clusterIPs.get(clusterIP) ?? 0) + change;
    if (count === 0) this.#clusterIPs.delete(clusterIP);
    else this.#clusterIPs.set(clusterIP, count);
  }
}

const sameService = (a: ServicePort, b: ServicePort): boolean => a.namespace === b.namespace && a.name === b.name;

/** NodePorts are keyed by family, since they have no address. */
function ruleKey({ ip, port, portNumber }: Rule): string {
  return addressKey(ip === "" ? port.family : ip, portNumber, port.protocol);
}
