// The fabric: every connection and datagram between two cluster addresses passes through it once.
//
//   accept ─┐                                                         ┌─ hand-over   accepted socket → a server of this process
//           ├─► identify ─► verdict ─► policy ─► endpoint's backend ──┼─ memory      dialled → a server of this process
//   dial  ──┘   (who)       (proxy)    (policy)  (exposures)          └─ pipe        → a private socket of a worker or process
//
// It watches nothing: identify, verdict and policy are hooks that others fill.
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../model/clock.ts";
import type { Backend, Component, Listening, Network, Peer, Protocol, SocketAddress } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import type { AddressPlan } from "./address-plan.ts";
import { decide } from "./decide.ts";
import { DescriptorBudget, type DescriptorPressure } from "./descriptor-budget.ts";
import { dial, type FabricDialOptions } from "./dial.ts";
import { FabricState, type FabricHooks, type FabricNode, type FlowCounters } from "./fabric-state.ts";
import { FlowTrace } from "./flow-trace.ts";
import { armServer, handOver, socketName } from "./hand-over.ts";
import { listenTcp, nextPorts } from "./listen.ts";
import { Listeners } from "./listeners.ts";
import type { LiveFlows } from "./live-flow.ts";
import { acceptTcp } from "./tcp-accept.ts";
import { UdpFabric, type FabricDatagramSocket } from "./udp.ts";
import type { UdpFlows } from "./udp-flows.ts";

export interface FabricOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly plan: AddressPlan;
  /** The cluster's nodes, first the control plane; also assignable later. */
  readonly nodes?: readonly FabricNode[];
  /** Hops kept; default 4096. */
  readonly traceLimit?: number;
  /** Sockets that flows may hold; default the descriptor limit less 256. */
  readonly descriptorBudget?: number;
  /** Told once per episode in which new flows are reset for want of descriptors. */
  readonly onPressure?: (pressure: DescriptorPressure) => void;
}

/** A port outside the cluster: `tries` consecutive ports are tried (default 64), then any free one. */
export interface HostPort {
  readonly ip: string;
  readonly port: number;
  readonly tries?: number;
}

export interface FabricStats extends Readonly<FlowCounters> {
  readonly live: number;
  readonly udpFlows: number;
  readonly listeners: number;
  readonly descriptors: { readonly open: number; readonly budget: number; readonly refused: number };
}

export interface Fabric extends Network, Component {
  /** Assignable at any time; the next flow asks the new one. */
  readonly hooks: FabricHooks;
  nodes: readonly FabricNode[];
  readonly plan: AddressPlan;
  readonly trace: FlowTrace;
  /** TCP flows alive now, with their close, reset and stall. */
  readonly flows: LiveFlows;
  readonly udpFlows: UdpFlows;
  dial(from: Peer, to: SocketAddress, options?: FabricDialOptions): Promise<Duplex>;
  openDatagram(from: Peer, onMessage: (message: Uint8Array, source: SocketAddress) => void): FabricDatagramSocket;
  /** A listener with no backend: each of its flows goes where the verdict says. */
  listenService(address: SocketAddress, protocol: Protocol): Promise<Listening>;
  /** A port of this machine whose flows behave as if they had arrived at the cluster address `to`. */
  publish(host: HostPort, to: SocketAddress, protocol: Protocol): Promise<Listening>;
  /** A port of this machine for a server that is not in the cluster. */
  serveHost(host: HostPort, server: Server): Promise<Listening>;
  /** What the hooks answer may have changed: flows that were dropped and still wait are decided anew. */
  decideAgain(): void;
  /** The process at this address died: its sockets on either side are destroyed. Answers how many flows. */
  killPeer(ip: string): number;
  stats(): FabricStats;
}

export function createFabric(options: FabricOptions): Fabric {
  return new LoopbackFabric(options);
}

class LoopbackFabric implements Fabric {
  readonly #state: FabricState;
  readonly #listeners = new Listeners();
  readonly #udp: UdpFabric;
  readonly #hostSockets = new Set<Socket>();

  constructor({ clock, random, plan, nodes, traceLimit, descriptorBudget, onPressure }: FabricOptions) {
    const trace = new FlowTrace({ clock, ...(traceLimit === undefined ? {} : { limit: traceLimit }) });
    const budget = new DescriptorBudget(descriptorBudget, onPressure);
    this.#state = new FabricState({ clock, random, plan, trace, budget });
    if (nodes) this.#state.nodes = nodes;
    this.#udp = new UdpFabric(this.#state);
  }
  get hooks(): FabricHooks {
    return this.#state.hooks;
  }
  get nodes(): readonly FabricNode[] {
    return this.#state.nodes;
  }
  set nodes(nodes: readonly FabricNode[]) {
    this.#state.nodes = nodes;
  }
  get plan(): AddressPlan {
    return this.#state.plan;
  }
  get trace(): FlowTrace {
    return this.#state.trace;
  }
  get flows(): LiveFlows {
    return this.#state.live;
  }
  get udpFlows(): UdpFlows {
    return this.#udp.flows;
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {
    this.#state.end();
    await this.#listeners.closeAll();
    this.#udp.stop();
    for (const flow of this.#state.live.list()) flow.close();
    for (const socket of this.#hostSockets) socket.destroy();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
  identify(ip: string): Peer {
    return this.#state.identify(ip);
  }
  socketOf(address: SocketAddress, protocol: Protocol): SocketAddress | undefined {
    return this.#listeners.find(address, protocol)?.socket;
  }
  dial(from: Peer, to: SocketAddress, options?: FabricDialOptions): Promise<Duplex> {
    return dial(this.#state, from, to, options);
  }
  openDatagram(from: Peer, onMessage: (message: Uint8Array, source: SocketAddress) => void): FabricDatagramSocket {
    return this.#udp.open(from, onMessage);
  }

  async expose(address: SocketAddress, protocol: Protocol, backend: Backend, owner: Peer): Promise<Listening> {
    const exposure = { address, protocol, backend, owner, name: socketName(address) };
    this.#state.exposures.add(exposure);
    let listening: Listening | undefined;
    const disarm = backend.type === "server" ? armServer(backend.server, address, () => void listening?.close()) : undefined;
    const withdraw = (): void => {
      this.#state.exposures.remove(exposure);
      disarm?.();
    };
    try {
      listening = await this.#listen(address, protocol, withdraw);
      return listening;
    } catch (error) {
      withdraw();
      throw error;
    }
  }
  listenService(address: SocketAddress, protocol: Protocol): Promise<Listening> {
    return this.#listen(address, protocol, () => {});
  }
  /** A real listener at a cluster address; two of them at one address are EADDRINUSE, as in a kernel. */
  #listen(address: SocketAddress, protocol: Protocol, onClose: () => void): Promise<Listening> {
    const candidates = this.#state.plan.candidates(address, protocol);
    return this.#listeners.add(address, protocol, onClose, () => this.#open(candidates, address, protocol));
  }
  #open(candidates: readonly SocketAddress[], to: SocketAddress, protocol: Protocol): ReturnType<typeof listenTcp> {
    if (protocol === "UDP") return this.#udp.listen(candidates, to);
    return listenTcp(candidates, (socket) => acceptTcp(this.#state, socket, to));
  }
  publish(host: HostPort, to: SocketAddress, protocol: Protocol): Promise<Listening> {
    return this.#listeners.addHost(host, () => this.#open(hostCandidates(host), to, protocol));
  }
  async serveHost(host: HostPort, server: Server): Promise<Listening> {
    const onSocket = (socket: Socket): void => this.#serve(server, socket);
    let disarm = (): void => {};
    const listening = await this.#listeners.addHost(
      host,
      () => listenTcp(hostCandidates(host), onSocket),
      () => disarm(),
    );
    disarm = armServer(server, listening.socket, () => void listening.close());
    return listening;
  }
  #serve(server: Server, socket: Socket): void {
    if (!this.#state.budget.take(1)) return void socket.resetAndDestroy();
    this.#hostSockets.add(socket);
    handOver(server, socket, () => {
      this.#hostSockets.delete(socket);
      this.#state.budget.give(1);
    });
  }
  decideAgain(): void {
    // What stays dropped is neither counted nor traced again.
    this.#state.waiting.decideAgain((flow) => decide(this.#state, flow, true));
  }
  killPeer(ip: string): number {
    let killed = 0;
    for (const flow of this.#state.live.list()) {
      const isEndpoint = flow.exposure?.address.ip === ip;
      const isClient = flow.from.ip === ip && flow.from.kind !== "host";
      if (isEndpoint) flow.killEndpoint();
      if (isClient) flow.killClient();
      if (isEndpoint || isClient) killed++;
    }
    return killed + this.#udp.flows.deleteWhere((flow) => flow.endpoint.ip === ip || (flow.from.ip === ip && flow.from.kind !== "host"));
  }
  stats(): FabricStats {
    const { counters, live, budget } = this.#state;
    return { ...counters, live: live.size, udpFlows: this.#udp.flows.size, listeners: this.#listeners.size, descriptors: budget.stats() };
  }
}

function hostCandidates({ ip, port, tries = 64 }: HostPort): readonly SocketAddress[] {
  return [...nextPorts(ip, port, tries), ...(port === 0 ? [] : [{ ip, port: 0 }])];
}
