// Takes exact numbers of bytes from the start of a connection and leaves the rest to whoever reads on.
import type { Duplex } from "node:stream";

/** The client left, or closed its side, in the middle of a message. */
export class UnexpectedEnd extends Error {
  override readonly name = "UnexpectedEnd";
}

/** Resolves with exactly `count` bytes; rejects with UnexpectedEnd. */
export async function takeBytes(socket: Duplex, count: number): Promise<Buffer> {
  for (;;) {
    const chunk: unknown = count === 0 ? Buffer.alloc(0) : socket.read(count);
    if (Buffer.isBuffer(chunk)) {
      if (chunk.length === count) return chunk;
      throw new UnexpectedEnd("connection ended early");
    }
    if (socket.readableEnded || socket.destroyed) throw new UnexpectedEnd("connection ended early");
    await moreBytes(socket);
  }
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
