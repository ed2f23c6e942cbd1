// SOCKS for the gateway: SOCKS5 (RFC 1928) with no authentication or a user name (RFC 1929), SOCKS4 and SOCKS4a. Names are resolved
// by cluster DNS (socks5h). Left out: BIND, UDP ASSOCIATE, GSSAPI.
import type { Duplex } from "node:stream";
import type { Peer } from "../model/ports.ts";
import { bigIntToIp } from "../model/ip.ts";
import { errnoOf } from "./errno.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import { pipeBoth } from "./pipe.ts";
import { takeBytes, takeUntil } from "./socket-bytes.ts";

export interface SocksOptions {
  readonly route: GatewayRoute;
  /** The pod that a user name `namespace/pod` stands for. */
  readonly identity: (user: string) => Peer | undefined;
  /** Who the client is when it names nobody. */
  readonly from: Peer;
  readonly signal: AbortSignal;
  /** The request is read and answered: the handshake's deadline ends here. */
  readonly onRequest: () => void;
}

const NO_AUTHENTICATION = 0;
const USER_PASSWORD = 2;
const NO_ACCEPTABLE = 255;

const replies: Readonly<Record<string, number>> = {
  ENETUNREACH: 3,
  EHOSTUNREACH: 4,
  ENOTFOUND: 4,
  EAI_AGAIN: 4,
  ECONNREFUSED: 5,
  ETIMEDOUT: 6,
};

/** Serves a connection whose first byte (5) has been taken; the socket is closed on every failure. */
export async function serveSocks5(socket: Duplex, options: SocksOptions): Promise<void> {
  const from = await authenticate(socket, options);
  if (!from) return;
  const [version = 0, command = 0, , addressType = 0] = await takeBytes(socket, 4);
  const host = await takeAddress(socket, addressType);
  if (version !== 5 || host === undefined) return void socket.end(socks5Reply(version === 5 ? 8 : 1));
  const port = (await takeBytes(socket, 2)).readUInt16BE(0);
  if (command !== 1) return void socket.end(socks5Reply(7));
  options.onRequest();
  try {
    const upstream = await options.route.connect(from, host, port, options.signal);
    socket.write(socks5Reply(0));
    pipeBoth(socket, upstream);
  } catch (error) {
    socket.end(socks5Reply(replies[errnoOf(error) ?? ""] ?? 1));
  }
}

/** Serves a connection whose first byte (4) has been taken. */
export async function serveSocks4(socket: Duplex, options: SocksOptions): Promise<void> {
  const header = await takeBytes(socket, 7);
  const user = (await takeUntil(socket, 0, 255)).toString("utf8");
  const ip = [...header.subarray(3, 7)].join(".");
  const host = /^0\.0\.0\.[1-9]/.test(ip) ? (await takeUntil(socket, 0, 255)).toString("utf8") : ip;
  const from = user.includes("/") ? options.identity(user) : options.from;
  if (!from) return void socket.end(socks4Reply(93));
  if (header[0] !== 1) return void socket.end(socks4Reply(91));
  options.onRequest();
  try {
    const upstream = await options.route.connect(from, host, header.readUInt16BE(1), options.signal);
    socket.write(socks4Reply(90));
    pipeBoth(socket, upstream);
  } catch {
    socket.end(socks4Reply(91));
  }
}

/** A client that offers a user name without a slash (curl's any) is taken as it is. */
async function authenticate(socket: Duplex, options: SocksOptions): Promise<Peer | undefined> {
  const count = (await takeBytes(socket, 1))[0] ?? 0;
  const methods = await takeBytes(socket, count);
  if (methods.includes(USER_PASSWORD)) {
    socket.write(Buffer.from([5, USER_PASSWORD]));
    await takeBytes(socket, 1);
    const user = (await takeBytes(socket, (await takeBytes(socket, 1))[0] ?? 0)).toString("utf8");
    await takeBytes(socket, (await takeBytes(socket, 1))[0] ?? 0);
    const from = user.includes("/") ? options.identity(user) : options.from;
    if (from) socket.write(Buffer.from([1, 0]));
    else socket.end(Buffer.from([1, 1]));
    return from;
  }
  if (methods.includes(NO_AUTHENTICATION)) {
    socket.write(Buffer.from([5, NO_AUTHENTICATION]));
    return options.from;
  }
  socket.end(Buffer.from([5, NO_ACCEPTABLE]));
  return undefined;
}

async function takeAddress(socket: Duplex, addressType: number): Promise<string | undefined> {
  if (addressType === 1) return [...(await takeBytes(socket, 4))].join(".");
  if (addressType === 3) return (await takeBytes(socket, (await takeBytes(socket, 1))[0] ?? 0)).toString("utf8");
  if (addressType === 4) return bigIntToIp(BigInt(`0x${(await takeBytes(socket, 16)).toString("hex")}`), "IPv6");
  return undefined;
}

const socks5Reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
const socks4Reply = (code: number): Buffer => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);
