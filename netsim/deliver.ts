// The end of the path: a decided flow reaches its endpoint's backend, by hand-over, pipe or in memory.
import { connect, type Socket } from "node:net";
import { assertNever } from "../model/errors.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { Decision } from "./decide.ts";
import { createDuplexPair, type MemorySocket } from "./duplex-pair.ts";
import { hostPort } from "./errno.ts";
import type { FabricState } from "./fabric-state.ts";
import { handOver, handOverMemory } from "./hand-over.ts";
import type { Delivery, LiveFlow } from "./live-flow.ts";
import { pipeBoth } from "./pipe.ts";

type Deliverable = Extract<Decision, { type: "deliver" }>;

const ignoreError = (): void => {};

/** An accepted socket: handed over to a server of this process, piped to a private socket. */
export function deliverAccepted(state: FabricState, flow: LiveFlow, socket: Socket, decision: Deliverable): void {
  const { backend, name } = decision.exposure;
  switch (backend.type) {
    case "server":
      delivered(state, flow, decision, "hand-over");
      handOver(backend.server, socket, name, decision.masqueradeAs === undefined ? undefined : seenSource(flow, decision));
      return;
    case "socket":
      if (!state.budget.take(1)) return void socket.resetAndDestroy();
      delivered(state, flow, decision, "pipe");
      return pipeTo(state, flow, socket, backend.address);
    case "datagram":
      return void socket.resetAndDestroy();
    default:
      return assertNever(backend);
  }
}

/** An in-process client's connection to a server of this process: no socket of the machine. */
export function deliverInMemory(state: FabricState, flow: LiveFlow, decision: Deliverable, client: ClientEnd): MemorySocket {
  const { backend, address } = decision.exposure;
  const [near, far] = createDuplexPair(
    state.clock,
    { local: client.local, remote: client.remote, allowHalfOpen: client.allowHalfOpen },
    {
      local: client.loopback ? client.remote : address,
      remote: client.loopback ? client.local : seenSource(flow, decision),
      allowHalfOpen: false,
    },
  );
  near.on("error", ignoreError);
  far.on("error", ignoreError);
  delivered(state, flow, decision, "memory");
  flow.near = near;
  flow.far = far;
  state.live.add(flow);
  let open = 2;
  const onClose = (): void => {
    if (--open > 0) return;
    state.live.remove(flow);
    state.counters.closed++;
    if (flow.traced) state.trace.record(flow.id, flow.node, "close", "closed");
  };
  near.once("close", onClose);
  far.once("close", onClose);
  if (backend.type === "server") handOverMemory(backend.server, far);
  return near;
}

/** What the client's program sees of its own connection. */
export interface ClientEnd {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly allowHalfOpen: boolean;
  /** Over the pod's own loopback: both ends see the loopback address. */
  readonly loopback: boolean;
}

/** Counts and traces a delivery, and ties the flow to its endpoint. */
export function delivered(state: FabricState, flow: LiveFlow, decision: Deliverable, delivery: Delivery): void {
  flow.delivery = delivery;
  flow.exposure = decision.exposure;
  state.counters.delivered++;
  if (delivery === "hand-over") state.counters.handedOver++;
  if (delivery === "pipe") state.counters.piped++;
  if (flow.traced) state.trace.record(flow.id, flow.node, "deliver", `${delivery} ${hostPort(decision.exposure.address)}`);
}

function seenSource(flow: LiveFlow, decision: Deliverable): SocketAddress {
  return decision.masqueradeAs === undefined ? flow.source : { ip: decision.masqueradeAs, port: flow.source.port };
}

function pipeTo(state: FabricState, flow: LiveFlow, socket: Socket, at: SocketAddress): void {
  const upstream = connect({ host: at.ip, port: at.port, allowHalfOpen: true, noDelay: true });
  flow.far = upstream;
  const onFailure = (): void => void socket.resetAndDestroy();
  const onGone = (): void => void upstream.destroy();
  upstream.once("close", () => state.budget.give(1));
  upstream.once("error", onFailure);
  socket.once("close", onGone);
  upstream.once("connect", () => {
    upstream.off("error", onFailure);
    socket.off("close", onGone);
    pipeBoth(socket, upstream);
  });
}
