// registry.k8s.io/ingress-nginx/fastcgi-helloserver: greets at /hello over FastCGI, on port 9000.
// Upstream: ingress-nginx images/fastcgi-helloserver; Go's net/http/fcgi, without several requests on one connection at a time.
import type { Duplex } from "node:stream";
import { createTcpServer } from "../../netsim/tcp-server.ts";
import { httpDate } from "../http/index.ts";
import { errnoOf, errnoText, fail, type NamedTool, type ToolIo } from "../tools/tool.ts";
import type { ImageSpec } from "./image.ts";
import { stopped } from "./serve.ts";

const PORT = 9000;
const HEAD_BYTES = 8;
const [BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT] = [1, 3, 4, 5, 6] as const;
/** Flag of BEGIN_REQUEST. */
const KEEP_CONN = 1;

const program: NamedTool = {
  name: "fastcgi-helloserver",
  async run(_argv, io) {
    const sockets = new Set<Duplex>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => sockets.delete(socket));
      socket.once("end", () => socket.end());
      serve(io, socket);
    });
    let registration;
    try {
      registration = await io.context.listen(PORT, server);
    } catch (error) {
      return fail(io, `panic: listen tcp 0.0.0.0:${PORT}: bind: ${errnoText(errnoOf(error)).toLowerCase()}`, 2);
    }
    await stopped(io.signal);
    await registration.close();
    for (const socket of sockets) socket.end();
    return 0;
  },
};

function serve(io: ToolIo, socket: Duplex): void {
  let rest: Buffer = Buffer.alloc(0);
  let params: Buffer[] = [];
  let kept = false;
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      if (rest[0] !== 1) return void socket.destroy();
      const size = rest.readUInt16BE(4);
      const end = HEAD_BYTES + size + (rest[6] ?? 0);
      if (rest.length < end) return;
      const [type, id, content] = [rest[1], rest.readUInt16BE(2), rest.subarray(HEAD_BYTES, HEAD_BYTES + size)];
      rest = rest.subarray(end);
      if (type === BEGIN_REQUEST) {
        params = [];
        kept = ((content[2] ?? 0) & KEEP_CONN) !== 0;
      } else if (type === PARAMS) params.push(content);
      else if (type === STDIN && size === 0) {
        const answer = hello(paramsOf(Buffer.concat(params)), io.context.clock.now());
        socket.write(Buffer.concat([record(STDOUT, id, answer), record(STDOUT, id, ""), record(END_REQUEST, id, Buffer.alloc(8))]));
        if (!kept) socket.end();
      }
    }
  });
}

function record(type: number, id: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([1, type, id >> 8, id & 255, bytes.length >> 8, bytes.length & 255, 0, 0]), bytes]);
}

/** Name-value pairs, each with its lengths in one byte or four. */
function paramsOf(bytes: Buffer): ReadonlyMap<string, string> {
  const params = new Map<string, string>();
  let at = 0;
  const size = (): number => {
    const first = bytes[at] ?? 0;
    at += first < 128 ? 1 : 4;
    return first < 128 ? first : at <= bytes.length ? bytes.readUInt32BE(at - 4) & 0x7fff_ffff : 0;
  };
  while (at < bytes.length) {
    const [key, value] = [size(), size()];
    params.set(bytes.toString("latin1", at, at + key), bytes.toString("latin1", at + key, at + key + value));
    at += key + value;
  }
  return params;
}

function hello(params: ReadonlyMap<string, string>, now: number): string {
  const { pathname, searchParams } = new URL(params.get("REQUEST_URI") ?? "/", "http://pod");
  const found = pathname === "/hello";
  const body = found ? `Hello ${searchParams.get("name") || "world"}!` : "404 page not found\n";
  const lines = [
    `Status: ${found ? "200 OK" : "404 Not Found"}`,
    "Content-Type: text/plain; charset=utf-8",
    `Date: ${httpDate(now)}`,
    ...(found ? [] : ["X-Content-Type-Options: nosniff"]),
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

export const fastcgiHelloserver: ImageSpec = {
  repositories: ["ingress-nginx/fastcgi-helloserver", "ingress-nginx/e2e-test-fastcgi-helloserver"],
  cmd: ["/fastcgi-helloserver"],
  ports: [PORT],
  programs: [program],
};
