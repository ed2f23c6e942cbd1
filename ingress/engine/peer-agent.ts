// Keep-alive connections to peers, dialled as the controller's pod. One pool per controller; Node keys it by address.
// Upstream: upstream-keepalive-connections 320, -timeout 60 s, -requests 10000.
import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import type { Peer } from "../routes/upstreams.ts";
import { type PeerTls, UNVERIFIED } from "./peer-tls.ts";

/** Connects to a peer by address or name. */
export type DialPeer = (host: string, port: number) => Promise<Duplex>;

const OPTIONS: AgentOptions = { keepAlive: true, scheduling: "lifo" };

type Created = (error: Error | null, stream: Duplex) => void;

/** Node calls back with an error alone; its types ask for a stream with it. */
const failed = (callback: Created, error: unknown): void => (callback as (error: unknown) => void)(error);

export class PeerAgent extends HttpAgent {
  readonly #dial: DialPeer;
  /** Connections that wait for their first request, by the pool's name of the peer. */
  readonly #adopted = new Map<string, Duplex[]>();
  constructor(dial: DialPeer, maxFreeSockets = 320, timeout = 60_000) {
    super({ ...OPTIONS, maxFreeSockets, timeout });
    this.#dial = dial;
  }
  /** An idle connection to the peer is at hand. */
  keeps({ host, port }: Peer): boolean {
    const name = poolName(host, port);
    return (this.freeSockets[name]?.length ?? 0) > 0 || (this.#adopted.get(name)?.length ?? 0) > 0;
  }
  /** A connection for the next request to the peer that finds none idle. */
  adopt({ host, port }: Peer, socket: Duplex): void {
    const name = poolName(host, port);
    const waiting = this.#adopted.get(name) ?? [];
    this.#adopted.set(name, waiting);
    waiting.push(socket);
    socket.once("close", () => {
      const at = waiting.indexOf(socket);
      if (at >= 0) waiting.splice(at, 1);
    });
  }
  override destroy(): void {
    for (const socket of [...this.#adopted.values()].flat()) socket.destroy();
    super.destroy();
  }
  override createConnection(options: ClientRequestArgs, callback?: Created): undefined {
    if (!callback) return;
    const adopted = this.#adopted.get(poolName(options.host ?? "", Number(options.port)))?.pop();
    if (adopted) callback(null, adopted);
    else void this.#connect(options, callback);
  }
  async #connect(options: ClientRequestArgs, callback: Created): Promise<void> {
    let socket: Duplex;
    try {
      socket = await this.#dial(options.host ?? "", Number(options.port));
    } catch (error) {
      return failed(callback, error);
    }
    callback(null, socket);
  }
}

/** As Node's Agent names the pool of a peer. */
const poolName = (host: string, port: number): string => `${host}:${port}:`;

/** TLS to a peer over a dialled connection. */
export class TlsPeerAgent extends HttpsAgent {
  readonly #dial: DialPeer;
  constructor(dial: DialPeer, maxFreeSockets = 320, tls: PeerTls = UNVERIFIED, timeout = 60_000) {
    const { servername, ...rest } = tls;
    super({ ...OPTIONS, ...rest, ...(servername === undefined ? {} : { servername }), maxFreeSockets, timeout, maxCachedSessions: 0 });
    this.#dial = dial;
  }
  override createConnection(options: ClientRequestArgs, callback?: Created): undefined {
    if (callback) void this.#connect(options, callback);
  }
  async #connect(options: ClientRequestArgs, callback: Created): Promise<void> {
    let secured: Duplex;
    try {
      const socket = await this.#dial(options.host ?? "", Number(options.port));
      secured = await this.#secure({ ...options, socket, path: undefined });
    } catch (error) {
      return failed(callback, error);
    }
    callback(null, secured);
  }
  #secure(options: object): Promise<Duplex> {
    const connect: (options: object) => Duplex | null | undefined = super.createConnection.bind(this);
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const secured = connect(options);
    if (!secured) throw new Error("no TLS connection");
    secured.once("error", reject);
    secured.once("secureConnect", () => {
      secured.off("error", reject);
      resolve(secured);
    });
    return promise;
  }
}

/** One pool for each way of making TLS. */
export class TlsPools {
  readonly #dial: DialPeer;
  readonly #maxFreeSockets: number;
  readonly #pools = new Map<PeerTls, TlsPeerAgent>();
  constructor(dial: DialPeer, maxFreeSockets = 320) {
    this.#dial = dial;
    this.#maxFreeSockets = maxFreeSockets;
  }
  of(tls: PeerTls): TlsPeerAgent {
    let pool = this.#pools.get(tls);
    if (!pool) this.#pools.set(tls, (pool = new TlsPeerAgent(this.#dial, this.#maxFreeSockets, tls)));
    return pool;
  }
  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }
}
