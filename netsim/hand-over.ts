// Gives a socket to a pod's own server, as DNAT would: no second connection, no copying. The server binds nothing; a small handle
// stands in for its listening one, so that listening, address(), close() and its draining mean what they mean to any Node program.
import { type Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Server as TlsServer, TLSSocket } from "node:tls";
import type { SocketAddress } from "../model/ports.ts";
import { MemorySocket } from "./duplex-pair.ts";

/** The parts of net.Server that a server in another's hands needs; Node does not type them. */
interface ServerInternals {
  _handle: unknown;
  _connections: number;
  _emitCloseIfDrained?: () => void;
  allowHalfOpen?: boolean;
  pauseOnConnect?: boolean;
  httpAllowHalfOpen?: boolean;
}

interface SocketInternals {
  _server?: (Server & ServerInternals) | Lease;
  server?: Server;
  allowHalfOpen: boolean;
  _peername?: SocketName;
  _sockname?: SocketName;
  readableFlowing: boolean | null;
  _handle?: { getpeername?: (out: PeerName) => number; _parentWrap?: { stream?: unknown } };
}

/** What node:http keeps on the socket of a connection. */
interface HttpSocketInternals {
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null;
  readonly _handle?: { readonly writeQueueSize: number } | null;
}

interface PeerName {
  address?: string;
  port?: number;
  family?: string;
}

/** An address as net.Socket keeps it. */
export type SocketName = Readonly<PeerName>;

const internals = (server: Server): Server & ServerInternals => server as Server & ServerInternals;
const socketInternals = (socket: Socket): SocketInternals => socket as unknown as SocketInternals;

/** Made once for an endpoint and shared by all of its sockets. */
export function socketName({ ip, port }: SocketAddress): SocketName {
  return Object.freeze({ address: ip, port, family: familyOf(ip) });
}

/**
 * Readies a server for sockets that it did not accept: half-closed requests get their answer, and one 'listening' starts header
 * timeouts and closeAllConnections. A server may be armed for several addresses. `onClose` runs when the program closes it.
 * The returned function withdraws this address; with the last one the server stops listening as by `server.close()`.
 */
export function armServer(server: Server, address: SocketAddress, onClose: () => void): () => void {
  const inner = internals(server);
  const armed = inner._handle instanceof StandInHandle ? inner._handle : undefined;
  if (inner._handle && !armed) return () => {};
  const handle = armed ?? new StandInHandle(address);
  handle.add(onClose);
  if (!armed) {
    inner._handle = handle;
    if ("httpAllowHalfOpen" in inner) inner.httpAllowHalfOpen = true;
    if (server instanceof TlsServer) server.prependListener("secureConnection", nameTlsSocket);
    server.emit("listening");
  }
  return () => {
    if (!handle.withdraw(onClose)) return;
    if (server instanceof TlsServer) server.off("secureConnection", nameTlsSocket);
    server.close();
  };
}

/**
 * The server sees the socket as one that it accepted; the listener's server stops counting it. `onClosed` runs when the socket is
 * destroyed; a socket that is handed on keeps the one it had. `local` and `remote` are given where the pod is to see other addresses than the socket's own.
 */
export function handOver(server: Server, socket: Socket, onClosed?: () => void, local?: SocketName, remote?: SocketAddress): void {
  const target = internals(server);
  const inner = socketInternals(socket);
  const before = inner._server;
  if (before instanceof Lease) before.end();
  else if (before) before._connections--;
  inner._server = new Lease(target, onClosed ?? (before instanceof Lease ? before.onClosed : undefined));
  inner.server = server;
  target._connections++;
  inner.allowHalfOpen = target.allowHalfOpen ?? false;
  if (local) inner._sockname = local;
  if (remote) overrideRemote(inner, { address: remote.ip, port: remote.port, family: familyOf(remote.ip) }, server instanceof TlsServer);
  if (!target.pauseOnConnect) {
    // Undoes pauseOnConnect: neither flowing nor paused, and reading, as a socket fresh from accept.
    inner.readableFlowing = null;
    socket.read(0);
  }
  // An HTTP server has its own.
  if (target.httpAllowHalfOpen === undefined) socket.on("error", ignoreError);
  else socket.destroySoon = destroyAnswered;
  server.emit("connection", socket);
}

/** The same for the server's end of an in-memory connection. */
export function handOverMemory(server: Server, socket: MemorySocket): void {
  const target = internals(server);
  target._connections++;
  socket.allowHalfOpen = target.allowHalfOpen ?? false;
  socket.once("close", () => {
    target._connections--;
    target._emitCloseIfDrained?.();
  });
  // As above: a pod whose server looks at no errors must not end the whole process.
  socket.on("error", ignoreError);
  server.emit("connection", socket);
}

/**
 * The end of an HTTP connection after its last answer. Node shuts the writing side down on the loop's next turn and then closes; closing
 * within this one sends the same FIN right behind the answer, so that the server closes first and TIME_WAIT is not the client's. Where
 * something is unsent or unread, Node's own way is taken. Not at once: the answer's write callbacks are still running.
 */
function destroyAnswered(this: Socket): void {
  process.nextTick(closeAnswered, this);
}

function closeAnswered(socket: Socket): void {
  const { parser, _handle: handle } = socket as unknown as HttpSocketInternals;
  const answered = socket.writableLength === 0 && handle?.writeQueueSize === 0 && parser?.incoming?.complete !== false;
  if (answered) socket.destroy();
  else Socket.prototype.destroySoon.call(socket);
}

function overrideRemote(socket: SocketInternals, peer: SocketName, tls: boolean): void {
  socket._peername = peer;
  // TLS asks the handle, not the socket.
  if (tls && socket._handle) socket._handle.getpeername = (out) => (Object.assign(out, peer), 0);
}

/** The connection that carries a TLS one: the socket, or the in-memory end, that its server was given. */
export function carrierOf(secured: TLSSocket): Socket | MemorySocket | undefined {
  const parent = socketInternals(secured)._handle?._parentWrap;
  // What Node puts around a pair is a Socket too.
  if (parent?.stream instanceof MemorySocket) return parent.stream;
  return parent instanceof Socket ? parent : undefined;
}

/** Ends a connection with a reset. Node has that for bare TCP alone: of TLS it is the carrier that is reset. */
export function resetConnection(socket: Duplex): void {
  if (socket.destroyed) return;
  const bare = socket instanceof TLSSocket ? carrierOf(socket) : socket;
  if (bare instanceof Socket || bare instanceof MemorySocket) bare.resetAndDestroy();
  socket.destroy();
}

/** TLS over a pair has no handle to ask: its addresses are the pair's. */
function nameTlsSocket(socket: TLSSocket): void {
  const inner = socketInternals(socket);
  const pair = carrierOf(socket);
  if (!(pair instanceof MemorySocket)) return;
  inner._peername = { address: pair.remoteAddress, port: pair.remotePort, family: pair.remoteFamily };
  inner._sockname = { address: pair.localAddress, port: pair.localPort, family: pair.localFamily };
}

const familyOf = (ip: string): string => (ip.includes(":") ? "IPv6" : "IPv4");

/** A program's missing error listener must not end the whole cluster. */
const ignoreError = (): void => {};

/** A handed-over socket's claim on its server, told by net.Socket when it is destroyed: cheaper than a 'close' listener on each. */
class Lease {
  _connections = 0;
  readonly onClosed: (() => void) | undefined;
  readonly #server: ServerInternals;
  constructor(server: ServerInternals, onClosed: (() => void) | undefined) {
    this.#server = server;
    this.onClosed = onClosed;
  }
  /** The server no longer counts the socket. */
  end(): void {
    this.#server._connections--;
    this.#server._emitCloseIfDrained?.();
  }
  _emitCloseIfDrained(): void {
    this.end();
    this.onClosed?.();
  }
}

/** What net.Server asks of its listening handle. */
class StandInHandle {
  readonly #address: SocketAddress;
  readonly #onClose = new Set<() => void>();
  #closing = false;
  constructor(address: SocketAddress) {
    this.#address = address;
  }
  add(onClose: () => void): void {
    this.#onClose.add(onClose);
  }
  /** True when this was the last address of a server that still listens. */
  withdraw(onClose: () => void): boolean {
    return this.#onClose.delete(onClose) && this.#onClose.size === 0 && !this.#closing;
  }
  getsockname(out: PeerName): number {
    Object.assign(out, { address: this.#address.ip, port: this.#address.port, family: familyOf(this.#address.ip) });
    return 0;
  }
  close(): void {
    this.#closing = true;
    for (const onClose of [...this.#onClose]) onClose();
  }
  ref(): void {}
  unref(): void {}
}
