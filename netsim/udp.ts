// Datagrams on the fabric, from real programs and from inside. The first of a 4-tuple is decided, the rest follow its entry;
// answers come from the address that the client sent to. A reject tells an in-process sender ECONNREFUSED; to a real program
// nothing can be sent (ICMP needs privilege), so it sees silence.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { ipFamily } from "../model/ip.ts";
import type { DatagramSocket, Peer, SocketAddress } from "../model/ports.ts";
import { decide } from "./decide.ts";
import { addressError, hostPort, type ErrnoCode } from "./errno.ts";
import type { Exposure } from "./exposures.ts";
import { receiveDatagrams } from "./datagrams/receive.ts";
import { createPacketLink } from "./faults/packet-link.ts";
import type { FabricState } from "./fabric-state.ts";
import { isLoopback } from "./ip-block.ts";
import { firstOf, type OpenListener } from "./listen.ts";
import { UdpFlows, UdpTable, type UdpEntry } from "./udp-flows.ts";
import { putOnWire } from "./wire.ts";

/** The handle of an in-process sender; set `onError` to hear of rejects. */
export interface FabricDatagramSocket extends DatagramSocket {
  onError?: (error: NodeJS.ErrnoException) => void;
}

type OnMessage = (message: Uint8Array, source: SocketAddress) => void;

/** Why a datagram goes nowhere: `refused` tells an in-process sender so. */
type Failure = "refused" | "dropped";

/** Largest payload of a UDP datagram over IPv4. */
const MAX_BYTES = 65507;

export class UdpFabric {
  readonly flows: UdpFlows;
  readonly #state: FabricState;
  readonly #handles = new Map<string, OnMessage>();

  constructor(state: FabricState) {
    this.#state = state;
    this.flows = new UdpFlows(state.clock, undefined, (flow) => state.hooks.closed?.(flow.id));
  }
  stop(): void {
    this.flows.clear();
    this.#handles.clear();
  }
  /** A real socket on the first candidate that can be had; its datagrams are those sent to the cluster address `to`. */
  listen(candidates: readonly SocketAddress[], to: SocketAddress): Promise<OpenListener> {
    return firstOf(candidates, async (at) => {
      const socket = await bind(at);
      const table = new UdpTable((entry) => entry.source);
      let closing: Promise<void> | undefined;
      const open = (address: string, port: number): UdpEntry | Failure => {
        const reply = (answer: Uint8Array): void => {
          if (!closing) send(answer, port, address);
        };
        return this.#open(table, { ip: address, port }, to, this.#state.identify(address), reply);
      };
      const send = receiveDatagrams(socket, (message, address, port) => {
        const entry = this.flows.touch(table, address, port) ?? open(address, port);
        this.#receive(entry, message);
      });
      socket.on("error", () => {});
      const close = (): Promise<void> => (closing ??= new Promise((done) => socket.close(done)));
      return { socket: { ip: at.ip, port: socket.address().port }, close };
    });
  }
  /** An in-process sender with a source port of its own. */
  open(from: Peer, onMessage: OnMessage): FabricDatagramSocket {
    const local = { ip: from.ip, port: this.#state.ephemeralPort(from.ip) };
    const key = hostPort(local);
    this.#handles.set(key, onMessage);
    const table = new UdpTable((entry) => entry.destination);
    const handle: FabricDatagramSocket = {
      local,
      send: (message, to) => this.#send(handle, table, from, message, to),
      close: () => {
        if (this.#handles.get(key) === onMessage) this.#handles.delete(key);
      },
    };
    return handle;
  }
  #send(handle: FabricDatagramSocket, table: UdpTable, from: Peer, message: Uint8Array, to: SocketAddress): void {
    const fail = (code: ErrnoCode): void => handle.onError?.(addressError("send", code, to));
    const ownLoopback = from.kind === "pod" && isLoopback(to.ip) && !this.#state.plan.isClusterAddress(to.ip);
    const destination = ownLoopback ? { ip: from.ip, port: to.port } : to;
    const copy = Buffer.from(message);
    putOnWire({
      arrive: () => {
        if (copy.byteLength > MAX_BYTES) return fail("EMSGSIZE");
        if (!this.#state.plan.isClusterAddress(destination.ip)) return fail("ENETUNREACH");
        const open = (): UdpEntry | Failure => {
          const reply = (answer: Uint8Array): void => this.#replyInside(handle.local, to, answer);
          const client = this.#state.sourceFor(from, destination.ip);
          const source = client === from ? handle.local : { ip: client.ip, port: handle.local.port };
          return this.#open(table, source, destination, client, reply);
        };
        const entry = this.flows.touch(table, destination.ip, destination.port) ?? open();
        if (this.#receive(entry, copy) === "refused") fail("ECONNREFUSED");
      },
    });
  }
  #replyInside(local: SocketAddress, from: SocketAddress, answer: Uint8Array): void {
    const copy = Buffer.from(answer);
    putOnWire({ arrive: () => this.#handles.get(hostPort(local))?.(copy, from) });
  }

  #receive(entry: UdpEntry | Failure, message: Uint8Array): "sent" | Failure {
    this.#state.counters.datagrams++;
    if (typeof entry === "string") return entry;
    const exposure = this.#exposureOf(entry);
    if (!exposure) return "refused";
    if (entry.stalled) return "dropped";
    if (!entry.forward) return this.#deliver(exposure, entry, message);
    entry.forward(
      message,
      (late) => {
        const still = this.#exposureOf(entry);
        if (still && !entry.stalled) this.#deliver(still, entry, late);
      },
      entry.reply,
    );
    return "sent";
  }
  #exposureOf({ endpoint }: UdpEntry): Exposure | undefined {
    return this.#state.exposures.find("UDP", endpoint.ip, endpoint.port);
  }
  #open(
    table: UdpTable,
    source: SocketAddress,
    destination: SocketAddress,
    from: Peer,
    send: (answer: Uint8Array) => void,
  ): UdpEntry | Failure {
    const { trace, clock } = this.#state;
    const flow = this.#state.openFlow("UDP", from, source, destination);
    if (flow.traced) trace.record(flow.id, flow.node, "accept", `UDP ${hostPort(source)} → ${hostPort(destination)}`);
    const decision = decide(this.#state, flow);
    if (decision.type !== "deliver") return decision.type === "refuse" ? "refused" : "dropped";
    const { exposure, masqueradeAs, verdict, faults } = decision;
    if (flow.traced) trace.record(flow.id, flow.node, "deliver", `datagram ${hostPort(exposure.address)}`);
    this.#state.counters.delivered++;
    if (faults?.packet) this.#state.counters.shaped++;
    const back = faults?.packet && createPacketLink(clock, faults.packet.back);
    const sendBack = (answer: Uint8Array): void => {
      if (!entry.stalled) send(answer);
    };
    const entry: UdpEntry = {
      id: flow.id,
      from,
      source,
      destination,
      node: flow.node,
      endpoint: exposure.address,
      service: verdict.type === "dnat" ? verdict.service : undefined,
      replied: false,
      stalled: false,
      forward: faults?.packet && createPacketLink(clock, faults.packet.forward),
      lastSeenAt: clock.monotonic(),
      seenSource: masqueradeAs === undefined ? source : { ip: masqueradeAs, port: source.port },
      table,
      next: undefined,
      reply: (answer) => {
        entry.replied = true;
        if (this.#delivering !== entry) entry.lastSeenAt = clock.monotonic();
        if (back) back(Buffer.from(answer), sendBack, () => {});
        else sendBack(answer);
      },
    };
    this.flows.add(entry);
    return entry;
  }
  /** Whose datagram is being handled: an answer within that time comes at the time of the question. */
  #delivering: UdpEntry | undefined;
  #deliver({ backend }: Exposure, entry: UdpEntry, message: Uint8Array): "sent" | "dropped" {
    if (backend.type === "datagram") {
      this.#delivering = entry;
      try {
        backend.handler(message, entry.seenSource, entry.reply);
      } finally {
        this.#delivering = undefined;
      }
      return "sent";
    }
    if (backend.type !== "socket") return "dropped";
    const upstream = this.#upstreams.get(entry) ?? this.#upstream(entry);
    upstream?.send(message, backend.address.port, backend.address.ip, ignoreError);
    return upstream ? "sent" : "dropped";
  }
  readonly #upstreams = new WeakMap<UdpEntry, UdpSocket>();
  /** A socket of this entry's own to a process pod, so that answers find their way back. */
  #upstream(entry: UdpEntry): UdpSocket | undefined {
    if (!this.#state.budget.take(1)) return undefined;
    const socket = createSocket("udp4");
    socket.on("message", entry.reply);
    socket.on("error", () => {});
    this.#upstreams.set(entry, socket);
    entry.onRemoved = () => {
      this.#state.budget.give(1);
      socket.close();
    };
    return socket;
  }
}

const ignoreError = (): void => {};

/** All destinations are addresses of the socket's family: without a look-up, a datagram is sent at once instead of in a later tick. */
const asGiven =
  (family: number) =>
  (ip: string, _options: unknown, found: (error: null, ip: string, family: number) => void): void =>
    found(null, ip, family);

function bind(at: SocketAddress): Promise<UdpSocket> {
  const six = ipFamily(at.ip) === "IPv6";
  const socket = createSocket({ type: six ? "udp6" : "udp4", lookup: asGiven(six ? 6 : 4) });
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => {
      // One that could not be bound stays open until it is closed.
      socket.close();
      reject(error);
    });
    socket.bind({ address: at.ip, port: at.port, exclusive: true }, () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}
