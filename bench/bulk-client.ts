// One HTTP answer without end, read as fast as it comes into one buffer.
import { connect } from "node:net";
import { realClock } from "../model/clock.ts";

/** Gbit/s of `GET /bulk` over one connection. */
export function bulkGbits(host: string, port: number, seconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let beganAt = 0;
    const callback = (read: number): boolean => {
      if (bytes === 0) beganAt = realClock.monotonic();
      bytes += read;
      const tookMs = realClock.monotonic() - beganAt;
      if (tookMs < seconds * 1000) return true;
      socket.destroy();
      resolve((bytes * 8) / tookMs / 1e6);
      return false;
    };
    const socket = connect({ host, port, onread: { buffer: Buffer.alloc(1 << 18), callback } });
    socket.on("error", reject);
    socket.on("end", () => reject(new Error(`${host}:${port} ended the stream`)));
    socket.write(`GET /bulk HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}
