// Port-forward: per forwarded connection a pair of SPDY streams, `error` and `data`, over an upgraded socket or inside a WebSocket.
// Upstream: kubelet pkg/cri/streaming/portforward/httpstream.go, KEP-4006 (the WebSocket tunnel). Leaves out the old WebSocket form
// with fixed ports, which kubectl never spoke.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createWebSocketStream } from "ws";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { KubeletStreams } from "../../model/ports.ts";
import { requireNode } from "./container-choice.ts";
import { SpdySession } from "./spdy.ts";
import type { SpdyStream } from "./spdy-stream.ts";
import { acceptSpdyUpgrade, headerValues, negotiate, type UpgradeKind } from "./upgrade.ts";
import { acceptWebSocketUnchecked } from "./websocket-channels.ts";

const PROTOCOL = "portforward.k8s.io";
const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";

/** Serves forwarded connections until the client goes. Throws StatusError before the upgrade. */
export async function servePortForward(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  kind: UpgradeKind,
  pod: Pod,
  streams: KubeletStreams,
): Promise<void> {
  requireNode(pod);
  const gone = new AbortController();
  const accept = pairUp((data, error, port) => void forward(pod, port, data, error, streams, gone.signal));
  const session = await openSession(request, socket, head, kind, accept);
  await session.closed;
  gone.abort(new Error("the client has gone"));
}

async function openSession(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  kind: UpgradeKind,
  accept: (stream: SpdyStream) => void,
): Promise<SpdySession> {
  if (kind === "SPDY/3.1") {
    acceptSpdyUpgrade(socket, negotiate(headerValues(request, "x-stream-protocol-version"), [PROTOCOL], PROTOCOL));
    return new SpdySession(socket, head, accept);
  }
  negotiate(headerValues(request, "sec-websocket-protocol"), [TUNNEL_PROTOCOL], TUNNEL_PROTOCOL);
  const webSocket = await acceptWebSocketUnchecked(request, socket, head, TUNNEL_PROTOCOL);
  return new SpdySession(createWebSocketStream(webSocket), Buffer.alloc(0), accept);
}

type OnPair = (data: SpdyStream, error: SpdyStream, port: number) => void;

/** Collects streams by request id until both of a pair are there; streams without valid headers are refused. */
function pairUp(onPair: OnPair): (stream: SpdyStream) => void {
  const waiting = new Map<string, SpdyStream>();
  return (stream) => {
    const type = stream.headers.get("streamtype");
    const portText = stream.headers.get("port") ?? "";
    const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
    if ((type !== "error" && type !== "data") || port < 1 || port > 65535) return stream.refuse();
    // Clients without request ids open the error stream and then, two ids later, the data stream.
    const request = stream.headers.get("requestid") ?? String(type === "error" ? stream.id : stream.id - 2);
    const other = waiting.get(request);
    if (other?.headers.get("streamtype") === type) return stream.refuse();
    stream.reply();
    if (!other) {
      waiting.set(request, stream);
      stream.once("close", () => {
        if (waiting.get(request) === stream) waiting.delete(request);
      });
      return;
    }
    waiting.delete(request);
    if (type === "data") onPair(stream, other, port);
    else onPair(other, stream, port);
  };
}

async function forward(
  pod: Pod,
  port: number,
  data: SpdyStream,
  error: SpdyStream,
  streams: KubeletStreams,
  signal: AbortSignal,
): Promise<void> {
  error.resume();
  let connection: Duplex;
  try {
    connection = await streams.portForward(pod, port, signal);
  } catch (failure) {
    const { name, uid = "" } = pod.metadata;
    const reason = `failed to connect to localhost:${port} inside namespace ${JSON.stringify(name)}, IPv4: ${goErrorText(failure, port)}`;
    error.end(`error forwarding port ${port} to pod ${name}, uid ${uid}: ${reason}`);
    data.end().resume();
    return;
  }
  connection.on("error", () => undefined);
  // A client that resets the data stream has all it wanted; the pod's side is then closed, not reset.
  data.once("close", () => connection.destroy());
  await Promise.allSettled([pipeline(data, connection), pipeline(connection, data)]);
  data.destroy();
  error.end();
}

const GO_ERRNO: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ETIMEDOUT: "connection timed out",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
};

/** A failed dial as Go's net package words it. */
function goErrorText(failure: unknown, port: number): string {
  const text = failure instanceof Error ? failure.message : String(failure);
  const code = failure instanceof Error && "code" in failure ? String(failure.code) : "";
  const known = GO_ERRNO[code];
  return known === undefined ? text : `dial tcp4 127.0.0.1:${port}: connect: ${known}`;
}
