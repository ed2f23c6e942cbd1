// A connection whose parser was given back goes on as if nothing had happened.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Duplex } from "node:stream";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { Parking } from "../../ingress/serve/parking.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

interface Teardown {
  teardown(callback: () => void): void;
}
const LOOK_MS = 500;
const asked = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A server that says what it was asked. */
async function serve(t: Teardown): Promise<{ server: Server; clock: VirtualClock; parking: Parking; open(): Promise<Client> }> {
  const clock = new VirtualClock();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => response.end(`${request.method} ${request.url} ${Buffer.concat(chunks)}\n`));
  });
  const parking = Parking.of(server, clock);
  if (!parking) throw new Error("Node's HTTP server is not as known");
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    parking.close();
  });
  const { port } = server.address() as AddressInfo;
  return { server, clock, parking, open: () => Client.open(connect(port, "127.0.0.1")) };
}

class Client {
  readonly socket: Socket;
  text = "";
  closed = false;
  static async open(socket: Socket): Promise<Client> {
    if (socket.connecting) await once(socket, "connect");
    return new Client(socket);
  }
  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => (this.text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => (this.closed = true));
  }
  /** What comes for these bytes, until it ends so. */
  async ask(bytes: string, end: string): Promise<string> {
    this.text = "";
    this.socket.write(bytes);
    await until(() => this.text.endsWith(end));
    return this.text;
  }
}

const look = (clock: VirtualClock): Promise<void> => clock.advance(LOOK_MS);

await t.test("quiet for two looks, it is parked; its next request is answered, again and again", async (t) => {
  const { clock, parking, open } = await serve(t);
  const client = await open();
  for (const path of ["/one", "/two", "/three"]) {
    t.match(await client.ask(asked.replace("/", path), "\n"), /^HTTP\/1\.1 200 OK\r\n/);
    await look(clock);
    t.equal(parking.parked, 0, "not at the first look");
    await look(clock);
    t.equal(parking.parked, 1);
  }
  const others = await Promise.all([open(), open()]);
  for (const other of others) await other.ask(asked, "GET / \n");
  await look(clock);
  await look(clock);
  t.equal(parking.parked, 3);
  t.match(await client.ask(asked, "GET / \n"), /200 OK/);
  t.equal(parking.parked, 2, "only the one that spoke");
});

await t.test("what comes first is any kind of request, in any pieces", async (t) => {
  const { clock, parking, open } = await serve(t);
  const rows: readonly (readonly [pieces: readonly string[], answered: string])[] = [
    [["POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"], "POST /p body\n"],
    [["POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", "bo", "dy"], "POST /p body\n"],
    [["PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo", "dy\r\n0\r\n\r\n"], "PUT /c body\n"],
    [["G", "ET /s HTTP/1.1\r\nHo", "st: a\r\n\r\n"], "GET /s \n"],
    [["\r\n", "GET /s HTTP/1.1\r\nHost: a\r\n\r\n"], "GET /s \n"],
    [[asked.replace("/", "/1") + asked.replace("/", "/2")], "GET /2 \n"],
    [["nonsense\r\n\r\n"], "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
  ];
  for (const [pieces, answered] of rows) {
    const client = await open();
    await client.ask(asked, "\n");
    await look(clock);
    await look(clock);
    t.equal(parking.parked, 1);
    client.text = "";
    for (const piece of pieces) {
      const before = parking.parked;
      client.socket.write(piece);
      if (before > 0) await until(() => parking.parked === 0);
      await look(clock);
    }
    await until(() => client.text.endsWith(answered));
    t.ok(client.text.endsWith(answered), JSON.stringify(pieces));
    client.socket.destroy();
    await until(() => client.closed);
  }
});

await t.test("none is parked in the middle of something", async (t) => {
  const { server, clock, parking, open } = await serve(t);
  const [fresh, half, waiting] = [await open(), await open(), await open()];
  await half.ask(asked, "\n");
  half.socket.write("GET /half HT");
  await waiting.ask(asked, "\n");
  server.removeAllListeners("request");
  const arrived = once(server, "request");
  waiting.socket.write(asked);
  const [, response] = await arrived;
  // A connection that came later has been read, so the half head has, too.
  const last = await open();
  server.on("request", (_request, answer) => answer.end("late\n"));
  await last.ask(asked, "late\n");
  for (let i = 0; i < 4; i++) await look(clock);
  t.equal(parking.parked, 1, "the one that waits for nothing");
  response.end("first\n");
  await until(() => waiting.text.endsWith("first\n"));
  t.match(await half.ask("TP/1.1\r\nHost: a\r\n\r\n", "late\n"), /200 OK/);
  t.match(await fresh.ask(asked, "late\n"), /200 OK/);
});

await t.test("parked connections end like others", async (t) => {
  const { server, clock, parking, open } = await serve(t);
  server.keepAliveTimeout = 20;
  Object.assign(server, { keepAliveTimeoutBuffer: 0 });
  const patient = await open();
  await patient.ask(asked, "\n");
  await look(clock);
  await look(clock);
  await until(() => patient.closed);
  t.equal(parking.parked, 0, "after keepAliveTimeout");

  server.keepAliveTimeout = 0;
  const [ended, reset, kept] = [await open(), await open(), await open()];
  for (const client of [ended, reset, kept]) await client.ask(asked, "\n");
  await look(clock);
  await look(clock);
  t.equal(parking.parked, 3);
  ended.socket.end();
  reset.socket.resetAndDestroy();
  await until(() => ended.closed && parking.parked === 1);
  parking.close();
  await until(() => kept.closed);
  t.equal(parking.parked, 0);
});

await t.test("a server that is not as known keeps its connections' parsers", async (t) => {
  const { server, clock, parking, open } = await serve(t);
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === "http.server.connections");
  const list = Reflect.get(server, key ?? "");
  Reflect.set(server, key ?? "", undefined);
  const client = await open();
  for (let i = 0; i < 3; i++) {
    await client.ask(asked, "\n");
    await look(clock);
    await look(clock);
  }
  t.equal(parking.parked, 0);
  Reflect.set(server, key ?? "", list);
  client.socket.destroy();
});

await t.test("in the controller", async (t) => {
  const harness = await createHarness(t);
  const clock = new VirtualClock();
  const world = await harness.start({ clock, config: { "keep-alive-requests": "3" } });
  await world.service("echo");
  await addIngress(world, ingress("good", "good.example", "echo", { "permanent-redirect": "https://there.example" }));
  const request = "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n";
  const at = (port: number): { host: string; port: number } => ({ host: world.socket(port).ip, port: world.socket(port).port });
  const peer = { kind: "pod", namespace: "default", name: "client", ip: harness.ip(), node: "node-0" } as const;
  const secure = async (): Promise<Socket> => {
    const socket = connectTls({ ...at(443), servername: "good.example", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    return socket;
  };
  const kinds: readonly (readonly [name: string, open: () => Promise<Duplex>])[] = [
    ["a real socket", () => Promise.resolve(connect(at(80)))],
    ["TLS", secure],
    ["a connection in memory", () => harness.fabric.dial(peer, { ip: world.ip, port: 80 }, {})],
  ];
  for (const [name, open] of kinds) {
    const client = await Client.open((await open()) as Socket);
    const connections: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      connections.push(/Connection: ([\w-]+)/.exec(await client.ask(request, "</html>\r\n"))?.[1]);
      for (let looks = 0; looks < 3; looks++) await look(clock);
    }
    t.same(connections, ["keep-alive", "keep-alive", "close"], `${name}: keep-alive-requests counts on`);
    await until(() => client.closed);
  }
  const kept = await Client.open(connect(at(80)));
  await kept.ask(request, "</html>\r\n");
  for (let looks = 0; looks < 3; looks++) await look(clock);
  await world[Symbol.asyncDispose]();
  await until(() => kept.closed);
});
