// One handler behind our server and behind Node's, asked the same bytes over in-memory connections.
import { createServer } from "node:http";
import type { Server } from "node:net";
import { realClock, type Clock } from "../../../model/clock.ts";
import { createDuplexPair, type MemorySocket } from "../../../netsim/index.ts";
import { createHttpServer, type Handler, type HttpServerOptions } from "../../../workloads/http/index.ts";

const client = { local: { ip: "127.244.1.5", port: 40_000 }, remote: { ip: "127.244.1.9", port: 80 }, allowHalfOpen: true };
const server = { local: client.remote, remote: client.local, allowHalfOpen: true };

/** The client's end of a connection to the server. */
export function connectTo(to: Server, clock: Clock = realClock): MemorySocket {
  const [near, far] = createDuplexPair(clock, client, server);
  near.on("error", () => {});
  to.emit("connection", far);
  return near;
}

/** Node's server as a pod's is set up. */
export function nodeServer(handler: Handler, { keepAliveMs = 0, onUpgrade }: HttpServerOptions = {}): Server {
  const node = createServer((request, response) => void handler(request, response));
  node.keepAliveTimeout = keepAliveMs;
  Object.assign(node, { httpAllowHalfOpen: true });
  if (onUpgrade) node.on("upgrade", onUpgrade);
  return node;
}

/** All that the server says to these pieces until it closes; the client ends its side after the last one. */
export async function conversation(to: Server, pieces: readonly string[], clock: Clock = realClock): Promise<string> {
  const socket = connectTo(to, clock);
  const parts: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => parts.push(chunk));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (const piece of pieces) {
    socket.write(piece, "latin1");
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await closed;
  return Buffer.concat(parts)
    .toString("latin1")
    .replace(/^Date: .*$/gm, "Date: now");
}

/** What each of the two says; where a body is cut into chunks is left to them. */
export async function both(
  handler: Handler,
  pieces: readonly string[],
  options: HttpServerOptions = {},
): Promise<{ ours: string; nodes: string }> {
  const ours = await conversation(createHttpServer(handler, options), pieces);
  return { ours: chunksJoined(ours), nodes: chunksJoined(await conversation(nodeServer(handler, options), pieces)) };
}

function chunksJoined(text: string): string {
  const head = /(?:^|\n)Transfer-Encoding: chunked\r\n(?:[^\r\n]+\r\n)*\r\n(?=[0-9a-f]+\r\n)/.exec(text);
  if (!head) return text;
  let body = "";
  let at = head.index + head[0].length;
  for (;;) {
    const [line = "", size = "0"] = /^([0-9a-f]+)\r\n/.exec(text.slice(at)) ?? [];
    const length = Number.parseInt(size, 16);
    at += line.length;
    if (line === "" || length === 0) break;
    body += text.slice(at, at + length);
    at += length + 2;
  }
  return `${text.slice(0, head.index + head[0].length)}<${body}>${chunksJoined(text.slice(at))}`;
}
