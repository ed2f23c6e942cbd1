// Answers sent from a bound UDP socket with dgram's request object used again. Upstream: node lib/dgram.js doSend.
// dgram makes six objects for each datagram and wraps the call in an async scope, a twentieth of a DNS server's time. libuv tries to send at
// once, and only when the socket's buffer is full does it keep the request: until then one request and one list serve all datagrams.
// The handle is Node's own, so where it does not look as known (24 to 26) the public path sends everything.
import type { Socket as UdpSocket } from "node:dgram";
import { handleOf, type SendRequest, type UdpHandle } from "./handle.ts";

export type SendDatagram = (message: Uint8Array, port: number, ip: string) => void;

/** Sends without a callback, as `socket.send` does: a datagram that cannot be sent is lost. `ip` is of the socket's family. */
export function datagramSender(socket: UdpSocket): SendDatagram {
  const handle = handleOf(socket);
  if (!handle) return (message, port, ip) => socket.send(message, port, ip);
  let renew: (() => SendRequest) | undefined;
  let list: Uint8Array[] = [];
  let request: SendRequest | undefined;
  return (message, port, ip) => {
    if (!renew) {
      const first = firstRequest(handle, () => socket.send(message, port, ip));
      const Type = first?.constructor;
      if (typeof Type === "function") renew = () => Reflect.construct(Type, []);
      return;
    }
    if (!request) {
      request = renew();
      request.list = list = [];
    }
    list[0] = message;
    // Kept by libuv: its request and list are no longer ours.
    if (handle.send(request, list, 1, port, ip, false) === 0) request = undefined;
  };
}

/** The request that dgram makes for the first datagram, which is sent by it. */
function firstRequest(handle: UdpHandle, send: () => void): SendRequest | undefined {
  const own = Object.getOwnPropertyDescriptor(handle, "send");
  const real = handle.send;
  let seen: SendRequest | undefined;
  handle.send = (request, ...rest) => real.call(handle, (seen = request), ...rest);
  try {
    send();
  } finally {
    if (own) Object.defineProperty(handle, "send", own);
    else Reflect.deleteProperty(handle, "send");
  }
  return seen;
}
