// What happens to a connection before HTTP or TLS sees it: PROXY protocol, and ssl-passthrough by SNI. Both off, it costs one call.
// Upstream: `listen … proxy_protocol`, nginx.go setupSSLProxy, pkg/tcpproxy.
//
//   80   ─► PROXY header? ──────────────────────────────────────────────► HTTP server
//   443  ─► PROXY header? ─► ClientHello? ─┬─ name has ssl-passthrough ─► the Service, raw
//                                          └─ all others ───────────────► HTTPS server
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import { goDurationMs } from "../config.ts";
import type { SecureContext } from "../../netsim/index.ts";
import { tlsRoute } from "../routes/passthrough.ts";
import { parseProxyHeader, type ProxiedConnection, type ProxyHeader } from "../proxy-protocol.ts";
import { hasCiphers, serverNameOf, someHostHasCiphers, withContext } from "./host-ciphers.ts";
import { setOrigin } from "./origin.ts";
import { takePreface } from "./preface.ts";
import { relay } from "./relay.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

/** client-header-timeout: how long nginx waits for a PROXY header, and for a handshake. */
const HEADER_TIMEOUT_S = 60;
/** proxy-protocol-header-timeout: the same of the passthrough listener. */
const PASSTHROUGH_HEADER_MS = 5000;

/** Connects to an address or name, until the signal says otherwise. */
export type DialStream = (host: string, port: number, signal: AbortSignal) => Promise<Duplex>;

/** The TLS context of a name. */
export type ContextOf = (serverName: string | undefined) => SecureContext;

export class FrontDoor {
  readonly #feed: RoutesFeed;
  readonly #clock: Clock;
  readonly #dial: DialStream;
  readonly #contextOf: ContextOf;
  /** Not yet understood. */
  readonly #waiting = new Set<Duplex>();
  /** Passed through: both ends. */
  readonly #passed = new Set<Duplex>();

  constructor(feed: RoutesFeed, clock: Clock, dial: DialStream, contextOf: ContextOf) {
    this.#contextOf = contextOf;
    this.#feed = feed;
    this.#clock = clock;
    this.#dial = dial;
  }
  /** Connections that neither HTTP server holds. */
  get held(): number {
    return this.#waiting.size + this.#passed.size;
  }
  /** Puts itself before the connection handling that these servers have by now. */
  guard(plain: Server, secure: Server): void {
    before(plain, (socket, admit) => {
      if (!this.#proxyProtocol) return admit();
      void this.#proxied(socket, admit);
    });
    before(secure, (socket, admit) => {
      const admitted = (): void => this.#admitTls(secure, socket, admit);
      if (this.#feed.flags.enableSslPassthrough) return void this.#passing(socket, admitted);
      if (!this.#proxyProtocol) return admitted();
      void this.#proxied(socket, admitted);
    });
  }
  /** Ends what has not said yet what it wants. */
  closeWaiting(): void {
    for (const socket of this.#waiting) socket.destroy();
  }
  /** Ends what is passed through, too. */
  close(): void {
    this.closeWaiting();
    for (const socket of this.#passed) socket.destroy();
  }

  get #proxyProtocol(): boolean {
    return this.#feed.table.config.flag("use-proxy-protocol", false);
  }
  get #headerTimeoutMs(): number {
    return this.#feed.table.config.number("client-header-timeout", HEADER_TIMEOUT_S) * 1000;
  }
  async #proxied(socket: Duplex, admit: () => void): Promise<void> {
    this.#hold(this.#waiting, socket);
    const header = await takeProxyHeader(socket, this.#clock, this.#headerTimeoutMs);
    if (!header) return;
    // nginx says nothing to a client that it does not know.
    if (header.type !== "header") return void socket.destroy();
    setOrigin(socket, { peerIp: undefined, proxied: header.connection ?? null });
    this.#admit(socket, admit);
  }
  /** The passthrough listener. Its PROXY header may be missing, and it tells nginx behind it on 127.0.0.1 who came. */
  async #passing(socket: Duplex, admit: () => void): Promise<void> {
    this.#hold(this.#waiting, socket);
    let proxied: ProxiedConnection | undefined;
    if (this.#proxyProtocol) {
      const { config } = this.#feed.table;
      const timeoutMs = goDurationMs(config.text("proxy-protocol-header-timeout")) ?? PASSTHROUGH_HEADER_MS;
      const header = await takeProxyHeader(socket, this.#clock, timeoutMs);
      if (!header) return;
      if (header.type === "broken") return void socket.destroy();
      if (header.type === "header") proxied = header.connection;
    }
    const hello = await serverNameOf(socket, this.#clock, this.#headerTimeoutMs);
    if (hello === "gone") return;
    const route = tlsRoute(this.#feed.table, this.#feed.upstreams, hello);
    switch (route.type) {
      case "terminate":
        setOrigin(socket, { peerIp: "127.0.0.1", proxied: proxied ?? addressesOf(socket) ?? null });
        return this.#admit(socket, admit);
      case "closed":
        return void socket.destroy();
      case "service":
        return this.#passOn(socket, route.address.ip, route.address.port);
    }
  }
  #admitTls(secure: Server, socket: Duplex, admit: () => void): void {
    if (!someHostHasCiphers(this.#feed.table)) return admit();
    this.#hold(this.#waiting, socket);
    void serverNameOf(socket, this.#clock, this.#headerTimeoutMs).then((name) => {
      if (name === "gone") return;
      const context = hasCiphers(this.#feed.table, name) ? this.#contextOf(name) : undefined;
      this.#admit(socket, context ? () => withContext(secure, context, admit) : admit);
    });
  }
  async #passOn(socket: Duplex, ip: string, port: number): Promise<void> {
    this.#waiting.delete(socket);
    this.#hold(this.#passed, socket);
    const left = new AbortController();
    socket.once("close", () => left.abort());
    try {
      const pod = await this.#dial(ip, port, left.signal);
      if (socket.destroyed) return void pod.destroy();
      this.#hold(this.#passed, pod);
      relay(socket, pod);
    } catch {
      socket.destroy();
    }
  }
  #hold(among: Set<Duplex>, socket: Duplex): void {
    among.add(socket);
    socket.on("error", ignoreError);
    socket.once("close", () => among.delete(socket));
  }
  #admit(socket: Duplex, admit: () => void): void {
    this.#waiting.delete(socket);
    if (!socket.destroyed) admit();
  }
}

const ignoreError = (): void => {};

/** `gate` decides when, and whether, a connection reaches the listeners that the server has by now. */
function before(server: Server, gate: (socket: Duplex, admit: () => void) => void): void {
  const own = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Duplex) =>
    gate(socket, () => {
      for (const listener of own) Reflect.apply(listener, server, [socket]);
    }),
  );
}

/** Everything but a header still under way; undefined when the client is gone. */
export function takeProxyHeader(
  socket: Duplex,
  clock: Clock,
  timeoutMs: number,
): Promise<Exclude<ProxyHeader, { type: "more" }> | undefined> {
  return takePreface(socket, {
    clock,
    timeoutMs,
    parse: (bytes) => {
      const header = parseProxyHeader(bytes);
      return header.type === "more" ? undefined : { value: header, size: header.type === "header" ? header.size : 0 };
    },
  });
}

/** A connection's own addresses. */
export function addressesOf(socket: Duplex): ProxiedConnection | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket as Partial<Socket>;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  return { sourceIp: remoteAddress, sourcePort: remotePort ?? 0, destinationIp: localAddress, destinationPort: localPort ?? 0 };
}
