// An accepted socket reads into one buffer that all of them share: a stream of Node's allocates 64 KiB for each read, which is most of what
// a short request costs the collector. Whoever can do with the bytes for the moment borrows them; for all others they are copied into the stream.
import { closeSync } from "node:fs";
import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from "node:net";
import type { Duplex } from "node:stream";
import { type SystemCalls, systemCalls } from "./system-calls.ts";

/** The bytes are the borrower's until it returns. */
export type Borrower = (bytes: Buffer) => void;

const shared = Buffer.allocUnsafeSlow(65_536);

class AcceptedSocket extends Socket {
  borrower: Borrower | undefined = undefined;
}

// Node calls it as a method of the socket.
const onread: OnReadOpts = {
  buffer: shared,
  callback(this: AcceptedSocket, count: number) {
    const bytes = shared.subarray(0, count);
    if (!this.borrower) return this.push(Buffer.from(bytes));
    this.borrower(bytes);
    return true;
  },
};

/** What Node types of neither: the handle that accepts, and that of a connection. */
interface ConnectionHandle {
  /** 0, or an error's number. */
  open(fd: number): number;
}
interface AcceptingHandle {
  /** Negative once closed. */
  readonly fd: number;
  readonly constructor: new (type: typeof TCP_SOCKET) => ConnectionHandle;
  onconnection?: (status: number, client: ConnectionHandle) => void;
}

/** Node's TCPConstants.SOCKET. */
const TCP_SOCKET = 0;
/** libuv accepts one connection in a turn of the event loop: under load a turn is long, and a thousand clients would wait a thousand turns
 * (nginx: `multi_accept`, which ingress-nginx switches on). So every eighth connection looks for more, and those after it while there are. */
const LOOKS_EACH = 8;
const AT_ONCE = 32;

/** The server's connections are sockets of this kind, paused before their first byte, and not counted by the server. */
export function acceptFor(server: Server, onSocket: (socket: Socket) => void, calls: () => SystemCalls | undefined = systemCalls): void {
  const handle = Reflect.get(server, "_handle") as AcceptingHandle | null;
  if (typeof handle?.onconnection !== "function") return void server.on("connection", onSocket);
  const take = (client: unknown): void => {
    const options = { handle: client, allowHalfOpen: true, pauseOnCreate: true, readable: true, writable: true, onread };
    onSocket(new AcceptedSocket(options as SocketConstructorOpts));
  };
  let untilLook = LOOKS_EACH;
  handle.onconnection = (status, client) => {
    // No descriptor is left, or the client has gone meanwhile.
    if (status !== 0) return;
    take(client);
    if (--untilLook > 0) return;
    untilLook = takeWaiting(handle, take, calls()) > 0 ? 1 : LOOKS_EACH;
  };
}

/** Takes the connections that wait, up to `AT_ONCE`; returns how many. */
function takeWaiting(handle: AcceptingHandle, take: (client: unknown) => void, calls: SystemCalls | undefined): number {
  let taken = 0;
  for (; calls && taken < AT_ONCE && handle.fd >= 0; taken++) {
    const fd = calls.accept(handle.fd);
    if (fd < 0) break;
    const client = new handle.constructor(TCP_SOCKET);
    if (client.open(fd) === 0) take(client);
    else closeSync(fd);
  }
  return taken;
}

/** Calls `borrower` with all that comes, in place of the stream. What has no shared buffer lends its chunks. */
export function borrowReads(socket: Duplex, borrower: Borrower): void {
  if (socket instanceof AcceptedSocket) socket.borrower = borrower;
  else socket.on("data", borrower);
}

/** Ends what `borrowReads` began: the stream has the bytes again. */
export function returnReads(socket: Duplex, borrower: Borrower): void {
  if (socket instanceof AcceptedSocket) socket.borrower = undefined;
  else socket.off("data", borrower);
}
