// What the pods of the cases run: an echo, an httpbin, a slow one, an authenticating one, a gRPC one.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";

export interface EchoedRequest {
  readonly service: string;
  readonly pod: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: number;
}

/** A server for a Service's pod. Its name decides what it does. */
export function podServer(service: string, pod: string, protocol = "http"): Server {
  if (protocol === "grpc") return grpcServer(service, pod);
  return createServer((request, response) => {
    response.setHeader("x-service", service);
    response.setHeader("x-pod", pod);
    if (service.startsWith("httpbun")) return httpbun(request, response, service, pod);
    if (service.startsWith("http-cookie")) return cookies(request, response);
    const sleep = /^\/sleep\/(\d+)/.exec(request.url ?? "");
    const delay = sleep ? Math.min(Number(sleep[1]) * 1000, service === "slow-echo" ? 1600 : 0) : 0;
    if (delay === 0) return echo(request, response, service, pod);
    const timer = setTimeout(() => echo(request, response, service, pod), delay);
    response.once("close", () => clearTimeout(timer));
  });
}

function echo(request: IncomingMessage, response: ServerResponse, service: string, pod: string): void {
  let body = 0;
  request.on("data", (chunk: Buffer) => (body += chunk.length));
  request.on("end", () => {
    if (request.url?.includes("hsts=true")) response.setHeader("Strict-Transport-Security", "max-age=3600; preload");
    response.setHeader("content-type", "application/json");
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) headers[name] = Array.isArray(value) ? value.join(", ") : (value ?? "");
    response.end(
      JSON.stringify({ service, pod, method: request.method, path: request.url, headers, body } satisfies Record<string, unknown>),
    );
  });
}

function httpbun(request: IncomingMessage, response: ServerResponse, service: string, pod: string): void {
  const url = new URL(request.url ?? "/", "http://pod");
  const [, first = "", second = "", third = ""] = url.pathname.split("/");
  switch (first) {
    case "status":
      return void response.writeHead(Number(second)).end();
    case "basic-auth": {
      const right = `Basic ${Buffer.from(`${second}:${third}`).toString("base64")}`;
      return void response.writeHead(request.headers.authorization === right ? 200 : 401).end();
    }
    case "xml":
      return void response.writeHead(200, { "content-type": "application/xml" }).end(`<a>${"x".repeat(600)}</a>`);
    case "html":
      return void response.writeHead(200, { "content-type": "text/html" }).end(`<p>${"x".repeat(600)}</p>`);
    case "bytes":
      return void response
        .writeHead(200, { "content-type": "application/octet-stream", "content-length": second })
        .end("x".repeat(Number(second)));
    case "response-headers":
      for (const [name, value] of url.searchParams) response.setHeader(name, value);
      return void response.end("{}");
    default:
      return echo(request, response, service, pod);
  }
}

function cookies(request: IncomingMessage, response: ServerResponse): void {
  const found = /^\/cookies\/set\/(\w+)\/(\w+)/.exec(request.url ?? "");
  if (found) response.setHeader("Set-Cookie", `${found[1]}=${found[2]}`);
  response.writeHead(request.url?.startsWith("/error") ? 503 : 200).end();
}

/** Answers every call with its request headers as JSON in one message. */
function grpcServer(service: string, pod: string): Server {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream, { host, ...named }) => {
    // Without an authority it is the host, as for grpc-go.
    const headers = { ":authority": host, ...named };
    stream.resume();
    stream.on("end", () => {
      stream.respond({ ":status": 200, "content-type": "application/grpc", "x-service": service, "x-pod": pod }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      const message = Buffer.from(JSON.stringify({ service, pod, method: headers[":method"], path: headers[":path"], headers, body: 0 }));
      const frame = Buffer.alloc(5 + message.length);
      frame.writeUInt32BE(message.length, 1);
      message.copy(frame, 5);
      stream.end(frame);
    });
    stream.on("error", () => {});
  });
  return server as unknown as Server;
}
