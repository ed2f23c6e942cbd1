// A bound UDP socket's datagrams and the answers to them, in batches when they come faster than one at a time: a DNS server then spends half
// as much on each. dgram hands over the first of a batch, since it knows when there is one; what waits behind it is fetched in one system
// call, handled, and what is answered meanwhile to a datagram's sender leaves in another. Upstream: none; nginx and unbound do the same.
import type { Socket as UdpSocket } from "node:dgram";
import { Batches, type OnDatagram } from "./batches.ts";
import { handleOf } from "./handle.ts";
import { datagramSender, type SendDatagram } from "./send.ts";
import { systemCalls } from "../system-calls.ts";

/** A batch below this size costs more than it saves; then dgram has the next ones to itself. */
const WORTHWHILE = 4;
const PAUSE = 32;

/** Gives `onDatagram` all datagrams; the answer sends from the socket. */
export function receiveDatagrams(socket: UdpSocket, onDatagram: OnDatagram): SendDatagram {
  const send = datagramSender(socket);
  const handle = socket.address().family === "IPv4" ? handleOf(socket) : undefined;
  if (handle === undefined) {
    socket.on("message", (message, { address, port }) => onDatagram(message, address, port));
    return send;
  }
  let pause = PAUSE;
  const isOpen = (): boolean => handle.fd >= 0;
  socket.on("message", (message, { address, port }) => {
    onDatagram(message, address, port);
    if (--pause > 0) return;
    const batches = (shared ??= { of: createBatches() }).of;
    pause = batches !== undefined && isOpen() && batches.run(handle, onDatagram, send) >= WORTHWHILE ? 0 : PAUSE;
  });
  return (message, port, ip) => {
    if (shared?.of?.add(handle, message, port, ip) !== true) send(message, port, ip);
  };
}

/** Made when a socket first has use for it. */
let shared: { readonly of: Batches | undefined } | undefined;

function createBatches(): Batches | undefined {
  const calls = systemCalls();
  return calls && new Batches(calls);
}
