// Reads the start of a connection until it is understood, and leaves the rest to whoever reads on.
import type { Duplex } from "node:stream";
import type { Clock } from "../../model/clock.ts";

export interface PrefaceOptions<T> {
  readonly clock: Clock;
  /** The client is given up after this long. */
  readonly timeoutMs: number;
  /** Undefined: not enough bytes yet. `size` of them are consumed. */
  parse(bytes: Buffer): { readonly value: T; readonly size: number } | undefined;
}

/** What `parse` found; undefined when the client left or took too long, and the socket is destroyed. */
export function takePreface<T>(socket: Duplex, { clock, timeoutMs, parse }: PrefaceOptions<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    let taken: Buffer = Buffer.alloc(0);
    const finish = (value: T | undefined): void => {
      timer.cancel();
      for (const event of EVENTS) socket.off(event, look);
      resolve(value);
    };
    const giveUp = (): void => {
      socket.destroy();
      finish(undefined);
    };
    const look = (): void => {
      // All is taken out: bytes left in the stream would make it readable again at once.
      const before = taken.length;
      for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read())
        taken = taken.length === 0 ? chunk : Buffer.concat([taken, chunk]);
      const found = taken.length > before ? parse(taken) : undefined;
      if (found) {
        // In the same turn as the read: a stream that has ended takes nothing back.
        if (found.size < taken.length) socket.unshift(taken.subarray(found.size));
        return finish(found.value);
      }
      if (socket.readableEnded || socket.destroyed) giveUp();
    };
    const timer = clock.after(timeoutMs, giveUp, { background: true });
    for (const event of EVENTS) socket.on(event, look);
    look();
  });
}

const EVENTS = ["readable", "end", "close", "error"] as const;
