// A connection made inside this process as a pod, a node or the host. It is decided before it connects, so a reject is ECONNREFUSED
// and a drop is ETIMEDOUT, exactly as a real client would see them.
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { sleep } from "../model/clock.ts";
import { assertNever } from "../model/errors.ts";
import type { DialOptions, Peer, SocketAddress } from "../model/ports.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { delivered, deliverInMemory, shapeClient } from "./deliver.ts";
import { createDuplexPair } from "./duplex-pair.ts";
import { addressError, errnoOf, hostPort, type ErrnoCode } from "./errno.ts";
import type { FabricState } from "./fabric-state.ts";
import { ipv4Number, isLoopback } from "./ip-block.ts";
import type { LiveFlow } from "./live-flow.ts";
import type { Undropped } from "./waiting-flows.ts";

/** As Linux gives up on SYN retries. */
const TIMEOUT_MS = 127_000;

export interface FabricDialOptions extends DialOptions {
  /** Keep writing after the other end's FIN; default false, as net.connect. */
  readonly allowHalfOpen?: boolean;
  /** Told which endpoint the flow was given to. */
  readonly onEndpoint?: (endpoint: SocketAddress) => void;
}

/** Rejects with Node-shaped errors (`connect ECONNREFUSED …`), or with the signal's reason. */
export async function dial(state: FabricState, from: Peer, to: SocketAddress, options: FabricDialOptions = {}): Promise<Duplex> {
  options.signal?.throwIfAborted();
  if (!(Number.isInteger(to.port) && to.port >= 0 && to.port <= 65535)) throw addressError("connect", "EINVAL", to);
  if (ipv4Number(to.ip) < 0 && !to.ip.includes(":")) throw addressError("connect", "EINVAL", to);
  const inCluster = state.plan.isClusterAddress(to.ip);
  if (!inCluster && isLoopback(to.ip))
    return from.kind === "pod" ? dialOwnLoopback(state, from, to, options) : connectSocket(state, to, to, options);
  if (!inCluster) throw addressError("connect", "ENETUNREACH", to);
  const flow = open(state, from, to, options.purpose);
  let decision = decide(state, flow);
  if (decision.type === "drop") decision = await undropped(state, flow, options);
  switch (decision.type) {
    case "deliver":
      if (decision.faults && decision.faults.handshakeMs > 0) await handshake(state, decision, decision.faults.handshakeMs, flow, options);
      return deliver(state, flow, decision, to, false, options);
    case "reset":
      return resetAtOnce(state, flow, to);
    case "refuse":
      throw addressError("connect", "ECONNREFUSED", to);
    default:
      return assertNever(decision);
  }
}

function open(state: FabricState, client: Peer, to: SocketAddress, purpose: FabricDialOptions["purpose"]): LiveFlow {
  state.counters.dialled++;
  const from = state.sourceFor(client, to.ip);
  const flow = state.openFlow("TCP", from, { ip: from.ip, port: state.ephemeralPort(from.ip) }, to);
  if (flow.traced)
    state.trace.record(flow.id, flow.node, "dial", `TCP ${hostPort(flow.source)} → ${hostPort(to)}`, purpose && [`kubelet ${purpose}`]);
  return flow;
}

/** Until the flow is no longer dropped; rejects with ETIMEDOUT after the client's patience. */
async function undropped(state: FabricState, flow: LiveFlow, options: FabricDialOptions): Promise<Undropped> {
  const over = new AbortController();
  let stopWaiting = (): void => {};
  const decided = new Promise<Undropped>((resolve) => (stopWaiting = state.waiting.add(flow, resolve)));
  const timedOut = async (): Promise<never> => {
    const { signal } = options;
    await wait(state, options.timeoutMs ?? TIMEOUT_MS, flow.destination, signal ? AbortSignal.any([signal, over.signal]) : over.signal);
    throw addressError("connect", "ETIMEDOUT", flow.destination);
  };
  try {
    return await Promise.race([decided, timedOut()]);
  } finally {
    stopWaiting();
    over.abort();
  }
}

/** A pod's 127.0.0.1 is its own: neither proxy nor policy has a say. */
async function dialOwnLoopback(state: FabricState, from: Peer, to: SocketAddress, options: FabricDialOptions): Promise<Duplex> {
  const exposure = state.exposures.find("TCP", from.ip, to.port);
  if (!exposure) throw addressError("connect", "ECONNREFUSED", to);
  const decision = { type: "deliver", exposure, masqueradeAs: undefined, verdict: { type: "pass", matched: [] } } as const;
  return deliver(state, open(state, from, { ip: from.ip, port: to.port }, options.purpose), decision, to, true, options);
}

async function deliver(
  state: FabricState,
  flow: LiveFlow,
  decision: Extract<Decision, { type: "deliver" }>,
  to: SocketAddress,
  loopback: boolean,
  options: FabricDialOptions,
): Promise<Duplex> {
  const { backend, address } = decision.exposure;
  options.onEndpoint?.(address);
  if (backend.type === "server") {
    const local = loopback ? { ip: to.ip, port: flow.source.port } : flow.source;
    return deliverInMemory(state, flow, decision, { local, remote: to, allowHalfOpen: options.allowHalfOpen ?? false, loopback });
  }
  if (backend.type === "datagram") throw addressError("connect", "ECONNREFUSED", to);
  const shape = decision.faults?.stream;
  const socket = await connectSocket(state, backend.address, to, shape ? { ...options, allowHalfOpen: true } : options).catch(
    (error: unknown) => {
      state.hooks.closed?.(flow.id);
      throw error;
    },
  );
  delivered(state, flow, decision, "pipe");
  flow.far = socket;
  state.live.add(flow);
  socket.once("close", () => {
    state.live.remove(flow);
    state.counters.closed++;
  });
  if (!shape) return socket;
  const end = { local: flow.source, remote: to, allowHalfOpen: options.allowHalfOpen ?? false };
  flow.near = shapeClient(state, end, socket, shape);
  return flow.near;
}

/** A shaped link delays the handshake too; who listens is known when it arrives. */
async function handshake(
  state: FabricState,
  { exposure }: Extract<Decision, { type: "deliver" }>,
  handshakeMs: number,
  flow: LiveFlow,
  options: FabricDialOptions,
): Promise<void> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  try {
    await wait(state, Math.min(Math.ceil(handshakeMs), timeoutMs), flow.destination, options.signal);
    if (handshakeMs > timeoutMs) throw addressError("connect", "ETIMEDOUT", flow.destination);
    const { ip, port } = exposure.address;
    if (state.exposures.find("TCP", ip, port) !== exposure) throw addressError("connect", "ECONNREFUSED", flow.destination);
  } catch (error) {
    state.hooks.closed?.(flow.id);
    throw error;
  }
}

/** Rejects with the signal's reason, or ENETDOWN when the fabric stops meanwhile. */
async function wait(state: FabricState, delayMs: number, to: SocketAddress, signal: AbortSignal | undefined): Promise<void> {
  const { ended } = state;
  try {
    await sleep(state.clock, delayMs, signal ? AbortSignal.any([signal, ended]) : ended);
  } catch (error) {
    throw ended.aborted && !signal?.aborted ? addressError("connect", "ENETDOWN", to) : error;
  }
}

/** A connection whose other end sends RST before anything else. */
function resetAtOnce(state: FabricState, flow: LiveFlow, to: SocketAddress): Duplex {
  const [near, far] = createDuplexPair(
    state.clock,
    { local: flow.source, remote: to, allowHalfOpen: false },
    { local: to, remote: flow.source, allowHalfOpen: false },
  );
  for (const end of [near, far]) end.on("error", () => {});
  far.resetAndDestroy();
  return near;
}

/** An unbound socket of the machine to a loopback address; errors name `to`, what the client asked for. */
function connectSocket(state: FabricState, at: SocketAddress, to: SocketAddress, options: FabricDialOptions): Promise<Socket> {
  if (!state.budget.take(1)) return Promise.reject(addressError("connect", "EMFILE", to));
  const socket = connect({ host: at.ip, port: at.port, noDelay: true, allowHalfOpen: options.allowHalfOpen ?? false });
  socket.once("close", () => state.budget.give(1));
  socket.on("error", () => {});
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const onAbort = (): void => {
      socket.destroy();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const onError = (error: Error): void => {
      signal?.removeEventListener("abort", onAbort);
      reject(addressError("connect", connectCode(error), to));
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

function connectCode(error: Error): ErrnoCode {
  const code = errnoOf(error);
  return code === "EADDRNOTAVAIL" || code === "ENETUNREACH" || code === "EHOSTUNREACH" || code === "ETIMEDOUT" || code === "EACCES"
    ? code
    : "ECONNREFUSED";
}
