// Connections that are not HTTP's, when things go wrong: slow and broken clients, pods that die, many at once. Nothing may be left over.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { selfSignedCertificate } from "../../model/x509.ts";
import { createHarness, type ControllerSetup, type World } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const certificate = selfSignedCertificate({
  commonName: "pod",
  organizations: [],
  dnsNames: ["pass.example"],
  usages: ["server"],
  days: 1,
  now: Date.now(),
});
const tlsEcho = (): Server =>
  createTlsServer({ ...certificate }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
const echo = (): Server => createServer((socket) => void socket.on("error", () => {}).pipe(socket));

const harness = await createHarness(t);
const FLAGS = [
  "--enable-ssl-passthrough",
  "--tcp-services-configmap=ingress-nginx/tcp-services",
  "--udp-services-configmap=ingress-nginx/udp-services",
];

async function start(setup: ControllerSetup = {}): Promise<World> {
  const world = await harness.start({ flags: FLAGS, ...setup });
  await world.service("secure", { server: tlsEcho });
  await world.service("echo", { server: echo });
  await addIngress(world, ingress("pass", "pass.example", "secure", { "ssl-passthrough": "true" }));
  const data = { 9000: "default/echo:80", 9001: "default/echo:80:PROXY" };
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "tcp-services" },
    data,
  });
  await world.settle();
  return world;
}

/** TLS through the controller to the pod, as far as the handshake. */
async function throughTls(world: World): Promise<TLSSocket> {
  const at = world.socket(443);
  const socket = connectTls({ host: at.ip, port: at.port, servername: "pass.example", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return socket.on("error", () => {});
}

async function plainTo(world: World, port: number): Promise<Socket> {
  const at = world.socket(port);
  const socket = connect(at.port, at.ip);
  await once(socket, "connect");
  return socket.on("error", () => {});
}

/** The ClientHello that Node's client sends. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const client = connectTls({ host: "127.0.0.1", port, servername: "pass.example" }).on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  for (const end of [client, socket]) end.destroy();
  server.close();
  return bytes;
}

/** However it ends. */
const ended = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

const nothingLeft = (): boolean => harness.fabric.stats().live === 0 && harness.fabric.stats().descriptors.open === 0;

await t.test("a ClientHello in pieces, each in a segment of its own, finds its pod", async (t) => {
  await using world = await start();
  const hello = await clientHello();
  const socket = await plainTo(world, 443);
  socket.setNoDelay(true);
  let answer: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => (answer = Buffer.concat([answer, chunk])));
  for (let at = 0; at < hello.length; at += 40) {
    const written = Promise.withResolvers<void>();
    socket.write(hello.subarray(at, at + 40), () => written.resolve());
    await written.promise;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => answer.length > 6);
  t.equal(answer[0], 22, "a handshake record");
  t.equal(answer[5], 2, "with the pod's ServerHello");
  socket.destroy();
  await until(nothingLeft);
});

await t.test("a ClientHello that does not go on is given up after 60 s", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await start({ clock });
  for (let due = clock.nextDueMs(); due !== undefined; due = clock.nextDueMs()) await clock.advance(due);
  const socket = await plainTo(world, 443);
  let closed = false;
  socket.on("close", () => (closed = true)).resume();
  socket.write((await clientHello()).subarray(0, 60));
  await until(() => clock.nextDueMs() === 60_000);
  await clock.advance(59_999);
  t.notOk(closed);
  await clock.advance(1);
  await until(() => closed);
  await until(nothingLeft);
});

await t.test("a relay without traffic is closed after proxy-stream-timeout; ssl-passthrough has none", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await start({ clock, config: { "proxy-stream-timeout": "10s" } });
  const [tcp, tls] = [await plainTo(world, 9000), await throughTls(world)];
  let heard = "";
  tcp.on("data", (chunk) => (heard += chunk.toString()));
  tcp.write("a");
  await until(() => heard === "a");
  await clock.advance(6000);
  tcp.write("b");
  await until(() => heard === "ab");
  await clock.advance(9999);
  t.notOk(tcp.destroyed, "10 s since the last byte");
  const closed = ended(tcp);
  await clock.advance(10_000);
  await closed;
  tls.write("still");
  t.equal(String((await once(tls, "data"))[0]), "still");
  tls.destroy();
  await until(nothingLeft);
});

await t.test("garbage and early leavers", async (t) => {
  await using world = await start();
  const starts = [
    "",
    "\0",
    "GET / HTTP/1.1\r\n\r\n",
    "\x16\x03\x01\x00\x05\x01\x00\x00",
    "\x16\x03\x01\xff\xff",
    "PROXY ",
    "x".repeat(100_000),
  ];
  for (const port of [443, 9001]) {
    for (const text of starts) {
      const reset = await plainTo(world, port);
      reset.write(text, "latin1", () => reset.resetAndDestroy());
      const leaving = await plainTo(world, port);
      leaving.resume().end(text, "latin1");
      await ended(leaving);
    }
  }
  await until(nothingLeft);
  const good = await throughTls(world);
  good.end();
  await ended(good);
  t.pass("others are served");
  await until(nothingLeft);
});

await t.test("the pod dies in the middle of a stream: the client's connection ends, and the next finds the new pod", async (t) => {
  await using world = await start();
  const clients = [await throughTls(world), await plainTo(world, 9000)];
  for (const client of clients) {
    client.write("hello");
    t.equal(String((await once(client, "data"))[0]), "hello");
  }
  const closed = clients.map((client) => ended(client));
  await world.scale("secure", 0);
  await world.scale("echo", 0);
  await Promise.all(closed);
  await world.scale("secure", 1, { server: tlsEcho });
  await world.scale("echo", 1, { server: echo });
  await world.settle();
  t.equal(await raw(world.socket(9000), "again", /again/), "again");
  const client = await throughTls(world);
  client.write("again");
  t.equal(String((await once(client, "data"))[0]), "again");
  client.destroy();
  await until(nothingLeft);
});

await t.test("pods that refuse: the next is tried, and with none the connection is closed", async (t) => {
  await using world = await start();
  await world.service("closed", { closed: true });
  await addIngress(world, ingress("closed", "closed.example", "closed", { "ssl-passthrough": "true" }));
  await world.store.mutate(ConfigMaps, "ingress-nginx", "tcp-services", (edited) => void (edited.data = { 9000: "default/closed:80" }));
  await world.settle();
  t.equal(await raw(world.socket(9000), "hello"), "");
  const at = world.socket(443);
  const refused = connectTls({ host: at.ip, port: at.port, servername: "closed.example", rejectUnauthorized: false }).on("error", () => {});
  await ended(refused);
  await world.scale("closed", 3, { server: echo });
  await world.settle();
  for (let i = 0; i < 3; i++) t.equal(await raw(world.socket(9000), "hello", /hello/), "hello", "one of three refuses");
  await until(nothingLeft);
});

await t.test("a client that does not read stops the pod; nothing is gathered in between", async (t) => {
  await using world = await start();
  let written = 0;
  const flood = (): Server =>
    createServer((socket) => {
      socket.on("error", () => {});
      const chunk = Buffer.alloc(65_536);
      const go = (): void => {
        while (socket.write(chunk)) written += chunk.length;
        written += chunk.length;
      };
      socket.on("drain", go);
      go();
    });
  await world.service("flood", { server: flood });
  await world.store.mutate(ConfigMaps, "ingress-nginx", "tcp-services", (edited) => void (edited.data = { 9000: "default/flood:80" }));
  await world.settle();
  const socket = await plainTo(world, 9000);
  socket.pause();
  let [before, same] = [-1, 0];
  await until(() => {
    same = before === written && written > 0 ? same + 1 : 0;
    before = written;
    return same === 2000;
  });
  t.ok(written < 32 * 1024 * 1024, `${written} bytes are as much as sockets hold`);
  socket.destroy();
  await until(nothingLeft);
});

await t.test("in-memory clients: pods of this process come through the same doors", async (t) => {
  await using world = await start();
  const peer = { kind: "pod", namespace: "default", name: "client", ip: harness.ip(), node: "node-0" } as const;
  for (const [name, subject] of [
    ["pass.example", "pod"],
    ["other.example", "Kubernetes Ingress Controller Fake Certificate"],
  ] as const) {
    const carrier = await harness.fabric.dial(peer, { ip: world.ip, port: 443 });
    const socket = connectTls({ socket: carrier, servername: name, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    t.equal(socket.getPeerCertificate().subject.CN, subject, name);
    socket.destroy();
    carrier.destroy();
  }
  const carrier = await harness.fabric.dial(peer, { ip: world.ip, port: 9001 });
  carrier.write("PROXY UNKNOWN\r\nhello");
  t.equal(String((await once(carrier, "data"))[0]), "hello");
  carrier.destroy();
  await until(nothingLeft);
});

await t.test("1,000 connections at once, ended in every way, leave nothing", async (t) => {
  await using world = await start();
  const tcp = await Promise.all(Array.from({ length: 850 }, (_, i) => plainTo(world, i % 2 === 0 ? 9000 : 9001)));
  const tls = await Promise.all(Array.from({ length: 150 }, () => throughTls(world)));
  const heard = tcp.map((socket, i) => (socket.write(i % 2 === 0 ? "hello" : "PROXY UNKNOWN\r\nhello"), once(socket, "data")));
  for (const [answer] of await Promise.all(heard)) if (String(answer) !== "hello") t.fail(String(answer));
  t.ok(harness.fabric.stats().live >= 2000, "each is two flows");
  for (const [i, socket] of [...tcp, ...tls].entries()) {
    if (i % 3 === 0) socket.end();
    else if (i % 3 === 1) socket.destroy();
    else if ("encrypted" in socket) socket.destroy();
    else socket.resetAndDestroy();
  }
  await until(nothingLeft);
  t.equal(harness.fabric.stats().live, 0);
});

await t.test("a client that is reset on the way takes its connection to the pod with it", async (t) => {
  await using world = await start();
  const clients = [await throughTls(world), await plainTo(world, 9000)];
  for (const client of clients) {
    client.write("hello");
    await once(client, "data");
  }
  const flows = harness.fabric.flows.where(({ destination }) => destination.ip === world.ip);
  t.equal(flows.length, 2);
  for (const flow of flows) flow.reset();
  await until(nothingLeft);
});

await t.test("a controller that stops ends them, when worker-shutdown-timeout is over", async (t) => {
  await using world = await start({ config: { "worker-shutdown-timeout": "10ms" } });
  const clients = [await throughTls(world), await plainTo(world, 9000), await plainTo(world, 443), await plainTo(world, 9001)];
  for (const client of clients) client.resume();
  const closed = clients.map((client) => ended(client));
  await world.restart(async () => void (await Promise.all(closed)));
  await until(nothingLeft);
  t.equal(await raw(world.socket(9000), "again", /again/), "again", "and the next serves");
});
