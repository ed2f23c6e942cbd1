// A connection between two ends of this process: two sockets joined in memory, with TCP's half-close, back-pressure and reset,
// and enough of net.Socket's face that http, https, tls and http.Agent take them. No descriptor, no port of the machine.
import { Duplex } from "node:stream";
import type { Clock, Timer } from "../model/clock.ts";
import { ipFamily } from "../model/ip.ts";
import type { SocketAddress } from "../model/ports.ts";
import { streamError } from "./errno.ts";
import { putOnWire, type Arrival } from "./wire.ts";

type Done = (error?: Error | null) => void;

/** What crosses at a time: a large write is copied as the other end takes it, as a kernel does. Smaller pieces leave holes in malloc's heap. */
const PIECE_BYTES = 262_144;

/** One end of a connection as its program sees it. */
export interface PairEnd {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly allowHalfOpen: boolean;
}

/** Each end as its own program sees it: `remote` of one need not be `local` of the other (NAT). */
export function createDuplexPair(clock: Clock, client: PairEnd, server: PairEnd): [MemorySocket, MemorySocket] {
  const near = new MemorySocket(clock, client);
  const far = new MemorySocket(clock, server);
  near.join(far);
  far.join(near);
  return [near, far];
}

/** One end of an in-memory connection. */
export class MemorySocket extends Duplex implements Arrival {
  readonly connecting = false;
  readonly pending = false;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  bytesRead = 0;
  bytesWritten = 0;
  timeout = 0;
  readonly #clock: Clock;
  #peer: MemorySocket | undefined;
  /** The write under way, and how much of it has crossed: chunks, then bytes of the next one. */
  #chunks: readonly Uint8Array[] | undefined;
  #crossedChunks = 0;
  #crossedBytes = 0;
  /** Chunks that the other end may have without a copy. */
  #given: Set<Uint8Array> | undefined;
  #written: Done | undefined;
  /** The peer's write that waits for room here. */
  #waiting: MemorySocket | undefined;
  #finReceived = false;
  #held: Arrival[] | undefined;
  #timer: Timer | undefined;
  #timerDueAt = 0;
  #idleSince = 0;

  constructor(clock: Clock, end: PairEnd) {
    super({ allowHalfOpen: end.allowHalfOpen, readableHighWaterMark: 65536, writableHighWaterMark: 65536, decodeStrings: true });
    this.#clock = clock;
    this.localAddress = end.local.ip;
    this.localPort = end.local.port;
    this.remoteAddress = end.remote.ip;
    this.remotePort = end.remote.port;
  }
  /** Ties this end to the other; once. */
  join(peer: MemorySocket): void {
    this.#peer = peer;
  }
  get localFamily(): string {
    return ipFamily(this.localAddress) ?? "IPv4";
  }
  get remoteFamily(): string {
    return ipFamily(this.remoteAddress) ?? "IPv4";
  }
  get readyState(): string {
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }
  address(): { address: string; port: number; family: string } {
    return { address: this.localAddress, port: this.localPort, family: this.localFamily };
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  /** Ends after what is written, then destroys. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }
  /** Closes with RST: the other end sees ECONNRESET. */
  resetAndDestroy(): this {
    if (this.destroyed) return this;
    this.#send({ arrive: () => this.#peer && this.#peer.#onReset() });
    return this.destroy();
  }
  /** Holds (or lets go) all that this end sends, its FIN and RST too. */
  stall(on: boolean): void {
    if (on) return void (this.#held ??= []);
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const arrival of held) putOnWire(arrival);
  }
  /** Emits 'timeout' after `timeoutMs` without traffic; 0 switches it off. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    this.timeout = timeoutMs;
    if (callback) {
      if (timeoutMs === 0) this.off("timeout", callback);
      else this.once("timeout", callback);
    }
    if (timeoutMs > 0 && !this.destroyed) {
      this.#idleSince = this.#clock.monotonic();
      this.#armTimer(this.#idleSince + timeoutMs);
    }
    return this;
  }
  #armTimer(dueAt: number): void {
    if (this.#timer && this.#timerDueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#timerDueAt = dueAt;
    this.#timer = this.#clock.after(dueAt - this.#clock.monotonic(), () => this.#onTimer(), { background: true });
  }
  #onTimer(): void {
    this.#timer = undefined;
    if (this.timeout === 0 || this.destroyed) return;
    const dueAt = this.#idleSince + this.timeout;
    if (this.#clock.monotonic() < dueAt) return this.#armTimer(dueAt);
    this.emit("timeout");
  }
  #touch(): void {
    if (this.timeout > 0) {
      this.#idleSince = this.#clock.monotonic();
      if (!this.#timer) this.#armTimer(this.#idleSince + this.timeout);
    }
  }
  #send(arrival: Arrival): void {
    if (this.#held) this.#held.push(arrival);
    else putOnWire(arrival);
  }

  /** Writes a chunk that nobody else reads or changes any more: it crosses uncopied. */
  give(chunk: Uint8Array): boolean {
    (this.#given ??= new Set()).add(chunk);
    return this.write(chunk);
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.#transmit([chunk], done);
  }
  override _writev(writes: readonly { readonly chunk: Uint8Array }[], done: Done): void {
    this.#transmit(
      writes.map((write) => write.chunk),
      done,
    );
  }
  override _final(done: Done): void {
    this.#written = done;
    this.#send(this);
  }
  #transmit(chunks: readonly Uint8Array[], done: Done): void {
    for (const chunk of chunks) this.bytesWritten += chunk.byteLength;
    this.#touch();
    this.#chunks = chunks;
    this.#written = done;
    this.#send(this);
  }
  /** What this end sent reaches the other: its one write or FIN under way. */
  arrive(): void {
    const peer = this.#peer;
    if (!peer) return;
    if (!this.#chunks) {
      peer.#onFin();
      return this.#finishWrite();
    }
    this.#cross(peer);
  }
  /** The other end has room again for the write that waits. */
  #goOn(peer: MemorySocket): void {
    if (this.#held) this.#held.push(this);
    else this.#cross(peer);
  }
  /** Copies the write to the other end until that is full; it goes on when that is read. */
  #cross(peer: MemorySocket): void {
    const chunks = this.#chunks ?? [];
    if (peer.destroyed) {
      this.#crossed();
      return this.#finishWrite(streamError("write", this.readableEnded ? "EPIPE" : "ECONNRESET"));
    }
    peer.#touch();
    for (let chunk = chunks[this.#crossedChunks]; chunk; chunk = chunks[this.#crossedChunks]) {
      const from = this.#crossedBytes;
      const to = Math.min(chunk.byteLength, from + PIECE_BYTES);
      if (to === chunk.byteLength) {
        this.#crossedChunks++;
        this.#crossedBytes = 0;
      } else this.#crossedBytes = to;
      peer.bytesRead += to - from;
      const whole = from === 0 && to === chunk.byteLength;
      if (!peer.push(whole && this.#given?.delete(chunk) ? chunk : Buffer.from(whole ? chunk : chunk.subarray(from, to)))) {
        peer.#waiting = this;
        return;
      }
    }
    this.#crossed();
    this.#finishWrite();
  }
  #crossed(): void {
    for (const chunk of this.#chunks ?? []) this.#given?.delete(chunk);
    this.#chunks = undefined;
    this.#crossedChunks = 0;
    this.#crossedBytes = 0;
  }
  #finishWrite(error?: Error): void {
    const done = this.#written;
    this.#written = undefined;
    done?.(error);
  }
  override _read(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.#goOn(this);
  }
  #onFin(): void {
    if (this.#finReceived || this.destroyed) return;
    this.#finReceived = true;
    this.#waiting = undefined;
    this.push(null);
    this.read(0);
  }
  #onReset(): void {
    if (!this.destroyed) this.destroy(streamError("read", "ECONNRESET"));
  }
  /** The other end closed: nothing more comes, and what waits for room there can never be read. */
  #onPeerGone(): void {
    if (this.destroyed) return;
    const peer = this.#peer;
    if (peer && peer.#waiting === this) {
      peer.#waiting = undefined;
      this.#crossed();
      this.#finishWrite(streamError("write", "ECONNRESET"));
    }
    this.#onFin();
  }
  override _destroy(error: Error | null, done: Done): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    // What has not crossed yet never does.
    const peer = this.#peer;
    if (peer && peer.#waiting === this) peer.#waiting = undefined;
    this.#send({ arrive: () => this.#peer && this.#peer.#onPeerGone() });
    done(error);
  }
}
