// What every step of the path shares: the hooks, the tables, the counters, and the opening of a flow (identity and node).
import { setMaxListeners } from "node:events";
import type { Clock } from "../model/clock.ts";
import type { Flow, Peer, PolicyVerdict, Protocol, SocketAddress, Verdict } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import type { AddressPlan } from "./address-plan.ts";
import type { DescriptorBudget } from "./descriptor-budget.ts";
import { Exposures } from "./exposures.ts";
import type { FlowFaults } from "./faults/fault-rule.ts";
import type { FlowTrace } from "./flow-trace.ts";
import { LiveFlow, LiveFlows } from "./live-flow.ts";
import { WaitingFlows } from "./waiting-flows.ts";

/** Filled by other features; all synchronous, all optional. */
export interface FabricHooks {
  /** The pod or node at an address. */
  identify?: ((ip: string) => Peer | undefined) | undefined;
  /** The proxy's decision; without it every flow passes. */
  verdict?: ((flow: Flow) => Verdict) | undefined;
  /** The policy's decision on a chosen endpoint; a denied flow is dropped. */
  policy?: ((flow: Flow, endpoint: SocketAddress) => PolicyVerdict) | undefined;
  /** A TCP flow has reached its endpoint; told at once, before a byte is delivered. */
  delivered?: ((flow: LiveFlow) => void) | undefined;
  /** A flow that the verdict was asked about has ended (or was never delivered): by its id, possibly more than once. */
  closed?: ((flow: number) => void) | undefined;
  /** What faults do to a new flow that policy lets pass; undefined: nothing. */
  fault?: ((flow: Flow, endpoint: SocketAddress, verdict: Verdict) => FlowFaults | undefined) | undefined;
  /** Nodes that answer for a load balancer address (externalTrafficPolicy Local: those with an endpoint); without it all. */
  loadBalancerNodes?: ((destination: SocketAddress, protocol: Protocol) => readonly string[]) | undefined;
}

export interface FabricNode {
  readonly name: string;
  readonly ip: string;
  /** Every address of a dual-stack node, `ip` first. */
  readonly ips?: readonly string[];
}

/** Totals since the fabric was made. */
export interface FlowCounters {
  accepted: number;
  dialled: number;
  delivered: number;
  handedOver: number;
  piped: number;
  rejected: number;
  dropped: number;
  denied: number;
  /** Flows refused, dropped or reset by a fault, and flows shaped by one. */
  failed: number;
  shaped: number;
  noEndpoint: number;
  closed: number;
  datagrams: number;
}

const noCounts = (): FlowCounters => ({
  accepted: 0,
  dialled: 0,
  delivered: 0,
  handedOver: 0,
  piped: 0,
  rejected: 0,
  dropped: 0,
  denied: 0,
  failed: 0,
  shaped: 0,
  noEndpoint: 0,
  closed: 0,
  datagrams: 0,
});

const EPHEMERAL_FIRST = 32768;
const EPHEMERAL_COUNT = 28232;
const HOST: Peer = { kind: "host", ip: "127.0.0.1" };

const sameFamily = (a: string, b: string): boolean => a.includes(":") === b.includes(":");

export class FabricState {
  readonly clock: Clock;
  readonly random: Random;
  readonly plan: AddressPlan;
  readonly trace: FlowTrace;
  readonly budget: DescriptorBudget;
  readonly hooks: FabricHooks = {};
  readonly exposures = new Exposures();
  readonly live = new LiveFlows((flow) => this.hooks.closed?.(flow.id));
  readonly waiting = new WaitingFlows();
  readonly counters = noCounts();
  readonly #end = new AbortController();
  #nodes: readonly FabricNode[] = [];
  #nodeByIp = new Map<string, Peer>();
  #nodeByName = new Map<string, FabricNode>();
  #nextFlow = 1;
  readonly #nextPort = new Map<string, number>();
  readonly #balancerStreams = new Map<string, Random>();

  constructor(parts: { clock: Clock; random: Random; plan: AddressPlan; trace: FlowTrace; budget: DescriptorBudget }) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.plan = parts.plan;
    this.trace = parts.trace;
    this.budget = parts.budget;
    setMaxListeners(0, this.#end.signal);
  }
  /** Aborts when the fabric stops: clients that wait for an answer get none. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }
  end(): void {
    this.#end.abort();
  }
  get nodes(): readonly FabricNode[] {
    return this.#nodes;
  }
  set nodes(nodes: readonly FabricNode[]) {
    this.#nodes = nodes;
    this.#nodeByName = new Map(nodes.map((node) => [node.name, node]));
    this.#nodeByIp = new Map(
      nodes.flatMap(({ name, ip, ips }): [string, Peer][] =>
        ips ? ips.map((each) => [each, { kind: "node", name, ip: each, ips }]) : [[ip, { kind: "node", name, ip }]],
      ),
    );
  }
  /** Anything that is neither pod nor node is the host. */
  identify(ip: string): Peer {
    if (ip === HOST.ip) return HOST;
    return this.hooks.identify?.(ip) ?? this.#nodeByIp.get(ip) ?? this.exposures.ownerOf(ip) ?? { kind: "host", ip };
  }
  /** Identity is known, the destination is not decided yet. */
  openFlow(protocol: Protocol, from: Peer, source: SocketAddress, destination: SocketAddress): LiveFlow {
    return new LiveFlow(
      this.#nextFlow++,
      protocol,
      from,
      source,
      destination,
      this.#nodeFor(from, destination, protocol),
      this.trace.sample(),
    );
  }
  /** The next source port of an in-process client, as the kernel's ephemeral range. */
  ephemeralPort(ip: string): number {
    const next = this.#nextPort.get(ip) ?? 0;
    this.#nextPort.set(ip, (next + 1) % EPHEMERAL_COUNT);
    return EPHEMERAL_FIRST + next;
  }
  /** `from` with its address of the family of `to`, as a kernel selects a source address; unchanged when it has none. */
  sourceFor(from: Peer, to: string): Peer {
    if (this.plan.secondary === undefined || sameFamily(from.ip, to)) return from;
    if (from.kind === "host") return { kind: "host", ip: to.includes(":") ? "::1" : HOST.ip };
    const known = from.ips ? from : this.identify(from.ip);
    const ip = known.kind === "host" ? undefined : known.ips?.find((each) => sameFamily(each, to));
    return ip === undefined ? from : { ...from, ip };
  }
  /** The address that a pod sees of a masqueraded flow to `to`. */
  nodeIp(name: string, to: string): string | undefined {
    const node = this.#nodeByName.get(name);
    return node?.ips?.find((ip) => sameFamily(ip, to)) ?? node?.ip;
  }
  /** Whose rules apply: a pod's or node's own; else the addressed node, a seeded choice for a load balancer, the first node. */
  #nodeFor(from: Peer, destination: SocketAddress, protocol: Protocol): string {
    if (from.kind === "pod") return from.node;
    if (from.kind === "node") return from.name;
    const first = this.#nodes[0]?.name ?? "";
    const block = this.plan.blockOf(destination.ip);
    if (block === "node") {
      const addressed = this.#nodeByIp.get(destination.ip);
      return addressed?.kind === "node" ? addressed.name : first;
    }
    if (block !== "load-balancer") return first;
    const names = this.hooks.loadBalancerNodes?.(destination, protocol) ?? this.#nodes.map((node) => node.name);
    return names[this.#balancerStream(destination).int(names.length)] ?? first;
  }
  #balancerStream({ ip, port }: SocketAddress): Random {
    const key = `load-balancer/${ip}:${port}`;
    let stream = this.#balancerStreams.get(key);
    if (!stream) this.#balancerStreams.set(key, (stream = this.random.fork(key)));
    return stream;
  }
}
