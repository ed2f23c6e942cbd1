// A FastCGI application for tests, and its records.
import { createServer, type Server, type Socket } from "node:net";

export const record = (type: number, content: Buffer | string): Buffer => {
  const bytes = Buffer.from(content);
  // With padding, which a reader leaves out.
  const head = Buffer.from([1, type, 0, 1, bytes.length >> 8, bytes.length & 255, 3, 0]);
  return Buffer.concat([head, bytes, Buffer.alloc(3)]);
};
export const [END, STDOUT, STDERR] = [3, 6, 7];

export interface Seen {
  readonly params: Readonly<Record<string, string>>;
  readonly body: string;
  readonly socket: Socket;
}

function paramsOf(bytes: Buffer): Readonly<Record<string, string>> {
  const params: Record<string, string> = {};
  let at = 0;
  const size = (): number => {
    const short = bytes[at] ?? 0;
    at += short < 128 ? 1 : 4;
    return short < 128 ? short : bytes.readUInt32BE(at - 4) & 0x7fff_ffff;
  };
  while (at < bytes.length) {
    const [key, value] = [size(), size()];
    params[bytes.toString("latin1", at, at + key)] = bytes.toString("latin1", at + key, at + key + value);
    at += key + value;
  }
  return params;
}

/** Reads whole requests and lets `answer` write. */
export const application = (answer: (seen: Seen) => void): Server =>
  createServer((socket) => {
    let rest = Buffer.alloc(0);
    const streams: Record<number, Buffer[]> = { 4: [], 5: [] };
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 8 && rest.length >= 8 + rest.readUInt16BE(4) + (rest[6] ?? 0)) {
        const [type = 0, length, padding = 0] = [rest[1], rest.readUInt16BE(4), rest[6]];
        streams[type]?.push(rest.subarray(8, 8 + length));
        rest = rest.subarray(8 + length + padding);
        if (type !== 5 || length > 0) continue;
        answer({ params: paramsOf(Buffer.concat(streams[4] ?? [])), body: Buffer.concat(streams[5] ?? []).toString(), socket });
      }
    });
  });
