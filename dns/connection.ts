// A connection to a DNS server, over UDP or TCP of a network: one message and its answer at a time, with a time limit on the clock.
// Upstream: miekg/dns client.go. Answers with another id are left lying, as a resolver must.
import type { Duplex } from "node:stream";
import type { Clock } from "../model/clock.ts";
import type { DatagramSocket, DialOptions, SocketAddress } from "../model/ports.ts";

/** The part of a network that a connection uses; a pod's context has it. */
export interface DnsNetwork {
  dial(host: string, port: number, options?: DialOptions): Promise<Duplex>;
  openDatagram(onMessage: (message: Uint8Array, source: SocketAddress) => void): DatagramSocket;
}

export interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface DnsConnection {
  /** True once the server has closed it: what is asked then fails. */
  readonly ended: boolean;
  /** The client's end, where it is known. */
  readonly local?: SocketAddress | undefined;
  /** Rejects with an Error whose `code` is ETIMEDOUT, ECONNREFUSED and so on; nothing more may be asked then. */
  exchange(message: Buffer, limits: Limits): Promise<Buffer>;
  close(): void;
}

/** Opens a connection; `timeoutMs` is for TCP's handshake. */
export async function connectTo(
  network: DnsNetwork,
  clock: Clock,
  server: SocketAddress,
  { tcp, timeoutMs, signal }: Limits & { readonly tcp: boolean },
): Promise<DnsConnection> {
  if (!tcp) return overUdp(network, clock, server);
  return overTcp(await network.dial(server.ip, server.port, { timeoutMs, ...(signal ? { signal } : {}) }), clock, server);
}

const HEADER_BYTES = 12;

class Connection implements DnsConnection {
  readonly #clock: Clock;
  readonly #server: SocketAddress;
  readonly #send: (message: Buffer) => void;
  readonly close: () => void;
  ended = false;
  readonly local: SocketAddress | undefined;
  #failure: unknown;
  #waiting: { readonly id: number; resolve(answer: Buffer): void; reject(error: unknown): void } | undefined;

  constructor(clock: Clock, server: SocketAddress, local: SocketAddress | undefined, send: (message: Buffer) => void, close: () => void) {
    this.#clock = clock;
    this.#server = server;
    this.local = local;
    this.#send = send;
    this.close = close;
  }

  exchange(message: Buffer, { timeoutMs, signal }: Limits): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      const finish = (settle: () => void): void => {
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
        this.#waiting = undefined;
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal?.reason));
      const timer = this.#clock.after(timeoutMs, () => finish(() => reject(failure("ETIMEDOUT", this.#server))));
      this.#waiting = {
        id: message.readUInt16BE(0),
        resolve: (answer) => finish(() => resolve(answer)),
        reject: (error) => finish(() => reject(error)),
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#send(message);
    });
  }
  receive(answer: Buffer): void {
    if (answer.length >= HEADER_BYTES && answer.readUInt16BE(0) === this.#waiting?.id) this.#waiting.resolve(answer);
  }
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
  }
}

function failure(code: string, server: SocketAddress): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code} ${server.ip}:${server.port}`), { code });
}

function overUdp(network: DnsNetwork, clock: Clock, server: SocketAddress): DnsConnection {
  const socket = network.openDatagram((answer) => {
    const bytes = Buffer.from(answer);
    if (((bytes[2] ?? 0) & 0x80) !== 0) connection.receive(bytes);
  });
  const connection = new Connection(
    clock,
    server,
    socket.local,
    (message) => socket.send(message, server),
    () => socket.close(),
  );
  socket.onError = (error) => connection.fail(error);
  return connection;
}

function overTcp(stream: Duplex, clock: Clock, server: SocketAddress): DnsConnection {
  let buffered: Buffer = Buffer.alloc(0);
  const send = (message: Buffer): void => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    stream.write(Buffer.concat([length, message]));
  };
  const connection = new Connection(clock, server, undefined, send, () => stream.destroy());
  stream.on("error", (error) => connection.fail(error));
  stream.on("end", () => {
    connection.ended = true;
    connection.fail(failure("ECONNRESET", server));
  });
  stream.on("close", () => connection.fail(failure("ECONNRESET", server)));
  stream.on("data", (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    while (buffered.length >= 2 && buffered.length >= buffered.readUInt16BE(0) + 2) {
      const end = buffered.readUInt16BE(0) + 2;
      connection.receive(buffered.subarray(2, end));
      buffered = buffered.subarray(end);
    }
  });
  return connection;
}
