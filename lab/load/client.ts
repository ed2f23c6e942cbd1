// One client of the generator: sends one request at a time, over one connection kept open or over a new one each.
import { type Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../model/clock.ts";
import type { FlowBook } from "./flow-book.ts";
import { Connection, type Outcome, type Tally } from "./tally.ts";
import type { Transport } from "./transport.ts";

export interface ClientOptions {
  readonly transport: Transport;
  readonly keepAlive: boolean;
  readonly timeoutMs: number;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** With Host. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly tally: Tally;
  readonly book: FlowBook;
}

export class Client {
  readonly #options: ClientOptions;
  readonly #agent: Agent;
  readonly #connections = new WeakMap<Socket, Connection>();
  #asked: ClientRequest | undefined;
  #stopped = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#agent = options.transport.agent(options.keepAlive);
  }
  /** Resolves when the request has ended, however it did. Latency counts from `dueAt` (monotonic ms). */
  async send(dueAt: number): Promise<void> {
    const { tally, clock } = this.#options;
    tally.sent++;
    let connection: Connection | undefined;
    const outcome = await this.#exchange(dueAt, clock.now(), (opened) => (connection = opened));
    if (this.#stopped) tally.sent--;
    else tally.ended(connection, outcome);
  }
  /** Drops a request that is under way, uncounted, and the connection. */
  stop(): void {
    this.#stopped = true;
    this.#asked?.destroy();
    this.#agent.destroy();
  }
  #exchange(dueAt: number, startedAt: number, onConnection: (connection: Connection) => void): Promise<Outcome> {
    const { transport, method, path, headers, clock, timeoutMs } = this.#options;
    return new Promise((resolve) => {
      const asked = (this.#asked = request({ ...transport.target, agent: this.#agent, method, path, headers, setHost: false }));
      const timer = clock.after(timeoutMs, () => {
        end({ type: "failed", cause: "timeout" });
        asked.destroy();
      });
      const end = (outcome: Outcome): void => {
        timer.cancel();
        resolve(outcome);
      };
      asked.on("socket", (socket) => this.#onSocket(socket, startedAt, onConnection));
      asked.on("error", (error) => end({ type: "failed", cause: failureCause(error) }));
      asked.on("response", (answer) => {
        answer.resume();
        answer.on("error", () => end({ type: "failed", cause: "closed in the middle of the answer" }));
        answer.on("end", () =>
          end({ type: "answered", latencyMs: clock.monotonic() - dueAt, status: answer.statusCode ?? 0, endpoint: endpointHeader(answer) }),
        );
      });
      asked.end();
    });
  }
  #onSocket(socket: Socket, startedAt: number, onConnection: (connection: Connection) => void): void {
    const known = this.#connections.get(socket);
    if (known) return onConnection(known);
    const { transport, tally, book } = this.#options;
    const onConnect = (): void => {
      const connection = new Connection(startedAt, transport.endpointOf(socket));
      this.#connections.set(socket, connection);
      onConnection(connection);
      tally.opened(connection);
      if (connection.endpoint === undefined) book.opened(sourceOf(socket), connection);
    };
    if (socket.connecting) socket.once("connect", onConnect);
    else onConnect();
  }
}

const sourceOf = ({ localAddress = "", localPort = 0 }: Socket): string =>
  `${localAddress.includes(":") ? `[${localAddress}]` : localAddress}:${localPort}`;

function endpointHeader({ headers }: IncomingMessage): string | undefined {
  const text = headers["x-loopkube-endpoint"];
  return typeof text === "string" ? text : undefined;
}

function failureCause(error: NodeJS.ErrnoException): string {
  if (error.message === "socket hang up") return "closed before the answer";
  return error.code ?? error.message;
}
