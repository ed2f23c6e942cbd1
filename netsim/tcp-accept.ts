// A connection that a real program made to a cluster address. Its handshake is already done, so a reject is a reset and a drop is
// held until the client leaves; everything else is as in dial.ts.
import type { Socket } from "node:net";
import { assertNever } from "../model/errors.ts";
import type { SocketAddress } from "../model/ports.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { acceptedClosed, deliverAccepted } from "./deliver.ts";
import { hostPort } from "./errno.ts";
import type { FabricState } from "./fabric-state.ts";
import { holdUnanswered } from "./hold.ts";
import type { LiveFlow } from "./live-flow.ts";

const ignoreError = (): void => {};

/** Takes a fresh socket along the one path. Synchronous from accept to hand-over. */
export function acceptTcp(state: FabricState, socket: Socket, destination: SocketAddress): void {
  const ip = socket.remoteAddress;
  const port = socket.remotePort;
  if (ip === undefined || port === undefined) return void socket.destroy();
  if (!state.budget.take(1)) return void socket.on("error", ignoreError).resetAndDestroy();
  state.counters.accepted++;
  const flow = state.openFlow("TCP", state.identify(ip), { ip, port }, destination);
  flow.near = socket;
  state.live.add(flow);
  if (flow.traced) state.trace.record(flow.id, flow.node, "accept", `TCP ${hostPort(flow.source)} → ${hostPort(destination)}`);
  settle(state, flow, socket, decide(state, flow));
}

function settle(state: FabricState, flow: LiveFlow, socket: Socket, decision: Decision): void {
  switch (decision.type) {
    case "deliver":
      return deliverAccepted(state, flow, socket, decision);
    case "refuse":
    case "reset":
      acceptedClosed(state, flow);
      return void socket.on("error", ignoreError).resetAndDestroy();
    case "drop": {
      const onClose = (): void => acceptedClosed(state, flow);
      socket.on("error", ignoreError).once("close", onClose);
      return holdUnanswered(state, flow, socket, (later) => {
        socket.off("error", ignoreError).off("close", onClose);
        settle(state, flow, socket, later);
      });
    }
    default:
      return assertNever(decision);
  }
}
