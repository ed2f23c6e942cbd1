// A shaped link between two ends of a connection: every piece leaves when its stages say so, counted from when it came; order, half-close
// and reset stay, and what waits in it is bounded, so that a slow reader holds the sender back.
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { resetEnd } from "../pipe.ts";
import type { StreamShape } from "./fault-rule.ts";
import type { FilteredPart, StreamFilter, StreamStage } from "./fault.ts";

/** Most that one direction holds: as much as a kernel's largest receive window. */
const LIMIT_BYTES = 4 * 1024 * 1024;

/** How a side ends: FIN, RST, an abrupt close, and `gone`: closed after its FIN, so that what is still sent to it is answered with RST. */
type Ending = "end" | "reset" | "close" | "gone";

type Piece =
  | { readonly atMs: number; readonly type: "bytes"; readonly bytes: Uint8Array }
  | { readonly atMs: number; readonly type: Ending };

/** Joins two ends until both are closed; each must allow half-open. `a` is the client's. */
export function joinShaped(clock: Clock, a: Duplex, b: Duplex, shape: StreamShape): void {
  const [forward, back] = [new StreamLink(clock, a, b, shape.forward, shape.filters), new StreamLink(clock, b, a, shape.back, [])];
  forward.start(back);
  back.start(forward);
}

class StreamLink {
  readonly #clock: Clock;
  readonly #from: Duplex;
  readonly #to: Duplex;
  readonly #stages: readonly StreamStage[];
  readonly #filters: readonly StreamFilter[];
  readonly #pieceBytes: number;
  #queue: Piece[] = [];
  #head = 0;
  #bytes = 0;
  #lastAt = 0;
  #timer: Timer | undefined;
  #waitsForDrain = false;
  #paused = false;
  #failed = false;
  #other: StreamLink | undefined;
  #receiverIsGone = false;

  constructor(clock: Clock, from: Duplex, to: Duplex, stages: readonly StreamStage[], filters: readonly StreamFilter[]) {
    this.#clock = clock;
    this.#from = from;
    this.#to = to;
    this.#stages = stages;
    this.#filters = filters;
    this.#pieceBytes = Math.min(Infinity, ...stages.map((stage) => stage.pieceBytes ?? Infinity));
  }
  /** `other` carries what comes the other way. */
  start(other: StreamLink): void {
    this.#other = other;
    const [from, to] = [this.#from, this.#to];
    from.on("data", (chunk: Uint8Array) => this.#take(chunk));
    from.on("end", () => {
      for (const [index, filter] of this.#filters.entries()) this.#pass(filter.rest(), this.#filters.slice(index + 1));
      this.#push("end");
    });
    from.on("error", () => (this.#failed = true));
    from.on("close", () => this.#onFromClose());
    to.on("drain", () => {
      this.#waitsForDrain = false;
      this.#run();
    });
    to.on("close", () => this.#drop());
    from.resume();
  }
  #take(chunk: Uint8Array): void {
    if (this.#to.destroyed) return this.#receiverIsGone ? resetEnd(this.#from) : undefined;
    this.#pass(chunk, this.#filters);
    this.#run();
  }
  /** Puts into the queue what the filters let through, and what they answer into the queue of the other direction. */
  #pass(chunk: Uint8Array, filters: readonly StreamFilter[]): void {
    let parts: readonly FilteredPart[] = [{ type: "pass", bytes: chunk, delayMs: 0 }];
    for (const filter of filters)
      parts = parts.flatMap((part) => (part.type === "pass" ? later(filter.take(part.bytes), part.delayMs) : part));
    for (const { type, bytes, ...part } of parts) {
      if (type === "answer") this.#other?.answer(bytes);
      else this.#enqueueBytes(bytes, this.#clock.monotonic() + ("delayMs" in part ? part.delayMs : 0));
    }
  }
  /** Sends bytes that did not come from the sender. */
  answer(bytes: Uint8Array): void {
    this.#enqueueBytes(bytes, this.#clock.monotonic());
    this.#run();
  }
  #enqueueBytes(chunk: Uint8Array, atMs: number): void {
    for (let at = 0; at < chunk.byteLength; at += this.#pieceBytes) {
      const bytes = this.#pieceBytes >= chunk.byteLength ? chunk : chunk.subarray(at, at + this.#pieceBytes);
      this.#bytes += bytes.byteLength;
      this.#enqueue({ type: "bytes", bytes, atMs: this.#leavesAt(atMs, bytes.byteLength, false) });
    }
  }
  #push(type: Ending): void {
    this.#enqueue({ type, atMs: this.#leavesAt(this.#clock.monotonic(), 0, type === "end") });
    this.#run();
  }
  #leavesAt(now: number, sizeBytes: number, end: boolean): number {
    const atMs = this.#stages.reduce((at, stage) => stage.pass(at, sizeBytes, end), now);
    return (this.#lastAt = Math.max(now, this.#lastAt, atMs));
  }
  #enqueue(piece: Piece): void {
    if (!this.#to.destroyed) this.#queue.push(piece);
  }
  #onFromClose(): void {
    this.#push(this.#failed ? "reset" : this.#from.readableEnded ? "gone" : "close");
  }
  /** Delivers what is due, holds the sender back or lets it go on, and sees to it that it is called again. */
  #run(): void {
    const now = this.#clock.monotonic();
    while (!this.#waitsForDrain && this.#head < this.#queue.length) {
      const piece = this.#queue[this.#head];
      if (!piece || piece.atMs > now) break;
      this.#head++;
      this.#deliver(piece);
    }
    if (this.#head === this.#queue.length || this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    const readyAt = this.#readyAt(now);
    this.#pace(readyAt <= now);
    this.#arm(now, Math.min(this.#nextDue(), readyAt > now ? readyAt : Infinity));
  }
  #deliver(piece: Piece): void {
    switch (piece.type) {
      case "bytes":
        this.#bytes -= piece.bytes.byteLength;
        if (!this.#to.destroyed && !this.#to.writableEnded && !this.#to.write(piece.bytes)) this.#waitsForDrain = true;
        return;
      case "end":
        if (!this.#to.destroyed) this.#to.end();
        return;
      case "reset":
        return resetEnd(this.#to);
      case "close":
        return void this.#to.destroy();
      case "gone":
        if (this.#other) this.#other.#receiverIsGone = true;
        return;
    }
  }
  #nextDue(): number {
    return this.#waitsForDrain ? Infinity : (this.#queue[this.#head]?.atMs ?? Infinity);
  }
  /** Infinity while the link is full: a delivery makes room. */
  #readyAt(now: number): number {
    if (this.#bytes >= LIMIT_BYTES) return Infinity;
    return this.#stages.reduce((at, stage) => Math.max(at, stage.readyAt?.() ?? 0), now);
  }
  #pace(ready: boolean): void {
    if (ready === !this.#paused || this.#from.destroyed) return;
    this.#paused = !ready;
    if (ready) this.#from.resume();
    else this.#from.pause();
  }
  #arm(now: number, dueAt: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueAt === Infinity) return;
    this.#timer = this.#clock.after(Math.max(0, Math.ceil(dueAt - now)), () => this.#run(), { background: true });
  }
  /** The receiver is gone: what was under way is lost, and the sender's writes vanish until it hears of it. */
  #drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#waitsForDrain = false;
    this.#pace(true);
  }
}

function later(parts: readonly FilteredPart[], delayMs: number): readonly FilteredPart[] {
  return delayMs === 0 ? parts : parts.map((part) => (part.type === "pass" ? { ...part, delayMs: part.delayMs + delayMs } : part));
}
