// A server of the gRPC health protocol over HTTP/2 without TLS, for the images whose probes ask it.
// Upstream: grpc/health/v1/health.proto (Check; Watch is not implemented), gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md).
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { stopped } from "./serve.ts";
import { errnoOf, errnoText, fail, type ToolIo } from "../tools/tool.ts";

const CHECK = "/grpc.health.v1.Health/Check";
const UNIMPLEMENTED = "12";
const NOT_FOUND = "5";
/** Five bytes of gRPC's prefix, the tag of field 1, and the length of the text. */
const NAME_AT = 7;
const MAX_REQUEST_BYTES = 4096;

/** What a service's health is; undefined for a service that the server does not know. */
export type Health = "SERVING" | "NOT_SERVING" | undefined;

const NUMBERS = { SERVING: 1, NOT_SERVING: 2 } as const;

/** Serves Check on the port until SIGTERM; resolves with 0, or 1 when the port is taken. */
export async function serveGrpcHealth(io: ToolIo, port: number, healthOf: (service: string) => Health): Promise<number> {
  const server = grpcHealthServer(healthOf);
  let registration;
  try {
    registration = await io.context.listen(port, server);
  } catch (error) {
    return fail(io, `listen tcp :${port}: bind: ${errnoText(errnoOf(error)).toLowerCase()}`);
  }
  await stopped(io.signal);
  await registration.close();
  return 0;
}

function grpcHealthServer(healthOf: (service: string) => Health): Http2Server {
  const server = createServer();
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => {
    stream.on("error", () => {});
    if (headers[":path"] !== CHECK) {
      return refuse(stream, UNIMPLEMENTED, `unknown method ${String(headers[":path"])}`);
    }
    let request = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      request = Buffer.concat([request, chunk]);
      if (request.length > MAX_REQUEST_BYTES) stream.close();
    });
    stream.on("end", () => {
      const health = healthOf(request.subarray(NAME_AT).toString());
      if (health === undefined) return refuse(stream, NOT_FOUND, "unknown service");
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, NUMBERS[health]]));
    });
  });
  return server;
}

function refuse(stream: ServerHttp2Stream, status: string, message: string): void {
  const head = { ":status": 200, "content-type": "application/grpc", "grpc-status": status, "grpc-message": message };
  stream.respond(head, { endStream: true });
}
