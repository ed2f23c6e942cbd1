// The end of the path: a decided flow reaches its endpoint's backend, by hand-over, pipe or in memory.
import { connect, type Server, type Socket } from "node:net";
import { assertNever } from "../model/errors.ts";
import type { SocketAddress } from "../model/ports.ts";
import type { Decision } from "./decision.ts";
import { createDuplexPair, type MemorySocket, type PairEnd } from "./duplex-pair.ts";
import { hostPort } from "./errno.ts";
import type { FabricState } from "./fabric-state.ts";
import { handOver, handOverMemory } from "./hand-over.ts";
import type { Delivery, LiveFlow } from "./live-flow.ts";
import { pipeOne } from "./pipe.ts";
import { Pump } from "./pump.ts";
import type { FlowFaults } from "./faults/fault-rule.ts";
import { joinShaped } from "./faults/stream-link.ts";

type Deliverable = Extract<Decision, { type: "deliver" }>;

const ignoreError = (): void => {};

/** An accepted socket: handed over to a server of this process, piped to a private socket. */
export function deliverAccepted(state: FabricState, flow: LiveFlow, socket: Socket, decision: Deliverable): void {
  const { backend, name } = decision.exposure;
  switch (backend.type) {
    case "server":
      if (decision.faults?.stream) {
        socket.on("error", ignoreError);
        socket.once("close", () => acceptedClosed(state, flow));
        return deliverShaped(state, flow, socket, decision, backend.server);
      }
      delivered(state, flow, decision, "hand-over");
      return handOver(
        backend.server,
        socket,
        () => acceptedClosed(state, flow),
        name,
        decision.masqueradeAs === undefined ? undefined : seenSource(flow, decision),
      );
    case "socket":
      socket.on("error", ignoreError);
      socket.once("close", () => acceptedClosed(state, flow));
      if (!state.budget.take(1)) return void socket.resetAndDestroy();
      delivered(state, flow, decision, "pipe");
      return pipeTo(state, flow, socket, decision, backend.address);
    case "datagram":
      acceptedClosed(state, flow);
      return void socket.resetAndDestroy();
    default:
      return assertNever(backend);
  }
}

/** An accepted socket joined to a server of this process by a shaped link, the server's end in memory. */
function deliverShaped(state: FabricState, flow: LiveFlow, socket: Socket, decision: Deliverable, server: Server): void {
  const source = seenSource(flow, decision);
  const { address } = decision.exposure;
  const [link, far] = createDuplexPair(
    state.clock,
    { local: source, remote: address, allowHalfOpen: true },
    { local: address, remote: source, allowHalfOpen: false },
  );
  link.on("error", ignoreError);
  far.on("error", ignoreError);
  delivered(state, flow, decision, "pipe");
  flow.far = far;
  if (decision.faults?.stream) joinShaped(state.clock, socket, link, decision.faults.stream);
  handOverMemory(server, far);
}

/** The end of an accepted flow: once, when its socket is destroyed. */
export function acceptedClosed(state: FabricState, flow: LiveFlow): void {
  state.budget.give(1);
  flowClosed(state, flow);
}

function flowClosed(state: FabricState, flow: LiveFlow): void {
  state.live.remove(flow);
  state.counters.closed++;
  if (flow.traced) state.trace.record(flow.id, flow.node, "close", "closed");
}

/** An in-process client's connection to a server of this process: no socket of the machine. */
export function deliverInMemory(state: FabricState, flow: LiveFlow, decision: Deliverable, client: ClientEnd): MemorySocket {
  const { backend, address } = decision.exposure;
  const shape = decision.faults?.stream;
  const nearEnd = { local: client.local, remote: client.remote, allowHalfOpen: client.allowHalfOpen };
  const farEnd = {
    local: client.loopback ? client.remote : address,
    remote: client.loopback ? client.local : seenSource(flow, decision),
    allowHalfOpen: false,
  };
  const [near, far] = shape ? shapedPair(state, nearEnd, farEnd, shape) : createDuplexPair(state.clock, nearEnd, farEnd);
  near.on("error", ignoreError);
  far.on("error", ignoreError);
  delivered(state, flow, decision, "memory");
  flow.near = near;
  flow.far = far;
  state.live.add(flow);
  let open = 2;
  const onClose = (): void => {
    if (--open === 0) flowClosed(state, flow);
  };
  near.once("close", onClose);
  far.once("close", onClose);
  if (backend.type === "server") handOverMemory(backend.server, far);
  return near;
}

/** Two ends with a shaped link between them. */
function shapedPair(
  state: FabricState,
  nearEnd: PairEnd,
  farEnd: PairEnd,
  shape: NonNullable<FlowFaults["stream"]>,
): [MemorySocket, MemorySocket] {
  const [near, nearLink] = createDuplexPair(state.clock, nearEnd, { ...farEnd, allowHalfOpen: true });
  const [farLink, far] = createDuplexPair(state.clock, { ...nearEnd, allowHalfOpen: true }, farEnd);
  nearLink.on("error", ignoreError);
  farLink.on("error", ignoreError);
  joinShaped(state.clock, nearLink, farLink, shape);
  return [near, far];
}

/** The client's end of a connection to a private socket, with a shaped link in between. */
export function shapeClient(state: FabricState, end: PairEnd, socket: Socket, shape: NonNullable<FlowFaults["stream"]>): MemorySocket {
  const [near, link] = createDuplexPair(state.clock, end, { local: end.remote, remote: end.local, allowHalfOpen: true });
  near.on("error", ignoreError);
  link.on("error", ignoreError);
  joinShaped(state.clock, link, socket, shape);
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
  if (decision.verdict.type === "dnat") flow.service = decision.verdict.service;
  if (decision.faults?.stream) state.counters.shaped++;
  state.counters.delivered++;
  if (delivery === "hand-over") state.counters.handedOver++;
  if (delivery === "pipe") state.counters.piped++;
  if (flow.traced) state.trace.record(flow.id, flow.node, "deliver", `${delivery} ${hostPort(decision.exposure.address)}`);
  state.hooks.delivered?.(flow);
}

function seenSource(flow: LiveFlow, decision: Deliverable): SocketAddress {
  return decision.masqueradeAs === undefined ? flow.source : { ip: decision.masqueradeAs, port: flow.source.port };
}

function pipeTo(state: FabricState, flow: LiveFlow, socket: Socket, { faults }: Deliverable, at: SocketAddress): void {
  const pump = faults?.stream ? undefined : new Pump();
  const upstream = connect({ host: at.ip, port: at.port, allowHalfOpen: true, noDelay: true, ...(pump && { onread: pump.onread }) });
  flow.far = upstream;
  const onFailure = (): void => void socket.resetAndDestroy();
  const onGone = (): void => void upstream.destroy();
  upstream.once("close", () => state.budget.give(1));
  upstream.once("error", onFailure);
  socket.once("close", onGone);
  upstream.once("connect", () => {
    upstream.off("error", onFailure);
    socket.off("close", onGone);
    if (faults?.stream) return joinShaped(state.clock, socket, upstream, faults.stream);
    pipeOne(socket, upstream);
    pump?.start(upstream, socket);
  });
}
