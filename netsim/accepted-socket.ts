// An accepted socket reads into one buffer that all of them share: a stream of Node's allocates 64 KiB for each read, which is most of what
// a short request costs the collector. Whoever can do with the bytes for the moment borrows them; for all others they are copied into the stream.
import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from "node:net";
import type { Duplex } from "node:stream";

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

/** What Node types of neither: the handle that accepts, and a socket made of one. */
interface AcceptingHandle {
  onconnection?: (status: number, client: unknown) => void;
}

/** The server's connections are sockets of this kind, paused before their first byte, and not counted by the server. */
export function acceptFor(server: Server, onSocket: (socket: Socket) => void): void {
  const handle = Reflect.get(server, "_handle") as AcceptingHandle | null;
  if (typeof handle?.onconnection !== "function") return void server.on("connection", onSocket);
  handle.onconnection = (status, client) => {
    // No descriptor is left, or the client has gone meanwhile.
    if (status !== 0) return;
    const options = { handle: client, allowHalfOpen: true, pauseOnCreate: true, readable: true, writable: true, onread };
    onSocket(new AcceptedSocket(options as SocketConstructorOpts));
  };
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
