// Connections over TLS that are given up: Node resets bare TCP alone, so it is what carries TLS that is reset.
import { createServer } from "node:https";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { once } from "node:events";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { pair } from "./case.ts";
import { ask } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);

const secure = async (world: World): Promise<TLSSocket> => {
  const { ip, port } = world.socket(443);
  const socket = connectTls({ host: ip, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  return socket;
};

await t.test("a pod behind TLS: a client that leaves, a pod that says nothing, a head that is too large", async (t) => {
  await using world = await harness.start();
  let [asked, closed] = [0, 0];
  await world.service("silent", {
    server: () =>
      createServer(pair("pod.example", "server"), (request, response) => {
        asked++;
        request.socket.once("close", () => closed++);
        if (request.url === "/large") response.writeHead(200, { "x-large": "x".repeat(5000) }).end();
      }),
  });
  const tls = { "backend-protocol": "HTTPS" };
  await addIngress(
    world,
    ingress("silent", "silent.example", "silent", tls),
    ingress("impatient", "impatient.example", "silent", { ...tls, "proxy-read-timeout": "1", "proxy-next-upstream-tries": "1" }),
  );
  const leaving = await secure(world);
  leaving.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: silent.example\r\n\r\n");
  await until(() => asked === 1);
  leaving.destroy();
  await until(() => closed === 1);
  t.equal((await ask(world.socket(80), { host: "silent.example", path: "/large" })).status, 502);
  t.equal((await ask(world.socket(80), { host: "impatient.example" })).status, 504);
  await until(() => closed === 3);
  t.pass("each connection to the pod is gone");
});

await t.test("a client behind TLS that stops within its head or its body", async (t) => {
  const clock = new VirtualClock();
  await using world = await harness.start({ clock });
  await world.service("web");
  await addIngress(world, ingress("web", "web.example", "web"));
  for (const sends of [
    "GET / HTTP/1.1\r\nHost: web.ex",
    "POST / HTTP/1.1\r\nHost: web.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  ]) {
    const socket = await secure(world);
    let closed = false;
    socket.on("error", () => {}).once("close", () => (closed = true));
    socket.write(sends);
    if (sends.startsWith("POST")) t.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 100 /);
    socket.resume();
    while (!closed) await clock.advance(1000);
    t.ok(closed, sends.slice(0, 4));
  }
});
