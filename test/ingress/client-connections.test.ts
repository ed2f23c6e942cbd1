// How long clients' connections live: time for a head, requests per connection, keep-alive.
// Facts: nginx 1.22.1 (run): a silent client is closed, half a head is reset, both without an answer.
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
const redirecting = ingress("good", "good.example", "echo", { "permanent-redirect": "https://there.example" });

async function configure(world: World, data: Readonly<Record<string, string>>): Promise<void> {
  const metadata = { namespace: "ingress-nginx", name: "ingress-nginx-controller" };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data } as const;
  if (world.store.get(ConfigMaps, metadata.namespace, metadata.name)) await world.store.update(ConfigMaps, object);
  else await world.create(ConfigMaps, object);
  await world.settle();
}

/** How the other end ends a connection on which `bytes` were sent. */
async function ending(socket: Socket): Promise<string> {
  let text = "";
  let how = "closed";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", (error: NodeJS.ErrnoException) => (how = error.code ?? ""));
  await once(socket, "close").catch(() => {});
  return text === "" ? how : text;
}

await t.test("client-header-timeout: nobody is answered who has not asked", async (t) => {
  const clock = new VirtualClock();
  await using world = await harness.start({ clock });
  await world.service("echo");
  await addIngress(world, redirecting);
  const open = async (port: number, bytes: string): Promise<Socket> => {
    const at = world.socket(port);
    const socket = connect(at.port, at.ip);
    await once(socket, "connect");
    if (bytes !== "") socket.write(bytes);
    return socket;
  };
  /** The controller has seen what was sent before. */
  const seen = async (): Promise<void> =>
    void (await raw(world.socket(80), "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n"));
  const rows: readonly (readonly [name: string, port: number, bytes: string, expected: string])[] = [
    ["nothing", 80, "", "closed"],
    ["half a request line", 80, "GET / HT", "ECONNRESET"],
    ["half a header", 80, "GET / HTTP/1.1\r\nHost: go", "ECONNRESET"],
    ["no handshake", 443, "", "closed"],
  ];
  for (const seconds of [60, 5]) {
    if (seconds === 5) await configure(world, { "client-header-timeout": "5" });
    for (const [name, port, bytes, expected] of rows) {
      const socket = await open(port, bytes);
      const ended = ending(socket);
      await seen();
      await clock.advance(seconds * 1000 - 1);
      await seen();
      t.equal(socket.destroyed, false, `${name}: still open`);
      await clock.advance(1);
      t.equal(await ended, expected, name);
    }
  }
  const served = await open(80, "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n");
  await once(served, "data");
  await clock.advance(120_000);
  served.write("GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n");
  t.match(await ending(served), /^HTTP\/1\.1 301 /, "a connection that has been served is not meant");
});

await t.test("client-header-timeout behind TLS: from the handshake to the first head", async (t) => {
  const clock = new VirtualClock();
  await using world = await harness.start({ clock });
  await world.service("echo");
  await addIngress(world, redirecting);
  const { ip, port } = world.socket(443);
  const asked = "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n";
  const open = async (): Promise<TLSSocket> => {
    const socket = connectTls({ host: ip, port, servername: "good.example", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    return socket;
  };
  const [silent, served] = [await open(), await open()];
  served.write(asked);
  await once(served, "data");
  const session = connectHttp2(`https://${ip}:${port}`, { rejectUnauthorized: false });
  await once(session, "remoteSettings");
  const ended = ending(silent);
  await clock.advance(59_999);
  t.equal(silent.destroyed, false);
  await clock.advance(1);
  t.match(await ended, /^(?:closed|ECONNRESET)$/);
  await clock.advance(120_000);
  served.write(asked.replace("Host", "Connection: close\r\nHost"));
  t.match(await ending(served), /^HTTP\/1\.1 301 /, "a connection that has been served stays");
  const stream = session.request({ ":path": "/", ":authority": "good.example" });
  const [headers] = await once(stream, "response");
  t.equal(headers[":status"], 301, "and so does one of HTTP/2");
  session.destroy();
});

await t.test("client-header-timeout, from inside the cluster", async (t) => {
  const clock = new VirtualClock();
  await using world = await harness.start({ clock });
  await world.service("echo");
  await addIngress(world, redirecting);
  const peer = { kind: "pod", namespace: "default", name: "client", ip: harness.ip(), node: "node-0" } as const;
  const open = (): Promise<Duplex> => harness.fabric.dial(peer, { ip: world.ip, port: 80 }, {});
  const [silent, served] = [await open(), await open()];
  const closed = new Promise((resolve) => silent.once("close", resolve));
  silent.on("error", () => {}).resume();
  served.write("GET / HTTP/1.1\r\nHost: good.example\r\n\r\n");
  await once(served, "data");
  await clock.advance(60_000);
  await closed;
  await clock.advance(60_000);
  served.write("GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n");
  t.match(String((await once(served, "data"))[0]), /^HTTP\/1\.1 301 /);
});

await t.test("keep-alive-requests and keep-alive", async (t) => {
  await using world = await harness.start({ config: { "keep-alive-requests": "3" } });
  await world.service("echo");
  await addIngress(world, redirecting);
  const asked = "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n";
  const connections = async (): Promise<readonly string[]> =>
    [...(await raw(world.socket(80), asked.repeat(5))).matchAll(/Connection: ([\w-]+)/g)].map(([, word = ""]) => word);
  t.strictSame(await connections(), ["keep-alive", "keep-alive", "close"]);
  t.notMatch(await raw(world.socket(80), asked, /html/), /Keep-Alive:/, "nginx writes no such line");
  await configure(world, { "keep-alive": "0" });
  t.strictSame(await connections(), ["close"]);
});

await t.test("keep-alive-requests and http2-max-concurrent-streams of HTTP/2", async (t) => {
  await using world = await harness.start({ config: { "keep-alive-requests": "2" } });
  const { ip, port } = world.socket(443);
  const session = connectHttp2(`https://${ip}:${port}`, { rejectUnauthorized: false });
  await once(session, "remoteSettings");
  t.equal(session.remoteSettings.maxConcurrentStreams, 128);
  const statuses: number[] = [];
  const ask = async (): Promise<void> => {
    const stream = session.request({ ":path": "/" });
    const [headers] = await once(stream, "response");
    statuses.push(Number(headers[":status"]));
    stream.resume();
    await once(stream, "close");
  };
  const goaway = once(session, "goaway");
  await ask();
  t.equal(session.closed, false);
  await ask();
  t.strictSame((await goaway).slice(0, 2), [0, 3], "GOAWAY without an error after the second stream");
  t.strictSame(statuses, [404, 404]);
  session.destroy();
});
