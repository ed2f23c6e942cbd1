// Kept connections that say nothing give their HTTP parser back until they speak again: it is 10 kB of the 17 that an idle client weighs.
// Upstream: nginx frees a kept connection's buffers (ngx_http_set_keepalive_handler).
// What takes part in it is Node's own (24 to 26): the list of idle parsers, the names of the listeners that its HTTP server puts on a socket, and
// the listener that begins with a socket. Where one of them is not as known, connections keep their parsers.
import type { Server } from "node:http";
import * as http from "node:http";
import type { Http2SecureServer } from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../model/clock.ts";

/** A connection is quiet when nothing has come between two looks. */
const LOOK_MS = 500;
const EVENTS = ["close", "error", "drain", "data", "end", "timeout", "resume", "pause"] as const;
const ofHttp = /^(?:bound socketOn|socketOn|onSocket)(?:Close|Error|Drain|Data|End|Timeout|Resume|Pause)$/;

interface HttpSocket extends Socket {
  readonly parser?: object | null;
  readonly _httpMessage?: unknown;
  readonly _handle?: { _consumed?: boolean } | null;
}
interface ConnectionList {
  all(): readonly unknown[];
  idle(): readonly { readonly socket?: HttpSocket }[];
}
type Listener = (...args: unknown[]) => void;

export class Parking {
  readonly #clock: Clock;
  readonly server: Server | Http2SecureServer;
  readonly #begin: Listener;
  readonly #parked = new Set<HttpSocket>();
  /** Bytes that each idle connection had sent at the last look. */
  #seen = new Map<HttpSocket, number>();
  #timer: Timer | undefined;
  #closed = false;

  /** Undefined: the server's connections cannot be parked. */
  static of(server: Server | Http2SecureServer, clock: Clock): Parking | undefined {
    const begin: unknown = Reflect.get(http, "_connectionListener");
    return typeof begin === "function" ? new Parking(server, clock, begin as Listener) : undefined;
  }
  private constructor(server: Server | Http2SecureServer, clock: Clock, begin: Listener) {
    this.server = server;
    this.#clock = clock;
    this.#begin = begin;
    // One that has asked nothing yet is not kept.
    server.on("request", () => this.#watch());
  }
  get parked(): number {
    return this.#parked.size;
  }
  /** Ends parked connections, and parks no more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const socket of this.#parked) socket.destroy();
  }

  #watch(): void {
    if (this.#closed) return;
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look(), { background: true });
  }
  #look(): void {
    this.#timer = undefined;
    const list = listOf(this.server);
    if (!list) return;
    const seen = new Map<HttpSocket, number>();
    for (const { socket } of list.idle()) {
      if (!socket || !isQuiet(socket)) continue;
      if (this.#seen.get(socket) === socket.bytesRead) this.#park(socket);
      else seen.set(socket, socket.bytesRead);
    }
    this.#seen = seen;
    if (list.all().length > 0) this.#watch();
  }
  #park(socket: HttpSocket): void {
    const own = EVENTS.map((event) => [event, socket.listeners(event).filter(({ name }) => ofHttp.test(name))] as const);
    const onClose = own.find(([event]) => event === "close")?.[1][0];
    if (!onClose || own.some(([, listeners]) => listeners.length !== 1)) return;
    for (const [event, [listener]] of own) if (listener) socket.off(event, listener as Listener);
    // Tells the parser that its connection is gone, which frees it.
    Reflect.apply(onClose, socket, []);
    if (socket._handle) socket._handle._consumed = false;
    this.#parked.add(socket);
    socket.on("data", this.#onData).on("end", onEnd).on("timeout", onTimeout).on("error", ignoreError).on("close", this.#onClose);
    socket.resume();
  }
  /** The socket is the HTTP server's again, and this is what it says. */
  #onData = ((parking) =>
    function onData(this: HttpSocket, chunk: Buffer): void {
      parking.#unpark(this, chunk);
    })(this);
  #onClose = ((parking) =>
    function onClose(this: HttpSocket): void {
      parking.#parked.delete(this);
    })(this);
  #unpark(socket: HttpSocket, chunk: Buffer): void {
    this.#parked.delete(socket);
    socket.off("data", this.#onData).off("end", onEnd).off("timeout", onTimeout).off("error", ignoreError).off("close", this.#onClose);
    // As at any request: the time that a kept connection may be idle is over.
    socket.setTimeout(0);
    Reflect.apply(this.#begin, this.server, [socket]);
    socket.emit("data", chunk);
    this.#watch();
  }
  /** A connection that Node's server has let go is its again; `bytes` have come on it meanwhile. */
  take(socket: HttpSocket, bytes: Buffer): void {
    if (socket._handle) socket._handle._consumed = false;
    Reflect.apply(this.#begin, this.server, [socket]);
    if (bytes.length > 0) socket.emit("data", bytes);
    this.#watch();
  }
}

function listOf(server: Server | Http2SecureServer): ConnectionList | undefined {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === "http.server.connections");
  const list: unknown = key && Reflect.get(server, key);
  return isList(list) ? list : undefined;
}
const isList = (list: unknown): list is ConnectionList =>
  typeof list === "object" && list !== null && ["all", "idle"].every((name) => typeof Reflect.get(list, name) === "function");

const isSet = (value: unknown): boolean => value !== null && value !== undefined;

/** Between two requests, with everything sent. */
function isQuiet(socket: HttpSocket): boolean {
  return (
    socket.bytesWritten > 0 &&
    isSet(socket.parser) &&
    !isSet(socket._httpMessage) &&
    socket.writable &&
    socket.writableLength === 0 &&
    socket.readableLength === 0
  );
}

function onEnd(this: HttpSocket): void {
  this.end();
}
function onTimeout(this: HttpSocket): void {
  this.destroy();
}
const ignoreError = (): void => {};
