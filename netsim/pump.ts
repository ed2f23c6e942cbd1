// Copies from a private socket as fast as the machine lets it: bytes are read into a buffer that is used again, where a stream would
// allocate 64 KiB for each read. Only a socket that Node connects can be read so (net's `onread`); what comes from elsewhere is piped.
import type { Duplex } from "node:stream";
import type { OnReadOpts, Socket } from "node:net";
import { tieEnds } from "./pipe.ts";

/** A quiet connection holds the least, a stream that fills its buffer gets the most. Powers of four of each other. */
const [LEAST, MOST] = [16 * 1024, 256 * 1024];
const STEP = 4;
const NOTHING = Buffer.alloc(0);

/** One direction of a pipe: give `onread` to `connect`, then the connected socket to `start`. */
export class Pump {
  readonly onread: OnReadOpts = {
    buffer: () => this.#buffer,
    callback: (count, buffer) => this.#arrived(count, buffer),
  };
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(LEAST);
  /** What the last unfinished write was read into: free again when that has been sent. */
  #spare: Uint8Array | undefined;
  #from: Socket | undefined;
  #to: Duplex | undefined;

  /** Everything from `from` goes to `to`, with back-pressure, end and reset. Before it starts to read: in the 'connect' event. */
  start(from: Socket, to: Duplex): void {
    this.#from = from;
    this.#to = to;
    from.once("end", () => to.end());
    tieEnds(from, to);
  }
  #arrived(count: number, buffer: Uint8Array): boolean {
    const to = this.#to;
    if (!to || to.destroyed || to.writableEnded) return true;
    to.write(buffer.subarray(0, count));
    const sent = to.writableLength === 0;
    this.#resize(count, buffer, sent);
    if (sent) return true;
    // Its callback comes after all that was written before it.
    to.write(NOTHING, () => {
      if (buffer.length >= this.#buffer.length) this.#spare = buffer;
      this.#from?.resume();
    });
    return false;
  }
  /** The buffer of the next read. One whose bytes are not yet with the kernel is never read into. */
  #resize(count: number, buffer: Uint8Array, sent: boolean): void {
    const { length } = buffer;
    const wanted =
      count === length ? Math.min(length * STEP, MOST) : count * STEP * STEP < length ? Math.max(length / STEP, LEAST) : length;
    if (sent && wanted === length) return;
    this.#buffer = this.#spare?.length === wanted ? this.#spare : Buffer.allocUnsafeSlow(wanted);
    this.#spare = undefined;
  }
}
