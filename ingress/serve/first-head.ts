// How long a new connection may take to say what it wants: client-header-timeout, for its handshake and for its first head.
// Upstream: ngx_http_wait_request_handler and its neighbours. A client that sent nothing is closed, one that sent a part is reset
// (reset_timedout_connection); neither gets an answer. Later heads of a connection are under Node's own watch, every few seconds.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { resetConnection } from "../../netsim/index.ts";

interface Waiting {
  readonly since: number;
  /** Whether it still waits when its time is up. */
  readonly still: () => boolean;
}

export class FirstHeads {
  readonly #clock: Clock;
  readonly #timeoutMs: () => number;
  /** Oldest first. */
  readonly #waiting = new Map<Duplex, Waiting>();
  #timer: Timer | undefined;

  constructor(clock: Clock, timeoutMs: () => number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }
  /** A connection whose HTTP parser has just begun. */
  awaitHead(socket: Duplex): void {
    this.#await(socket, () => isWaiting(socket));
  }
  /** A connection under handshake, until `forget` or `awaitHead`. */
  awaitHandshake(socket: Duplex): void {
    this.#await(socket, () => true);
  }
  forget(socket: Duplex): void {
    this.#waiting.delete(socket);
  }
  close(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #await(socket: Duplex, still: () => boolean): void {
    this.#waiting.set(socket, { since: this.#clock.monotonic(), still });
    socket.once("close", () => this.#waiting.delete(socket));
    this.#watch();
  }
  /** One timer, due when the oldest is. */
  #watch(): void {
    const [oldest] = this.#waiting.values();
    if (this.#timer || !oldest) return;
    const due = oldest.since + this.#timeoutMs() - this.#clock.monotonic();
    this.#timer = this.#clock.after(Math.max(due, 0), () => this.#onTimer(), { background: true });
  }
  #onTimer(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const [socket, { since, still }] of this.#waiting) {
      if (now - since < this.#timeoutMs()) break;
      this.#waiting.delete(socket);
      if (still()) end(socket);
    }
    this.#watch();
  }
}

/** No head has been read to its end, and nothing was answered. Node's parser is gone after an upgrade. */
function isWaiting(socket: Duplex): boolean {
  const { parser, bytesWritten } = socket as Partial<Socket> & { readonly parser?: { readonly incoming: unknown } | null };
  return parser !== null && parser !== undefined && !parser.incoming && bytesWritten === 0;
}

/** Closed when it said nothing, reset when it stopped in the middle. */
export function end(socket: Duplex): void {
  const { bytesRead } = socket as Partial<Socket>;
  if (bytesRead !== undefined && bytesRead > 0) resetConnection(socket);
  else socket.destroy();
}
