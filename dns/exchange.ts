// One DNS message to a server and one back, over UDP or TCP of a network, with a time limit on the clock.
// Upstream: miekg/dns client.go. Answers with another id are left lying, as a resolver must.
import type { Duplex } from "node:stream";
import type { Clock } from "../model/clock.ts";
import type { DatagramSocket, DialOptions, SocketAddress } from "../model/ports.ts";

/** The part of a network that an exchange uses; a pod's context has it. */
export interface ExchangeNetwork {
  dial(host: string, port: number, options?: DialOptions): Promise<Duplex>;
  openDatagram(onMessage: (message: Uint8Array, source: SocketAddress) => void): DatagramSocket;
}

/** Rejects with an Error whose `code` is ETIMEDOUT, ECONNREFUSED and so on. */
export function exchangeWith(
  network: ExchangeNetwork,
  clock: Clock,
  server: SocketAddress,
  message: Buffer,
  how: { readonly tcp: boolean; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Buffer> {
  return how.tcp ? overTcp(network, clock, server, message, how) : overUdp(network, clock, server, message, how);
}

interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

function failure(code: string, server: SocketAddress): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code} ${server.ip}:${server.port}`), { code });
}

function overUdp(
  network: ExchangeNetwork,
  clock: Clock,
  server: SocketAddress,
  message: Buffer,
  { timeoutMs, signal }: Limits,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      socket.close();
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal?.reason));
    const timer = clock.after(timeoutMs, () => finish(() => reject(failure("ETIMEDOUT", server))));
    const socket = network.openDatagram((answer) => {
      const bytes = Buffer.from(answer);
      if (bytes.length >= 12 && bytes.readUInt16BE(0) === message.readUInt16BE(0) && (bytes.readUInt8(2) & 0x80) !== 0)
        finish(() => resolve(bytes));
    });
    socket.onError = (error) => finish(() => reject(error));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.send(message, server);
  });
}

async function overTcp(
  network: ExchangeNetwork,
  clock: Clock,
  server: SocketAddress,
  message: Buffer,
  { timeoutMs, signal }: Limits,
): Promise<Buffer> {
  const stream = await network.dial(server.ip, server.port, { timeoutMs, ...(signal ? { signal } : {}) });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      stream.destroy();
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal?.reason));
    const timer = clock.after(timeoutMs, () => finish(() => reject(failure("ETIMEDOUT", server))));
    signal?.addEventListener("abort", onAbort, { once: true });
    stream.on("error", (error) => finish(() => reject(error)));
    stream.on("close", () => finish(() => reject(failure("ECONNRESET", server))));
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < 2) return;
      const whole = Buffer.concat(chunks);
      if (whole.length >= whole.readUInt16BE(0) + 2) finish(() => resolve(whole.subarray(2, whole.readUInt16BE(0) + 2)));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    stream.write(Buffer.concat([length, message]));
  });
}
