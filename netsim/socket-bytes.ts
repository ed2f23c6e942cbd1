// Takes exact numbers of bytes from the start of a connection and leaves the rest to whoever reads on.
import type { Duplex } from "node:stream";

/** The client left, or closed its side, in the middle of a message. */
export class UnexpectedEnd extends Error {
  override readonly name = "UnexpectedEnd";
}

/** Resolves with exactly `count` bytes; rejects with UnexpectedEnd. */
export async function takeBytes(socket: Duplex, count: number): Promise<Buffer> {
  // Everything is taken out while waiting: bytes left in the stream would make it readable again at once, for ever.
  let taken: Buffer = Buffer.alloc(0);
  while (taken.length < count) {
    const chunk: unknown = socket.read();
    if (Buffer.isBuffer(chunk)) taken = taken.length === 0 ? chunk : Buffer.concat([taken, chunk]);
    else if (socket.readableEnded || socket.destroyed) throw new UnexpectedEnd("connection ended early");
    else await moreBytes(socket);
  }
  if (taken.length > count) socket.unshift(taken.subarray(count));
  return taken.subarray(0, count);
}

/** Resolves with the bytes before `stop`, which is consumed; rejects when there are more than `limit`. */
export async function takeUntil(socket: Duplex, stop: number, limit: number): Promise<Buffer> {
  const bytes: number[] = [];
  for (;;) {
    const byte = (await takeBytes(socket, 1))[0] ?? stop;
    if (byte === stop) return Buffer.from(bytes);
    if (bytes.push(byte) > limit) throw new RangeError(`more than ${limit} bytes`);
  }
}

function moreBytes(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["readable", "end", "close", "error"]) socket.off(event, done);
      resolve();
    };
    for (const event of ["readable", "end", "close", "error"]) socket.on(event, done);
  });
}
