// A handed-over connection as its client sees it: no write waits for an acknowledgement, and the answer of an HTTP connection that ends arrives
// whole before the FIN, whoever is slow and whatever is unread.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import t from "tap";
import { nextTurn, realClock } from "../../model/clock.ts";
import { createTcpServer } from "../../netsim/tcp-server.ts";
import { connected, testFabric } from "./test-fabric.ts";

/** Answers with as many bytes as the path says; POST bodies are read only by /read/N. */
function handler(request: IncomingMessage, response: ServerResponse): void {
  const [, how = "", size = "0"] = (request.url ?? "").split("/");
  const answer = (): void => void response.end(Buffer.alloc(Number(size), "a"));
  if (how === "read") request.resume().on("end", answer);
  else answer();
}

interface Row {
  readonly name: string;
  readonly path: string;
  readonly requestBody?: number;
  readonly slow?: boolean;
  readonly version?: "1.0" | "1.1";
}

const ROWS: readonly Row[] = [
  { name: "a small answer", path: "/at-once/20" },
  { name: "no body", path: "/at-once/0" },
  { name: "a small answer to HTTP/1.0", path: "/at-once/20", version: "1.0" },
  { name: "more than the kernel takes at once", path: "/at-once/20000000" },
  { name: "the same, to a slow reader", path: "/at-once/20000000", slow: true },
  { name: "after a request body that was read", path: "/read/20", requestBody: 3_000_000 },
  { name: "before the request body, which is never read", path: "/at-once/20", requestBody: 100 },
];

t.test("Connection: close", async (t) => {
  const { fabric, pod: podNamed } = await testFabric(t);
  const pod = podNamed("web", 5);
  const server = createServer(handler);
  const finished: boolean[] = [];
  server.on("request", (_request, response: ServerResponse) => response.on("close", () => finished.push(response.writableFinished)));
  const { socket: at } = await fabric.expose({ ip: pod.ip, port: 8080 }, "TCP", { type: "server", server }, pod);
  for (const { name, path, requestBody = 0, slow = false, version = "1.1" } of ROWS) {
    const client = connect({ host: at.ip, port: at.port, allowHalfOpen: true });
    const length = requestBody > 0 ? `Content-Length: ${requestBody}\r\n` : "";
    client.write(`${requestBody > 0 ? "POST" : "GET"} ${path} HTTP/${version}\r\nHost: web\r\nConnection: close\r\n${length}\r\n`);
    client.write(Buffer.alloc(requestBody));
    let bytes = 0;
    let head = "";
    for await (const chunk of client as AsyncIterable<Buffer>) {
      if (!head.includes("\r\n\r\n")) head += chunk.toString("latin1");
      bytes += chunk.length;
      if (slow) await nextTurn();
    }
    client.destroy();
    const wanted = Number(path.split("/")[2]);
    t.match(head, /^HTTP\/1\.1 200 OK\r\n/, name);
    t.equal(bytes - head.indexOf("\r\n\r\n") - 4, wanted, `${name}: ${wanted} bytes and then FIN`);
  }
  t.strictSame(
    finished,
    ROWS.map(() => true),
    "to the program every answer has finished",
  );
  while (fabric.stats().live > 0) await nextTurn();
  t.equal(fabric.stats().descriptors.open, 0, "nothing stays open");
});

/** Linux holds an acknowledgement back for so long, and Nagle's algorithm the second write with it. */
const DELAYED_ACK_MS = 40;

t.test("an answer in two writes", async (t) => {
  const { fabric, pod: podNamed } = await testFabric(t);
  const pod = podNamed("web", 5);
  const server = createTcpServer((socket) => {
    socket.on("data", async () => {
      socket.write("first ");
      await nextTurn();
      socket.write("second");
    });
  });
  const { socket: at } = await fabric.expose({ ip: pod.ip, port: 8080 }, "TCP", { type: "server", server }, pod);
  const client = await connected(at);
  const tookMs: number[] = [];
  // A fresh connection acknowledges at once: the delay sets in after some exchanges.
  for (let exchange = 0; exchange < 60; exchange++) {
    const startedAt = realClock.monotonic();
    let text = "";
    client.write("go");
    while (text.length < "first second".length) text += String(await once(client, "data"));
    tookMs.push(realClock.monotonic() - startedAt);
  }
  client.destroy();
  const median = tookMs.slice(-21).sort((a, b) => a - b)[10] ?? 0;
  t.ok(median < DELAYED_ACK_MS * 0.75, `the second write waits for no acknowledgement: ${median.toFixed(1)} ms`);
});
