// Conntrack for UDP: one entry per 4-tuple, which keeps its endpoint while datagrams pass. Each socket finds its own without making a key. Upstream: nf_conntrack_proto_udp.
// Left out: TCP entries (a TCP flow's socket is its entry) and conntrack zones.
import type { Clock, Timer } from "../model/clock.ts";
import type { Peer, SocketAddress } from "../model/ports.ts";
import type { PacketLink } from "./faults/packet-link.ts";

/** One entry, as `conntrack -L -p udp` would list it. */
export interface UdpFlow {
  readonly id: number;
  readonly from: Peer;
  readonly source: SocketAddress;
  /** What the client sends to. */
  readonly destination: SocketAddress;
  readonly node: string;
  readonly endpoint: SocketAddress;
  /** Of a dnat verdict: `namespace/name:port`. */
  readonly service: string | undefined;
  readonly replied: boolean;
  /** Clock milliseconds of the last datagram. */
  readonly lastSeenAt: number;
}

/** An entry as the UDP path keeps it. */
export interface UdpEntry extends UdpFlow {
  replied: boolean;
  lastSeenAt: number;
  readonly reply: (answer: Uint8Array) => void;
  readonly seenSource: SocketAddress;
  /** Nothing gets through in either direction while true. */
  stalled: boolean;
  /** Shapes what the client sends; absent: it goes straight to the endpoint. */
  readonly forward: PacketLink | undefined;
  /** Releases what the entry holds (a socket to a process pod). */
  onRemoved?: () => void;
  /** Where the entry is found. */
  readonly table: UdpTable;
  /** The next in its table with the same port. */
  next: UdpEntry | undefined;
}

/** The entries of one socket, by the address and port of its other end. */
export class UdpTable {
  readonly #byPort = new Map<number, UdpEntry>();
  readonly #otherEnd: (entry: UdpEntry) => SocketAddress;

  constructor(otherEnd: (entry: UdpEntry) => SocketAddress) {
    this.#otherEnd = otherEnd;
  }
  find(ip: string, port: number): UdpEntry | undefined {
    let entry = this.#byPort.get(port);
    while (entry && this.#otherEnd(entry).ip !== ip) entry = entry.next;
    return entry;
  }
  add(entry: UdpEntry): void {
    const { port } = this.#otherEnd(entry);
    entry.next = this.#byPort.get(port);
    this.#byPort.set(port, entry);
  }
  remove(entry: UdpEntry): void {
    const { port } = this.#otherEnd(entry);
    const first = this.#byPort.get(port);
    if (first !== entry) {
      for (let at = first; at; at = at.next) if (at.next === entry) at.next = entry.next;
    } else if (entry.next) this.#byPort.set(port, entry.next);
    else this.#byPort.delete(port);
  }
}

/** nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream. */
const UNREPLIED_MS = 30_000;
const STREAM_MS = 120_000;
const SWEEP_MS = 10_000;
const LIMIT = 65536;

export class UdpFlows {
  readonly #clock: Clock;
  readonly #limit: number;
  /** Oldest first. */
  readonly #entries = new Set<UdpEntry>();
  readonly #onRemoved: (flow: UdpFlow) => void;
  #sweep: Timer | undefined;

  constructor(clock: Clock, limit = LIMIT, onRemoved: (flow: UdpFlow) => void = () => {}) {
    this.#clock = clock;
    this.#limit = limit;
    this.#onRemoved = onRemoved;
  }
  get size(): number {
    return this.#entries.size;
  }
  list(): readonly UdpFlow[] {
    const now = this.#clock.monotonic();
    return [...this.#entries].filter((entry) => !expired(entry, now));
  }
  /** Forgets entries, so that their next datagram is decided anew; answers how many. */
  deleteWhere(predicate: (flow: UdpFlow) => boolean): number {
    let deleted = 0;
    for (const entry of this.#entries) {
      if (!predicate(entry)) continue;
      this.#remove(entry);
      deleted++;
    }
    return deleted;
  }
  /** Lets nothing through for which `stalled` holds, and the rest again. */
  stallWhere(stalled: (flow: UdpFlow) => boolean): void {
    for (const entry of this.#entries) entry.stalled = stalled(entry);
  }
  /** The live entry of a table with this other end, marked as seen now. */
  touch(table: UdpTable, ip: string, port: number): UdpEntry | undefined {
    const entry = table.find(ip, port);
    if (!entry) return undefined;
    const now = this.#clock.monotonic();
    if (expired(entry, now)) {
      this.#remove(entry);
      return undefined;
    }
    entry.lastSeenAt = now;
    return entry;
  }
  /** When there are too many, the oldest entry goes. */
  add(entry: UdpEntry): void {
    if (this.#entries.size >= this.#limit) {
      const oldest = this.#entries.values().next().value;
      if (oldest) this.#remove(oldest);
    }
    this.#entries.add(entry);
    entry.table.add(entry);
    this.#sweep ??= this.#clock.after(SWEEP_MS, () => this.#onSweep(), { background: true });
  }
  clear(): void {
    this.deleteWhere(() => true);
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }
  #onSweep(): void {
    this.#sweep = undefined;
    const now = this.#clock.monotonic();
    for (const entry of this.#entries) if (expired(entry, now)) this.#remove(entry);
    if (this.#entries.size > 0) this.#sweep = this.#clock.after(SWEEP_MS, () => this.#onSweep(), { background: true });
  }
  #remove(entry: UdpEntry): void {
    this.#entries.delete(entry);
    entry.table.remove(entry);
    entry.onRemoved?.();
    this.#onRemoved(entry);
  }
}

const expired = (entry: UdpFlow, now: number): boolean => now - entry.lastSeenAt >= (entry.replied ? STREAM_MS : UNREPLIED_MS);
