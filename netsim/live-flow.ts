// One TCP flow while it lives: who, where to, which sockets carry it, and how to act on it (close, reset, stall).
// Faults and policies that change under established flows act through this registry.
import type { Socket } from "node:net";
import type { Flow, Peer, Protocol, SocketAddress } from "../model/ports.ts";
import { MemorySocket } from "./duplex-pair.ts";
import { streamError } from "./errno.ts";
import type { Exposure } from "./exposures.ts";
import { resetEnd } from "./pipe.ts";
import { stallSocket } from "./stall.ts";

/** How a flow reaches its endpoint: the socket itself, copied between two sockets, in memory, or not at all (a drop on an accepted socket). */
export type Delivery = "hand-over" | "pipe" | "memory" | "held";

export class LiveFlow implements Flow {
  readonly id: number;
  readonly protocol: Protocol;
  readonly from: Peer;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly node: string;
  /** Whether its hops are recorded. */
  readonly traced: boolean;
  /** Where the registry of live flows keeps it; -1: never there. */
  slot = -1;
  delivery: Delivery = "held";
  exposure: Exposure | undefined;
  /** The Service it came through: `namespace/name:port`. */
  service: string | undefined;
  /** The client's end as the fabric holds it: the accepted socket, or the client's half of a pair. */
  near: Socket | MemorySocket | undefined;
  /** The endpoint's end when it is another socket. */
  far: Socket | MemorySocket | undefined;

  constructor(
    id: number,
    protocol: Protocol,
    from: Peer,
    source: SocketAddress,
    destination: SocketAddress,
    node: string,
    traced: boolean,
  ) {
    this.id = id;
    this.protocol = protocol;
    this.from = from;
    this.source = source;
    this.destination = destination;
    this.node = node;
    this.traced = traced;
  }
  /** Where the flow ends; undefined while it is held. */
  get endpoint(): SocketAddress | undefined {
    return this.exposure?.address;
  }
  /** Closes both ends; nothing written is waited for. */
  close(): void {
    this.near?.destroy();
    this.far?.destroy();
  }
  /** RST to both ends. */
  reset(): void {
    if (this.near instanceof MemorySocket) {
      this.near.destroy(streamError("read", "ECONNRESET"));
      this.far?.destroy(streamError("read", "ECONNRESET"));
      return;
    }
    if (this.near) resetEnd(this.near);
    if (this.far) resetEnd(this.far);
  }
  /** Nothing gets through in either direction until `false`: a partition, not a close. */
  stall(on: boolean): void {
    for (const end of [this.near, this.far]) {
      if (end instanceof MemorySocket) end.stall(on);
      else if (end) stallSocket(end, on);
    }
  }
  /** The endpoint's process died: its sockets are closed by its kernel, the client sees FIN or RST. */
  killEndpoint(): void {
    if (this.delivery === "hand-over") this.near?.destroy();
    else if (this.delivery === "memory") this.far?.destroy();
    else this.close();
  }
  /** The client's process died. */
  killClient(): void {
    if (this.near instanceof MemorySocket) this.near.destroy();
    else this.close();
  }
}

/**
 * Flows alive now. They sit in slots that are used again: a Map leaves outgrown tables behind, and those that reached the old generation
 * would keep every flow since, with its socket, from being collected young.
 */
export class LiveFlows {
  readonly #slots: (LiveFlow | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #onRemoved: (flow: LiveFlow) => void;

  constructor(onRemoved: (flow: LiveFlow) => void = () => {}) {
    this.#onRemoved = onRemoved;
  }
  get size(): number {
    return this.#slots.length - this.#free.length;
  }
  add(flow: LiveFlow): void {
    flow.slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[flow.slot] = flow;
  }
  remove(flow: LiveFlow): void {
    if (this.has(flow)) {
      this.#slots[flow.slot] = undefined;
      this.#free.push(flow.slot);
    }
    this.#onRemoved(flow);
  }
  has(flow: LiveFlow): boolean {
    return this.#slots[flow.slot] === flow;
  }
  /** Oldest first. */
  list(): readonly LiveFlow[] {
    return this.#slots.flatMap((flow) => flow ?? []).sort((a, b) => a.id - b.id);
  }
  /** Flows for which `predicate` holds, for acting on them. */
  where(predicate: (flow: LiveFlow) => boolean): readonly LiveFlow[] {
    return this.list().filter(predicate);
  }
}
