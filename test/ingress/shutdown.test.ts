// SIGTERM: what clients and probes see until the controller has ended (test/e2e/gracefulshutdown, nginx.go Stop, checker.go).
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);

/** Requests under way at a pod that answers when told. */
class Slow {
  readonly waiting: ServerResponse[] = [];
  readonly server = createServer((_, response) => {
    this.waiting.push(response);
    this.server.emit("asked");
  });
  async asked(count: number): Promise<void> {
    while (this.waiting.length < count) await once(this.server, "asked");
  }
  answer(): void {
    for (const response of this.waiting) response.end("late");
  }
}

async function withSlow(world: World): Promise<Slow> {
  const slow = new Slow();
  await world.service("slow", { server: () => slow.server });
  await addIngress(world, ingress("slow", "slow.example", "slow"));
  return slow;
}

for (const scheme of ["http", "https"])
  await t.test(`a request under way is answered before it ends: ${scheme}`, async (t) => {
    await using world = await harness.start();
    const slow = await withSlow(world);
    const at = world.socket(scheme === "http" ? 80 : 443);
    const answer = ask(at, { scheme, host: "slow.example" });
    await slow.asked(1);
    const ended = world.shutDown();
    await t.rejects(ask(at, { scheme, host: "slow.example" }), { code: "ECONNREFUSED" });
    slow.answer();
    const { status, body } = await answer;
    t.strictSame([status, body.toString()], [200, "late"]);
    await ended;
  });

await t.test("each answer ends its connection, and says so where its head is not out yet", async (t) => {
  await using world = await harness.start();
  const slow = await withSlow(world);
  const at = world.socket(80);
  const request = "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n";
  const begun = raw(at, request);
  await slow.asked(1);
  const headSent = connect(at.port, at.ip);
  headSent.write(request);
  await slow.asked(2);
  slow.waiting[1]?.write("first ");
  const [first] = await once(headSent, "data");
  const rest: string[] = [];
  headSent.on("data", (chunk: Buffer) => rest.push(chunk.toString()));
  const closed = once(headSent, "close");
  const ended = world.shutDown();
  slow.answer();
  t.match(await begun, /^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n[^]*late/);
  await closed;
  t.match(String(first), /\r\nConnection: keep-alive\r\n/);
  t.match(rest.join(""), /late/);
  await ended;
});

await t.test("connections over HTTP/2 are told to go away", async (t) => {
  await using world = await harness.start();
  const slow = await withSlow(world);
  const secure = world.socket(443);
  const client = connectHttp2(`https://${secure.ip}:${secure.port}`, { rejectUnauthorized: false });
  const stream = client.request({ ":authority": "slow.example", ":path": "/" }).resume();
  const [away, answered, closed] = [once(client, "goaway"), once(stream, "response"), once(client, "close")];
  await slow.asked(1);
  const ended = world.shutDown();
  t.equal((await away)[0], 0);
  slow.answer();
  t.equal((await answered)[0][":status"], 200);
  await closed;
  await ended;
});

await t.test("health fails from SIGTERM on; --shutdown-grace-period goes on serving, and new requests are answered", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await harness.start({ flags: ["--shutdown-grace-period=20"], clock });
  const slow = await withSlow(world);
  const health = async (path = "/healthz"): Promise<readonly unknown[]> => {
    const { status, body } = await ask(world.socket(10254), { path });
    return [status, body.toString()];
  };
  t.strictSame(await health(), [200, "ok"]);
  t.strictSame(await health("/healthz?verbose"), [200, "[+]ping ok\n[+]nginx-ingress-controller ok\nhealthz check passed\n"]);
  let over = false;
  const ended = world.shutDown().then(() => (over = true));
  const failed = "[+]ping ok\n[-]nginx-ingress-controller failed: reason withheld\nhealthz check failed\n";
  t.strictSame(await health(), [500, failed]);
  await clock.advance(19_000);
  t.strictSame(await health("/healthz/ping"), [200, "ok"]);
  t.equal((await ask(world.socket(80), { host: "unknown.example", path: "/healthz" })).status, 200, "nginx's own does not");
  const late = ask(world.socket(443), { scheme: "https", host: "slow.example" });
  await slow.asked(1);
  const at = [world.socket(80), world.socket(10254)] as const;
  await clock.advance(1000);
  await t.rejects(ask(at[0], { host: "slow.example" }), { code: "ECONNREFUSED" });
  t.equal((await ask(at[1], { path: "/healthz" })).status, 500, "also while nginx waits for its requests");
  t.equal((await ask(at[1], { path: "/metrics" })).status, 200);
  t.notOk(over);
  slow.answer();
  t.equal((await late).status, 200);
  await ended;
});

await t.test("worker-shutdown-timeout ends what takes longer", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await harness.start({ clock, config: { "worker-shutdown-timeout": "50s" } });
  const slow = await withSlow(world);
  const at = world.socket(80);
  const cut = t.rejects(ask(at, { host: "slow.example" }), { code: "ECONNRESET" });
  await slow.asked(1);
  const ended = world.shutDown();
  await t.rejects(ask(at, { host: "slow.example" }), { code: "ECONNREFUSED" });
  await clock.advance(49_000);
  t.equal((await ask(world.socket(10254), { path: "/healthz" })).status, 500);
  await clock.advance(1000);
  await cut;
  await ended;
});

await t.test("connections of tcp-services go on as long, and are cut with it", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await harness.start({ clock, flags: ["--tcp-services-configmap=ingress-nginx/tcp"] });
  await world.service("echoing", { server: () => createTcpServer((socket) => void socket.pipe(socket)) });
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "tcp" },
    data: { 9000: "default/echoing:80" },
  });
  await world.settle();
  const at = world.socket(9000);
  const opened = async (): Promise<Socket> => {
    const socket = connect(at.port, at.ip);
    socket.write("hello");
    await once(socket, "data");
    return socket;
  };
  const [leaves, stays] = [await opened(), await opened()];
  const cut = once(stays, "close");
  const ended = world.shutDown();
  await t.rejects(opened(), { code: "ECONNREFUSED" });
  stays.write("still here");
  t.equal((await once(stays, "data")).toString(), "still here");
  const left = once(leaves, "close");
  leaves.end();
  await left;
  await clock.advance(239_000);
  t.notOk(stays.destroyed);
  await clock.advance(1000);
  await cut;
  await ended;
});

await t.test("connections without a request do not hold it up, HTTP/2 neither", async (t) => {
  const world = await harness.start();
  await world.service("echo");
  await addIngress(world, ingress("web", "web.example", "echo"));
  const [plain, secure] = [world.socket(80), world.socket(443)];
  const idle = connectHttp2(`https://${secure.ip}:${secure.port}`, { rejectUnauthorized: false });
  const silent = [connect(plain.port, plain.ip), connect(secure.port, secure.ip)];
  const ended = [idle, ...silent].map((each) => once(each, "close"));
  const stream = idle.request({ ":authority": "web.example", ":path": "/" }).resume();
  const [answered] = await once(stream, "response");
  await once(stream, "end");
  t.equal(answered[":status"], 200);
  await world[Symbol.asyncDispose]();
  await Promise.all(ended);
});

await t.test("--health-check-path names the path on both ports", async (t) => {
  await using world = await harness.start({ flags: ["--health-check-path=/ready"] });
  const status = async (port: number, path: string): Promise<number> =>
    (await ask(world.socket(port), { host: "unknown.example", path })).status;
  t.strictSame(
    [await status(10254, "/ready"), await status(10254, "/healthz"), await status(80, "/ready"), await status(80, "/healthz")],
    [200, 404, 200, 404],
  );
});
