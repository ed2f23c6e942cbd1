// Dropped flows wait as a client waits that sends its SYN again: they go through when what dropped them is gone.
import { createServer as createHttp, request } from "node:http";
import { createServer, type Server } from "node:net";
import { connect as connectTls, createServer as createTls } from "node:tls";
import t from "tap";
import { nextTurn, VirtualClock } from "../../model/clock.ts";
import { selfSignedCertificate } from "../../model/x509.ts";
import type { Verdict } from "../../model/ports.ts";
import { codeOf, connected, readAll, testFabric, type PodPeer, type TestFabric } from "./test-fabric.ts";
import { until } from "../support/until.ts";

const answering = (): Server => createServer((socket) => socket.on("data", (data) => socket.end(`got ${data}`)));

/** A Service whose verdict the test sets, in front of one pod. */
async function serviceWorld(t: Parameters<typeof testFabric>[0], options: Parameters<typeof testFabric>[1] = {}) {
  const made = await testFabric(t, options);
  const { fabric, plan } = made;
  const web = made.pod("web", 5);
  const service = { ip: plan.services.at(30), port: 80 };
  const dnat: Verdict = { type: "dnat", endpoint: { ip: web.ip, port: 80 }, masquerade: false, service: "default/web", matched: ["now"] };
  let verdict: Verdict = { type: "drop", matched: ["no local endpoints"] };
  fabric.hooks.verdict = (flow) => (flow.destination.ip === service.ip ? verdict : { type: "pass", matched: [] });
  const set = (now: "drop" | "reject" | "dnat"): void => {
    verdict = now === "dnat" ? dnat : { type: now, matched: [] };
    fabric.decideAgain();
  };
  return { ...made, web, service, set };
}

const expose = ({ fabric }: TestFabric, pod: PodPeer, server: Server) =>
  fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);

t.test("a dial", async (t) => {
  const clock = new VirtualClock();
  const world = await serviceWorld(t, { clock });
  const { fabric, web, service, host, set } = world;
  await expose(world, web, answering());
  const outcome = async (dialled: ReturnType<typeof fabric.dial>): Promise<string> => {
    const code = await codeOf(dialled);
    if (code !== "resolved") return code;
    const socket = await dialled;
    socket.write("hello");
    return readAll(socket);
  };
  const first = outcome(fabric.dial(host, service));
  await clock.advance(60_000);
  set("drop");
  t.match(fabric.stats(), { dropped: 1, delivered: 0 }, "still dropped: not counted again");
  set("dnat");
  t.equal(await first, "got hello");
  t.match(fabric.stats(), { dropped: 1, delivered: 1 });
  set("drop");
  const second = outcome(fabric.dial(host, service));
  set("reject");
  t.equal(await second, "ECONNREFUSED");
  set("drop");
  const third = outcome(fabric.dial(host, service));
  await clock.advance(126_999);
  set("drop");
  await clock.advance(1);
  t.equal(await third, "ETIMEDOUT", "127 s in all, however often it was decided anew");
  const left = new AbortController();
  const fourth = fabric.dial(host, service, { signal: left.signal });
  left.abort(new Error("left"));
  await t.rejects(fourth, { message: "left" });
  set("dnat");
  t.match(fabric.stats(), { delivered: 1 }, "nobody waits any more");
  t.equal(fabric.trace.recent().filter(({ hop, decision }) => hop === "verdict" && decision === "drop").length, 4, "one hop per flow");
});

t.test("an accepted socket: what it sent meanwhile is delivered", async (t) => {
  const backends: Readonly<Record<string, (world: TestFabric, pod: PodPeer) => Promise<unknown>>> = {
    "hand-over": (world, pod) => expose(world, pod, answering()),
    pipe: async (world, pod) => {
      const own = answering();
      await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
      t.teardown(() => void own.close());
      const at = own.address();
      const port = typeof at === "object" && at ? at.port : 0;
      return world.fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "socket", address: { ip: "127.0.0.1", port } }, pod);
    },
  };
  for (const [name, exposed] of Object.entries(backends)) {
    const world = await serviceWorld(t);
    await exposed(world, world.web);
    const listening = await world.fabric.listenService(world.service, "TCP");
    const socket = await connected(listening.socket);
    const answer = readAll(socket);
    socket.write("hello");
    await until(() => world.fabric.stats().dropped === 1, "the drop");
    for (let i = 0; i < 20; i++) await nextTurn();
    world.set("dnat");
    t.equal(await answer, "got hello", name);
    socket.destroy();
    await until(() => world.fabric.stats().descriptors.open === 0, "descriptors given back");
    t.match(world.fabric.stats(), { live: 0, closed: 1 }, name);
  }
});

t.test("an accepted socket to an HTTP server, and to a TLS server", async (t) => {
  const world = await serviceWorld(t);
  await expose(
    world,
    world.web,
    createHttp((incoming, response) => {
      let size = 0;
      incoming.on("data", (chunk: Buffer) => (size += chunk.length)).on("end", () => response.end(`${incoming.url} ${size}`));
    }),
  );
  const { socket: at } = await world.fabric.listenService(world.service, "TCP");
  const answer = new Promise<string>((resolve, reject) => {
    const sent = request({ host: at.ip, port: at.port, path: "/held", method: "POST", agent: false }, (response) =>
      readAll(response).then(resolve, reject),
    );
    sent.on("error", reject);
    sent.end("x".repeat(300_000));
  });
  await until(() => world.fabric.stats().dropped === 1, "the drop");
  for (let i = 0; i < 20; i++) await nextTurn();
  world.set("dnat");
  t.equal(await answer, "/held 300000", "also what had no room while it was held");

  const secure = await serviceWorld(t);
  const { cert, key } = selfSignedCertificate({ commonName: "web", usages: ["server"], days: 1, now: Date.now() });
  await expose(
    secure,
    secure.web,
    createTls({ cert, key }, (socket) => socket.end("over TLS")),
  );
  const listening = await secure.fabric.listenService(secure.service, "TCP");
  const client = connectTls({ host: listening.socket.ip, port: listening.socket.port, rejectUnauthorized: false });
  const text = readAll(client);
  await until(() => secure.fabric.stats().dropped === 1, "the drop");
  for (let i = 0; i < 20; i++) await nextTurn();
  secure.set("dnat");
  t.equal(await text, "over TLS", "the ClientHello was held");
});

t.test("an accepted socket that is rejected in the end, or whose client leaves", async (t) => {
  const world = await serviceWorld(t);
  await expose(world, world.web, answering());
  const { socket: at } = await world.fabric.listenService(world.service, "TCP");
  const rejected = await connected(at);
  const code = codeOf(readAll(rejected));
  await until(() => world.fabric.stats().dropped === 1, "the drop");
  world.set("reject");
  t.equal(await code, "ECONNRESET");
  world.set("drop");
  const left = await connected(at);
  await until(() => world.fabric.stats().dropped === 2, "the second drop");
  left.destroy();
  await until(() => world.fabric.stats().live === 0, "its end");
  world.set("dnat");
  t.match(world.fabric.stats(), { delivered: 0, live: 0, descriptors: { open: 0 } });
});
