// DNS over TCP: length-prefixed messages, pipelined, answered as they are ready; idle and slow clients are let go.
// Upstream: RFC 7766; dns2's TCPServer is the server, its framing is replaced: cookies, FORMERR, limits and the injected clock are missing there.
import type { Socket } from "node:net";
import { TCPServer } from "dns2";
import type { Clock, Timer } from "../model/clock.ts";
import type { SocketAddress } from "../model/ports.ts";

export interface TcpOptions {
  readonly clock: Clock;
  /** Time for the next whole message; default 10 s. */
  readonly idleTimeoutMs?: number;
  /** Connections at once, further ones are closed; default 1000. */
  readonly maxConnections?: number;
  serve(message: Buffer, client: SocketAddress, reply: (answer: Buffer) => void): void;
}

const HEADER_BYTES = 12;

export class DnsTcpServer extends TCPServer {
  readonly #options: TcpOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: TcpOptions) {
    super();
    this.#options = options;
  }

  /** Connections open now. */
  get openCount(): number {
    return this.#sockets.size;
  }

  /** Takes one connection: dns2 calls it for each. */
  handle(socket: Socket): void {
    const { clock, idleTimeoutMs = 10_000, maxConnections = 1000 } = this.#options;
    socket.on("error", () => socket.destroy());
    if (this.#sockets.size >= maxConnections) return void socket.end();
    this.#sockets.add(socket);
    let timer: Timer | undefined;
    const rearm = (): void => {
      timer?.cancel();
      timer = clock.after(idleTimeoutMs, () => socket.destroy(), { background: true });
    };
    socket.once("close", () => {
      timer?.cancel();
      this.#sockets.delete(socket);
    });
    rearm();
    const client = { ip: socket.remoteAddress ?? "0.0.0.0", port: socket.remotePort ?? 0 };
    let buffered: Buffer[] = [];
    let bufferedBytes = 0;
    let inFlight = 0;
    let ended = false;
    const finish = (): void => void (ended && inFlight === 0 && socket.end());
    const take = (bytes: number): Buffer => {
      const whole = buffered.length === 1 && buffered[0] ? buffered[0] : Buffer.concat(buffered, bufferedBytes);
      buffered = whole.length > bytes ? [whole.subarray(bytes)] : [];
      bufferedBytes = whole.length - bytes;
      return whole.subarray(0, bytes);
    };
    let expected: number | undefined;
    socket.on("data", (chunk: Buffer) => {
      buffered.push(chunk);
      bufferedBytes += chunk.length;
      while (!socket.destroyed) {
        if (expected === undefined) {
          if (bufferedBytes < 2) break;
          expected = take(2).readUInt16BE(0);
          if (expected < HEADER_BYTES) return void socket.destroy();
        }
        if (bufferedBytes < expected) break;
        const message = take(expected);
        expected = undefined;
        rearm();
        inFlight++;
        let answered = false;
        this.#options.serve(message, client, (answer) => {
          if (!answered) inFlight--;
          answered = true;
          if (!socket.writable) return;
          if (!writeFrame(socket, answer)) socket.pause();
          queueMicrotask(finish);
        });
      }
    });
    socket.on("drain", () => socket.resume());
    socket.on("end", () => {
      ended = true;
      if (expected !== undefined || bufferedBytes > 0) socket.destroy();
      else finish();
    });
  }

  /** Ends all connections. */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Copying a small answer behind its length costs less than a second piece, and a large one more. */
const SMALL_BYTES = 2048;

function writeFrame(socket: Socket, answer: Buffer): boolean {
  const large = answer.length > SMALL_BYTES;
  const frame = Buffer.allocUnsafe(large ? 2 : answer.length + 2);
  frame.writeUInt16BE(answer.length, 0);
  if (!large) {
    answer.copy(frame, 2);
    return socket.write(frame);
  }
  socket.cork();
  socket.write(frame);
  const room = socket.write(answer);
  socket.uncork();
  return room;
}
