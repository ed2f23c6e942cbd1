// The gateway: one port of this machine through which cluster names and addresses resolve and connect, on every system and without
// privilege. The first byte of a connection tells its protocol: 5 and 4 are SOCKS, a letter is HTTP.
import { createServer, type Server, type Socket } from "node:net";
import type { Server as HttpServer } from "node:http";
import type { Clock } from "../model/clock.ts";
import type { Component, Listening, Peer, SocketAddress } from "../model/ports.ts";
import type { HostPort } from "./fabric.ts";
import { armServer, handOver } from "./hand-over.ts";
import { createGatewayRoute, type GatewayRouteOptions } from "./gateway-route.ts";
import { createHttpProxyServer } from "./http-proxy-server.ts";
import { takeBytes } from "./socket-bytes.ts";
import { serveSocks4, serveSocks5, type SocksOptions } from "./socks.ts";

export interface GatewayOptions extends GatewayRouteOptions {
  readonly clock: Clock;
  /** Default 127.0.0.1:1080, else the next free port. */
  readonly host?: HostPort;
  /** The pod that a proxy user `namespace/pod` names. */
  readonly pod?: (namespace: string, name: string) => Peer | undefined;
  /** How long a client may take to say what it wants; default 15 s. */
  readonly handshakeTimeoutMs?: number;
}

export interface Gateway extends Component {
  /** Where it listens; undefined until started. */
  readonly socket: SocketAddress | undefined;
}

export function createGateway(options: GatewayOptions): Gateway {
  return new OnePortGateway(options);
}

class OnePortGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #route;
  readonly #sniffer: Server;
  readonly #http: HttpServer;
  readonly #sockets = new Set<Socket>();
  #listening: Listening | undefined;
  #disarm = (): void => {};

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#route = createGatewayRoute(options);
    this.#sniffer = createServer({ allowHalfOpen: true }, (socket) => void this.#accept(socket));
    this.#http = createHttpProxyServer({
      route: this.#route,
      identity: (user) => this.#podOf(user),
      identify: (ip) => options.fabric.identify(ip),
      ownPort: () => this.#listening?.socket.port ?? 0,
    });
  }
  get socket(): SocketAddress | undefined {
    return this.#listening?.socket;
  }
  async start(): Promise<void> {
    this.#listening = await this.#options.fabric.serveHost(this.#options.host ?? { ip: "127.0.0.1", port: 1080 }, this.#sniffer);
    this.#disarm = armServer(this.#http, this.#listening.socket, () => {});
  }
  async stop(): Promise<void> {
    await this.#listening?.close();
    this.#disarm();
    for (const socket of this.#sockets) socket.destroy();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
  #podOf(user: string): Peer | undefined {
    const [namespace = "", name = ""] = user.split("/");
    return this.#options.pod?.(namespace, name);
  }
  async #accept(socket: Socket): Promise<void> {
    const { clock, fabric, handshakeTimeoutMs = 15_000 } = this.#options;
    this.#sockets.add(socket);
    const aborter = new AbortController();
    const deadline = clock.after(handshakeTimeoutMs, () => socket.destroy(), { background: true });
    socket.once("close", () => {
      this.#sockets.delete(socket);
      deadline.cancel();
      aborter.abort();
    });
    const socks: SocksOptions = {
      route: this.#route,
      identity: (user) => this.#podOf(user),
      from: fabric.identify(socket.remoteAddress ?? "127.0.0.1"),
      signal: aborter.signal,
      onRequest: () => deadline.cancel(),
    };
    try {
      const first = await takeBytes(socket, 1);
      const byte = first[0] ?? 0;
      if (byte === 5) return await serveSocks5(socket, socks);
      if (byte === 4) return await serveSocks4(socket, socks);
      deadline.cancel();
      // Anything else is HTTP's to refuse: its parser answers 400 and closes.
      socket.unshift(first);
      handOver(this.#http, socket);
    } catch {
      socket.destroy();
    }
  }
}
