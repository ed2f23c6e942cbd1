// A dropped flow on a socket whose handshake is already done: it gets no answer until the client gives up.
import type { Socket } from "node:net";
import type { FabricState } from "./fabric-state.ts";

/** As long as Linux retries SYN; then the socket is reset, so that nothing is held for ever. */
const HOLD_MS = 127_000;
/** What a client sends is taken until here, only to notice when it leaves; then its window closes. */
const HELD_BYTES = 65536;
/** Beyond this many, the oldest is reset. */
const HELD_SOCKETS = 1024;

const held = new WeakMap<FabricState, Set<Socket>>();

/** Holds an accepted socket without answering. */
export function holdUnanswered(state: FabricState, socket: Socket): void {
  let sockets = held.get(state);
  if (!sockets) held.set(state, (sockets = new Set()));
  const ours = sockets;
  ours.add(socket);
  if (ours.size > HELD_SOCKETS) {
    for (const oldest of ours) {
      oldest.resetAndDestroy();
      ours.delete(oldest);
      break;
    }
  }
  const timer = state.clock.after(HOLD_MS, () => socket.resetAndDestroy(), { background: true });
  socket.once("close", () => {
    timer.cancel();
    ours.delete(socket);
  });
  socket.once("end", () => socket.destroy());
  socket.on("data", () => {
    if (socket.bytesRead > HELD_BYTES) socket.pause();
  });
  socket.resume();
}
