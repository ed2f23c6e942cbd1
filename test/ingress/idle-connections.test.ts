// A kept connection that is idle holds nothing of the request before: thousands of them are cheap.
import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { queryObjects } from "node:v8";
import t from "tap";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const CONNECTIONS = 100;
const harness = await createHarness(t);

await t.test("requests and answers of idle connections are garbage", async (t) => {
  await using world = await harness.start();
  await world.service("web");
  await addIngress(world, ingress("web", "web.example", "web"));
  const at = world.socket(80);
  const sockets: Socket[] = [];
  // One after another, so that few connections lead to the pod.
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = connect(at.port, at.ip);
    sockets.push(socket);
    socket.write("GET / HTTP/1.1\r\nHost: web.example\r\n\r\n");
    await once(socket, "data");
  }
  // What the pods have said is kept for tests.
  world.said.splice(0);
  for (const kind of [ServerResponse, IncomingMessage]) {
    const held = queryObjects(kind, { format: "count" });
    t.ok(held < CONNECTIONS / 2, `${held} of ${kind.name}`);
  }
  for (const socket of sockets) socket.destroy();
});
