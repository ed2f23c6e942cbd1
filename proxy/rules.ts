// The rules of a cluster: every address and port that some Service answers on, found in one look whatever their number.
// Upstream: the nftables maps service-ips, service-nodeports and the set cluster-ips. Shared by all nodes.
import type { IpFamily } from "../model/ip.ts";
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

/**
 * The rules that claim one port of an address, the one that was first ahead of the others. The slots of an address (its few ports; of a
 * NodePort: its protocols and families) are a chain: one look, then as few hops as can be, since with many Services each is a cache miss.
 */
interface Slot {
  readonly port: number;
  readonly protocol: Protocol;
  /** NodePorts only: they have no address that would tell. */
  readonly family: IpFamily | undefined;
  rule: Rule;
  /** Claims of other Services, in order. */
  others: Rule[];
  next: Slot | undefined;
}

interface Held {
  readonly table: ServiceTable;
  readonly rules: readonly Rule[];
}

/** Holds every compiled Service; `set` replaces one. Two Services on one address: the one that was first keeps it while it lives. */
export class Rules {
  readonly #held = new Map<string, Held>();
  readonly #addresses = new Map<string, Slot>();
  readonly #nodePorts = new Map<number, Slot>();
  /** ServicePorts by ClusterIP. */
  readonly #clusterIPs = new Map<string, number>();
  readonly #healthChecks = new Map<number, ServicePort>();

  /** Replaces (or with undefined removes) one Service's table and gives back the old one. */
  set(key: string, table: ServiceTable | undefined): ServiceTable | undefined {
    const old = this.#held.get(key);
    const rules = (table?.ports ?? []).flatMap(rulesOf);
    for (const rule of old?.rules ?? []) if (!rules.some((fresh) => sameClaim(fresh, rule))) this.#withdraw(rule);
    for (const port of old?.table.ports ?? []) {
      this.#count(port.clusterIP, -1);
      if (port.healthCheckNodePort !== 0) this.#healthChecks.delete(port.healthCheckNodePort);
    }
    for (const rule of rules) this.#claim(rule);
    for (const port of table?.ports ?? []) {
      this.#count(port.clusterIP, 1);
      if (port.healthCheckNodePort !== 0 && port.externalLocal) this.#healthChecks.set(port.healthCheckNodePort, port);
    }
    if (table) this.#held.set(key, { table, rules });
    else this.#held.delete(key);
    return old?.table;
  }
  table(key: string): ServiceTable | undefined {
    return this.#held.get(key)?.table;
  }
  /** What one Service captures. */
  rulesIn(key: string): readonly Rule[] {
    return this.#held.get(key)?.rules ?? [];
  }
  /** The keys of all Services, unsorted. */
  keys(): IterableIterator<string> {
    return this.#held.keys();
  }
  /** All tables, sorted by key. */
  tables(): readonly ServiceTable[] {
    return [...this.#held.values()].map((held) => held.table).sort((a, b) => (a.key < b.key ? -1 : 1));
  }
  get size(): number {
    return this.#held.size;
  }
  /** The rule of an address that is not a node's. */
  atAddress(ip: string, port: number, protocol: Protocol): Rule | undefined {
    return find(this.#addresses.get(ip), port, protocol, undefined)?.rule;
  }
  /** The rule of a NodePort in a family. */
  atNodePort(port: number, protocol: Protocol, family: IpFamily): Rule | undefined {
    return find(this.#nodePorts.get(port), port, protocol, family)?.rule;
  }
  isClusterIP(ip: string): boolean {
    return this.#clusterIPs.has(ip);
  }
  atHealthCheckNodePort(port: number): ServicePort | undefined {
    return this.#healthChecks.get(port);
  }
  #first(rule: Rule): Slot | undefined {
    return rule.ip === "" ? this.#nodePorts.get(rule.portNumber) : this.#addresses.get(rule.ip);
  }
  #setFirst(rule: Rule, slot: Slot | undefined): void {
    if (rule.ip === "") put(this.#nodePorts, rule.portNumber, slot);
    else put(this.#addresses, rule.ip, slot);
  }
  #claim(rule: Rule): void {
    const first = this.#first(rule);
    const family = rule.ip === "" ? rule.port.family : undefined;
    const { protocol } = rule.port;
    const slot = find(first, rule.portNumber, protocol, family);
    if (!slot) return this.#setFirst(rule, { port: rule.portNumber, protocol, family, rule, others: [], next: first });
    if (sameService(slot.rule.port, rule.port)) return void (slot.rule = rule);
    const mine = slot.others.findIndex((other) => sameService(other.port, rule.port));
    if (mine < 0) slot.others.push(rule);
    else slot.others[mine] = rule;
  }
  #withdraw(rule: Rule): void {
    const first = this.#first(rule);
    const slot = find(first, rule.portNumber, rule.port.protocol, rule.ip === "" ? rule.port.family : undefined);
    if (!slot) return;
    const left = [slot.rule, ...slot.others].filter((other) => !sameService(other.port, rule.port));
    const [heir, ...others] = left;
    if (heir) {
      slot.rule = heir;
      slot.others = others;
      return;
    }
    if (slot === first) return this.#setFirst(rule, slot.next);
    for (let before = first; before; before = before.next) if (before.next === slot) before.next = slot.next;
  }
  #count(clusterIP: string, change: 1 | -1): void {
    const count = (this.#clusterIPs.get(clusterIP) ?? 0) + change;
    put(this.#clusterIPs, clusterIP, count === 0 ? undefined : count);
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function find(first: Slot | undefined, port: number, protocol: Protocol, family: IpFamily | undefined): Slot | undefined {
  for (let slot = first; slot; slot = slot.next)
    if (slot.port === port && slot.protocol === protocol && slot.family === family) return slot;
  return undefined;
}

const sameService = (a: ServicePort, b: ServicePort): boolean => a.namespace === b.namespace && a.name === b.name;

/** Both capture the same port of the same address (or the same NodePort of a family). */
function sameClaim(a: Rule, b: Rule): boolean {
  return (
    a.portNumber === b.portNumber &&
    a.ip === b.ip &&
    a.port.protocol === b.port.protocol &&
    (a.ip !== "" || a.port.family === b.port.family)
  );
}
