// A dropped flow on a socket whose handshake is already done: it gets no answer until it is no longer dropped or the client gives up.
import type { Socket } from "node:net";
import type { FabricState } from "./fabric-state.ts";
import type { LiveFlow } from "./live-flow.ts";
import type { Undropped } from "./waiting-flows.ts";

/** As long as Linux retries SYN; then the socket is reset, so that nothing is held for ever. */
const HOLD_MS = 127_000;
/** What a client sends is read until here, to notice when it leaves; then its window closes. */
const HELD_BYTES = 65536;
/** Beyond this many, the oldest is reset. */
const HELD_SOCKETS = 1024;

const held = new WeakMap<FabricState, Set<Socket>>();

/** Holds an accepted socket without answering; what the client has sent meanwhile is put back before `onDecided`. */
export function holdUnanswered(state: FabricState, flow: LiveFlow, socket: Socket, onDecided: (decision: Undropped) => void): void {
  const ours = heldBy(state);
  ours.add(socket);
  if (ours.size > HELD_SOCKETS) {
    for (const oldest of ours) {
      oldest.resetAndDestroy();
      ours.delete(oldest);
      break;
    }
  }
  const chunks: Buffer[] = [];
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    if (socket.bytesRead > HELD_BYTES) socket.pause();
  };
  const onEnd = (): void => void socket.destroy();
  const timer = state.clock.after(HOLD_MS, () => socket.resetAndDestroy(), { background: true });
  const release = (): void => {
    timer.cancel();
    stopWaiting();
    ours.delete(socket);
  };
  const stopWaiting = state.waiting.add(flow, (decision) => {
    release();
    socket.off("data", onData).off("end", onEnd).off("close", release).pause();
    if (chunks.length > 0) socket.unshift(Buffer.concat(chunks));
    onDecided(decision);
  });
  socket.once("close", release).once("end", onEnd).on("data", onData).resume();
}

function heldBy(state: FabricState): Set<Socket> {
  let sockets = held.get(state);
  if (!sockets) held.set(state, (sockets = new Set()));
  return sockets;
}
