// Copies a flow between two sockets: back-pressure, half-close and reset pass through in both directions.
import type { Duplex } from "node:stream";
import { Socket } from "node:net";
import { MemorySocket } from "./duplex-pair.ts";

/** Joins two ends until both are closed; each must allow half-open. */
export function pipeBoth(a: Duplex, b: Duplex): void {
  pipeOne(a, b);
  pipeOne(b, a);
}

/** One direction. */
export function pipeOne(from: Duplex, to: Duplex): void {
  from.pipe(to);
  tieEnds(from, to);
}

/** When `from` fails `to` is reset; when it closes `to` ends, or is destroyed where `from` was cut off. */
export function tieEnds(from: Duplex, to: Duplex): void {
  let failed = false;
  from.on("error", () => {
    failed = true;
    resetEnd(to);
  });
  from.on("close", () => {
    if (failed || to.destroyed) return;
    if (from.readableEnded) to.end();
    else to.destroy();
  });
}

/** RST where the transport has one, else an abrupt close. */
export function resetEnd(end: Duplex): void {
  // A socket whose FIN is being sent cannot be reset (EINVAL, and it stays open); closed, it answers what still comes with RST.
  if (end instanceof Socket && end.writableEnded && !end.writableFinished) end.destroy();
  else if (end instanceof Socket || end instanceof MemorySocket) end.resetAndDestroy();
  else end.destroy();
}
