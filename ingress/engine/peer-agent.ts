// Keep-alive connections to peers, dialled as the controller's pod. One pool per controller; Node keys it by address.
// Upstream: upstream-keepalive-connections 320, -timeout 60 s, -requests 10000.
import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";

/** Connects to a peer by address or name. */
export type DialPeer = (host: string, port: number) => Promise<Duplex>;

const OPTIONS: AgentOptions = { keepAlive: true, maxFreeSockets: 320, timeout: 60_000, scheduling: "lifo" };

type Created = (error: Error | null, stream: Duplex) => void;

/** Node calls back with an error alone; its types ask for a stream with it. */
const failed = (callback: Created, error: unknown): void => (callback as (error: unknown) => void)(error);

export class PeerAgent extends HttpAgent {
  readonly #dial: DialPeer;
  constructor(dial: DialPeer, maxFreeSockets = 320) {
    super({ ...OPTIONS, maxFreeSockets });
    this.#dial = dial;
  }
  override createConnection(options: ClientRequestArgs, callback?: Created): undefined {
    if (!callback) return;
    this.#dial(options.host ?? "", Number(options.port)).then((socket) => callback(null, socket), (error: unknown) => failed(callback, error));
  }
}

/** TLS to a peer over a dialled connection; `tls` gives the options of one connection (server name, certificates). */
export class TlsPeerAgent extends HttpsAgent {
  readonly #dial: DialPeer;
  constructor(dial: DialPeer, maxFreeSockets = 320) {
    super({ ...OPTIONS, maxFreeSockets, maxCachedSessions: 0 });
    this.#dial = dial;
  }
  override createConnection(options: ClientRequestArgs, callback?: Created): undefined {
    if (!callback) return;
    this.#dial(options.host ?? "", Number(options.port)).then(
      (socket) => {
        const connect: (options: object) => Duplex | null | undefined = super.createConnection.bind(this);
        const secured = connect({ ...options, socket, path: undefined });
        if (!secured) return failed(callback, new Error("no TLS connection"));
        const onError = (error: Error): void => failed(callback, error);
        secured.once("error", onError);
        secured.once("secureConnect", () => {
          secured.off("error", onError);
          callback(null, secured);
        });
      },
      (error: unknown) => failed(callback, error),
    );
  }
}
