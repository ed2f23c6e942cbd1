// One try of a gRPC probe: grpc.health.v1.Health/Check over HTTP/2 without TLS, as the node.
// Upstream: pkg/probe/grpc/grpc.go; gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md), grpc/health/v1/health.proto.
import { connect, type ClientHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import type { GRPCAction } from "../../model/kinds/core-v1.ts";
import type { ProbeResult, ProbeTarget } from "./probe-target.ts";

const PATH = "/grpc.health.v1.Health/Check";
const UNIMPLEMENTED = "12";
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING = 1;
const PREFIX_BYTES = 5;
const MAX_ANSWER_BYTES = 4096;
/** A server that is not there yet is tried again until the probe's timeout, as upstream's blocking dial does. */
const RETRY_MS = 100;

interface Answer {
  readonly grpcStatus: string;
  readonly grpcMessage: string;
  readonly body: Buffer;
}

/** Tries once; what never comes about is ended by the signal, and the caller tells the timeout. */
export async function grpcProbe(
  action: GRPCAction,
  target: ProbeTarget,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<ProbeResult> {
  const connection = await dialUntil(action, target, signal);
  onConnected();
  connection.on("error", () => {});
  const session = connect(`http://${target.podIP}:${action.port}`, { createConnection: () => connection });
  try {
    const { grpcStatus, grpcMessage, body } = await check(session, action, target, signal);
    if (grpcStatus === UNIMPLEMENTED) {
      const output = `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${grpcMessage}`;
      return { success: false, output };
    }
    if (grpcStatus !== "0") {
      return { success: false, output: `error: health rpc probe failed: rpc error: code = ${grpcStatus} desc = ${grpcMessage}` };
    }
    const status = servingStatus(body);
    if (status === SERVING) return { success: true, output: "service healthy" };
    return { success: false, output: `service unhealthy (responded with "${STATUSES[status] ?? status}")` };
  } finally {
    // With a GOAWAY, so that the server need not take it for a failure.
    if (signal.aborted) session.destroy();
    else session.close();
    session.once("close", () => connection.destroy());
  }
}

async function dialUntil(action: GRPCAction, target: ProbeTarget, signal: AbortSignal): Promise<Duplex> {
  for (;;) {
    try {
      return await target.network.dial(target.from, { ip: target.podIP, port: action.port }, { signal, purpose: "probe" });
    } catch (error) {
      if (signal.aborted) throw error;
      await new Promise<void>((resolve) => {
        const timer = target.clock.after(RETRY_MS, resolve, { background: true });
        signal.addEventListener("abort", () => (timer.cancel(), resolve()), { once: true });
      });
    }
  }
}

function check(session: ClientHttp2Session, { service = "", port }: GRPCAction, target: ProbeTarget, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": PATH,
      ":authority": `${target.podIP}:${port}`,
      "content-type": "application/grpc",
      "user-agent": "kube-probe/1.33 grpc-go",
      te: "trailers",
    });
    const answer = { grpcStatus: "", grpcMessage: "", body: Buffer.alloc(0) };
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers["grpc-status"] !== undefined) answer.grpcStatus = String(headers["grpc-status"]);
      if (headers["grpc-message"] !== undefined) answer.grpcMessage = String(headers["grpc-message"]);
      const status = headers[":status"];
      if (status !== undefined && status !== 200)
        answer.grpcMessage = `unexpected HTTP status code received from server: ${String(status)}`;
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (chunk: Buffer) => {
      answer.body = Buffer.concat([answer.body, chunk]);
      if (answer.body.length > MAX_ANSWER_BYTES) stream.destroy(new Error("grpc: received message larger than max"));
    });
    stream.on("error", reject);
    stream.on("close", () => resolve(answer));
    signal.addEventListener("abort", () => stream.destroy(), { once: true });
    stream.end(message(service));
  });
}

/** HealthCheckRequest{service: 1} behind gRPC's five-byte prefix. */
function message(service: string): Buffer {
  const text = Buffer.from(service, "utf8");
  const fields = text.length === 0 ? [] : [0x0a, ...varint(text.length)];
  const size = fields.length + text.length;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(size, 1);
  return Buffer.concat([prefix, Buffer.from(fields), text]);
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** The `status` of a HealthCheckResponse; absent it is UNKNOWN. */
function servingStatus(body: Buffer): number {
  return body[PREFIX_BYTES] === 0x08 ? (body[PREFIX_BYTES + 1] ?? 0) : 0;
}
