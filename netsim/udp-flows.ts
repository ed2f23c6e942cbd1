// Conntrack for UDP: one entry per 4-tuple, which keeps its endpoint while datagrams pass. Upstream: nf_conntrack_proto_udp.
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
}

/** nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream. */
const UNREPLIED_MS = 30_000;
const STREAM_MS = 120_000;
const SWEEP_MS = 10_000;
const LIMIT = 65536;

export class UdpFlows {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #entries = new Map<string, UdpEntry>();
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
    return [...this.#entries.values()].filter((entry) => !expired(entry, now));
  }
  /** Forgets entries, so that their next datagram is decided anew; answers how many. */
  deleteWhere(predicate: (flow: UdpFlow) => boolean): number {
    let deleted = 0;
    for (const [key, entry] of this.#entries) {
      if (!predicate(entry)) continue;
      this.#remove(key, entry);
      deleted++;
    }
    return deleted;
  }
  /** Lets nothing through for which `stalled` holds, and the rest again. */
  stallWhere(stalled: (flow: UdpFlow) => boolean): void {
    for (const entry of this.#entries.values()) entry.stalled = stalled(entry);
  }
  /** The live entry of a 4-tuple, marked as seen now. */
  touch(key: string): UdpEntry | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const now = this.#clock.monotonic();
    if (expired(entry, now)) {
      this.#remove(key, entry);
      return undefined;
    }
    entry.lastSeenAt = now;
    return entry;
  }
  /** When the table is full, the oldest entry goes. */
  add(key: string, entry: UdpEntry): void {
    if (this.#entries.size >= this.#limit) {
      const oldest = this.#entries.entries().next().value;
      if (oldest) this.#remove(oldest[0], oldest[1]);
    }
    this.#entries.set(key, entry);
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
    for (const [key, entry] of this.#entries) if (expired(entry, now)) this.#remove(key, entry);
    if (this.#entries.size > 0) this.#sweep = this.#clock.after(SWEEP_MS, () => this.#onSweep(), { background: true });
  }
  #remove(key: string, entry: UdpEntry): void {
    this.#entries.delete(key);
    entry.onRemoved?.();
    this.#onRemoved(entry);
  }
}

/** The key of a 4-tuple. */
export const flowKey = (source: SocketAddress, destination: SocketAddress): string =>
  `${source.ip}:${source.port}>${destination.ip}:${destination.port}`;

const expired = (entry: UdpFlow, now: number): boolean => now - entry.lastSeenAt >= (entry.replied ? STREAM_MS : UNREPLIED_MS);
