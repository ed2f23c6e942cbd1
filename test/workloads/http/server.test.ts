// Connections of an inline pod's HTTP server: how they end, what waits for what, and where Node's server takes over, in memory and on
// real sockets.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { WebSocket, WebSocketServer } from "ws";
import { VirtualClock } from "../../../model/clock.ts";
import { createHttpServer, type Handler, type HttpServer, type HttpServerOptions } from "../../../workloads/http/index.ts";
import { createTcpServer } from "../../../netsim/index.ts";
import { testFabric } from "../../netsim/test-fabric.ts";
import { connectTo } from "./support.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test("a handler that fails answers 500; one that has begun cuts its answer", async (t) => {
  const table: readonly (readonly [Handler, RegExp])[] = [
    [
      () => {
        throw new Error("no luck");
      },
      /^HTTP\/1\.1 500 .*\r\n\r\n.*no luck\n/s,
    ],
    [
      async () => {
        throw new Error("no luck later");
      },
      /^HTTP\/1\.1 500 .*no luck later\n/s,
    ],
    [
      async (_request, response) => {
        response.write("begun");
        await turn();
        throw new Error("x");
      },
      /begun\r\n$/,
    ],
  ];
  for (const [handler, said] of table) {
    const socket = connectTo(createHttpServer(handler));
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    socket.end(GET);
    await once(socket, "close");
    t.match(text, said);
  }
});

t.test("the answer is told when its client leaves", async (t) => {
  const closed = Promise.withResolvers<boolean>();
  const server = createHttpServer((_request, response) => void response.once("close", () => closed.resolve(response.destroyed)));
  const socket = connectTo(server);
  socket.write(GET);
  await turn();
  socket.resetAndDestroy();
  t.equal(await closed.promise, true);
});

t.test("a client that does not read holds the handler and the requests behind", async (t) => {
  let written = 0;
  let requests = 0;
  const server = createHttpServer(async (_request, response) => {
    requests++;
    for (let i = 0; i < 64; i++) {
      written++;
      if (!response.write(Buffer.alloc(65_536))) await once(response as unknown as NodeJS.EventEmitter, "drain");
    }
    response.end();
  });
  const socket = connectTo(server);
  socket.write(GET + GET);
  for (let i = 0; i < 50; i++) await turn();
  t.ok(written < 16, `${written} pieces written`);
  t.equal(requests, 1);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  socket.end();
  await once(socket, "close");
  t.equal(requests, 2);
  t.ok(bytes > 2 * 64 * 65_536);
});

t.test("requests sent far ahead wait unread", async (t) => {
  const answers: (() => void)[] = [];
  const server = createHttpServer((_request, response) => void answers.push(() => response.end("x")));
  const socket = connectTo(server);
  for (let i = 0; i < 20; i++) socket.write(GET.repeat(1000));
  for (let i = 0; i < 50; i++) await turn();
  t.ok(socket.writableLength > 200_000, "the client's write waits");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  const all = async (): Promise<void> => {
    for (let left = 20_000; left > 0; await turn()) {
      const ready = answers.splice(0);
      left -= ready.length;
      for (const answer of ready) answer();
    }
  };
  await all();
  await turn();
  t.equal(text.match(/HTTP\/1\.1 200/g)?.length, 20_000);
  socket.destroy();
});

t.test("an idle connection ends after its time, one under way does not", async (t) => {
  const clock = new VirtualClock();
  const answers: (() => void)[] = [];
  const server = createHttpServer((_request, response) => void answers.push(() => response.end("x")), { keepAliveMs: 1000, clock });
  const [idle, busy] = [connectTo(server, clock), connectTo(server, clock)];
  for (const socket of [idle, busy]) socket.resume();
  busy.write(GET);
  await turn();
  await clock.advance(1500);
  await turn();
  t.equal(idle.destroyed || idle.readableEnded, true);
  t.equal(busy.readableEnded, false);
  answers[0]?.();
  await turn();
  await clock.advance(1500);
  await turn();
  t.equal(busy.readableEnded, true);
});

t.test("draining ends idle connections and waits for answers under way, on both ways", async (t) => {
  const answers: (() => void)[] = [];
  const server = createHttpServer((_request, response) => void answers.push(() => response.end("x")));
  const [idle, own, nodes] = [connectTo(server), connectTo(server), connectTo(server)];
  const texts = ["", "", ""];
  for (const [i, socket] of [idle, own, nodes].entries()) socket.setEncoding("latin1").on("data", (chunk: string) => (texts[i] += chunk));
  own.write(GET);
  nodes.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  await turn();
  let drained = false;
  const draining = server.drain().then(() => (drained = true));
  await turn();
  t.equal(idle.readableEnded, true);
  t.equal(drained, false);
  answers[0]?.();
  await turn();
  t.equal(drained, false);
  answers[1]?.();
  await draining;
  await turn();
  t.equal(own.readableEnded, true);
  t.match(texts[1], /200 OK[^]*x$/);
  t.match(texts[2], /200 OK[^]*x$/);
});

async function exposed(t: Test, server: HttpServer): Promise<{ readonly host: string; readonly port: number }> {
  const { fabric, pod: podNamed } = await testFabric(t);
  const pod = podNamed("web", 5);
  const { socket } = await fabric.expose({ ip: pod.ip, port: 8080 }, "TCP", { type: "server", server }, pod);
  return { host: socket.ip, port: socket.port };
}

/** What comes on a real connection after `pieces`, sent one by one, until the server has said `until` or closes. */
async function said(socket: Socket, pieces: readonly (string | Buffer)[], until: RegExp): Promise<string> {
  let text = "";
  const enough = new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (until.test(text)) resolve();
    });
    socket.once("close", () => resolve());
  });
  for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
  await enough;
  return text;
}

t.test("over real sockets", async (t) => {
  const sockets = new WebSocketServer({ noServer: true });
  const options: HttpServerOptions = {
    onUpgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (client) =>
        client.on("message", (data, isBinary) => client.send(data, { binary: isBinary })),
      ),
  };
  const server = createHttpServer(async (request, response) => {
    let sum = 0;
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (const byte of chunk) sum = (sum * 31 + byte) % 1_000_003;
    }
    // Others are read meanwhile.
    await turn();
    response.end(`${request.method} ${request.url} ${bytes} ${sum};`);
  }, options);
  const at = await exposed(t, server);

  await t.test("a request in two segments, two in one, and a body after them", async (t) => {
    const body = Buffer.alloc(5_000_000, "abcdefg");
    let sum = 0;
    for (const byte of body) sum = (sum * 31 + byte) % 1_000_003;
    const client = connect(at);
    const post = `POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const text = await said(
      client,
      [
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHo",
        "st: a\r\n\r\n",
        post,
        body,
        "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
      ],
      /GET \/5 0 0;/,
    );
    client.destroy();
    t.same(text.match(/(GET|POST) \/\d \d+ \d+;/g), [
      "GET /1 0 0;",
      "GET /2 0 0;",
      "GET /3 0 0;",
      `POST /4 ${body.length} ${sum};`,
      "GET /5 0 0;",
    ]);
  });

  await t.test("a WebSocket", async (t) => {
    const client = new WebSocket(`ws://${at.host}:${at.port}/`);
    await once(client, "open");
    const message = Buffer.alloc(300_000, "w");
    client.send(message);
    const [echoed] = (await once(client, "message")) as [Buffer];
    t.ok(message.equals(echoed));
    client.close();
    await once(client, "close");
  });

  await t.test("many clients at once: no one reads what is another's", async (t) => {
    const clients = Array.from({ length: 50 }, async (_, i) => {
      const client = connect(at);
      const all = Array.from({ length: 20 }, (_, j) => `GET /${i}-${j} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
      const text = await said(
        client,
        // Each piece holds whole requests and a part of the next.
        all.match(/[^]{1,150}/g) ?? [],
        new RegExp(`/${i}-19 `),
      );
      client.destroy();
      return (text.match(/ \/\d+-\d+ /g) ?? []).filter((target) => target.startsWith(` /${i}-`)).length === 20;
    });
    t.equal((await Promise.all(clients)).filter(Boolean).length, 50);
  });

  await t.test("requests far ahead of their answers", async (t) => {
    const client = connect(at);
    const text = await said(
      client,
      ["GET /ahead HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000), "GET /end HTTP/1.1\r\nHost: a\r\n\r\n"],
      /\/end 0 0;/,
    );
    client.destroy();
    t.equal(text.match(/\/ahead 0 0;/g)?.length, 5000);
  });

  await t.test("a half-closed client gets its answer", async (t) => {
    const client = connect({ ...at, allowHalfOpen: true });
    client.end("GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    t.match(await said(client, [], /never/), /GET \/last 0 0;$/);
  });
});

t.test("what a raw TCP server reads is what was sent", async (t) => {
  const { fabric, pod: podNamed } = await testFabric(t);
  const pod = podNamed("raw", 6);
  const server = createTcpServer((socket) => socket.pipe(socket));
  const { socket: at } = await fabric.expose({ ip: pod.ip, port: 9000 }, "TCP", { type: "server", server }, pod);
  const sent = Buffer.alloc(3_000_000);
  for (let i = 0; i < sent.length; i++) sent[i] = (i * 7919) >> 3;
  const client = connect({ host: at.ip, port: at.port });
  client.end(sent);
  const parts: Buffer[] = [];
  for await (const chunk of client as AsyncIterable<Buffer>) parts.push(chunk);
  t.ok(Buffer.concat(parts).equals(sent));
});
