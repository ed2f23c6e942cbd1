// The one place where TCP listeners are made. noDelay: without it an answer in two writes takes 44 ms; backlog: with the default
// a burst of connections waits a second; pauseOnConnect: nothing is read before the verdict; allowHalfOpen: the pod decides.
import { createServer, type Server, type Socket } from "node:net";
import { acceptFor } from "./accepted-socket.ts";
import type { SocketAddress } from "../model/ports.ts";
import { addressError, errnoOf } from "./errno.ts";

export interface OpenListener {
  /** The real address that it got. */
  readonly socket: SocketAddress;
  /** Resolves when the listening handle is gone; accepted sockets live on. Idempotent. */
  close(): Promise<void>;
}

const BACKLOG = 4096;

/** Linux gives a listener's TCP_NODELAY to the sockets that it accepts (tcp(7)): one system call less for each. */
const INHERITS_NO_DELAY = process.platform === "linux";

/** Failures after which the next candidate may still work. */
const movesOn = new Set(["EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** Listens on the first candidate that can be had; rejects with the last one's error. */
export async function listenTcp(candidates: readonly SocketAddress[], onSocket: (socket: Socket) => void): Promise<OpenListener> {
  return firstOf(candidates, (candidate) => listenOn(candidate, onSocket));
}

/** Tries `open` on each candidate in order, moving on when the address cannot be had. */
export async function firstOf<T>(candidates: readonly SocketAddress[], open: (candidate: SocketAddress) => Promise<T>): Promise<T> {
  let failure: unknown = addressError("listen", "EADDRNOTAVAIL", { ip: "", port: 0 });
  for (const candidate of candidates) {
    try {
      return await open(candidate);
    } catch (error) {
      failure = error;
      if (!movesOn.has(errnoOf(error) ?? "")) break;
    }
  }
  throw failure;
}

/** `port`, `port + 1`, … for listeners that take the next free one; then any. */
export function nextPorts(ip: string, port: number, tries: number): SocketAddress[] {
  const ports = Array.from({ length: port === 0 ? 1 : Math.max(1, tries) }, (_, i) => port + i).filter((each) => each <= 65535);
  return ports.map((each) => ({ ip, port: each }));
}

function listenOn(at: SocketAddress, onSocket: (socket: Socket) => void): Promise<OpenListener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: at.ip, port: at.port, backlog: BACKLOG, exclusive: true }, () => {
      server.off("error", reject);
      if (INHERITS_NO_DELAY) setNoDelay(server);
      acceptFor(server, INHERITS_NO_DELAY ? onSocket : (socket) => onSocket(socket.setNoDelay(true)));
      server.on("error", () => {});
      const bound = server.address();
      const port = bound !== null && typeof bound === "object" ? bound.port : at.port;
      let closed: Promise<void> | undefined;
      const close = (): Promise<void> =>
        (closed ??= new Promise((done) => {
          server.close();
          setImmediate(done);
        }));
      resolve({ socket: { ip: at.ip, port }, close });
    });
  });
}

function setNoDelay(server: Server): void {
  const handle: unknown = Reflect.get(server, "_handle");
  if (typeof handle === "object" && handle !== null && "setNoDelay" in handle && typeof handle.setNoDelay === "function")
    handle.setNoDelay(true);
}
