// Pods in processes of their own: http-proxy carries them, over connections that it keeps, beside inline pods of the same Service.
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import t from "tap";
import { ask } from "../client.ts";
import { createHarness } from "../harness.ts";
import { addIngress, ingress, until } from "../raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
const sockets = new Set<Socket>();
let waiting: (() => void)[] | undefined;
const outside = createServer({ keepAliveTimeout: 60_000 }, (_, response) => {
  if (waiting) waiting.push(() => response.end("outside"));
  else response.end("outside");
}).listen(0, "127.0.0.1");
outside.on("connection", (socket) => sockets.add(socket));
await until(() => outside.listening);
t.teardown(() => void outside.close().closeAllConnections());
const { port } = outside.address() as AddressInfo;
await world.service("outside", { process: { ip: "127.0.0.1", port } });
await addIngress(world, ingress("outside", "outside.example", "outside"));
const get = async (): Promise<string> => (await ask(world.socket(80), { host: "outside.example" })).body.toString();

await t.test("one connection serves one request after the other", async (t) => {
  for (let i = 0; i < 10; i++) t.equal(await get(), "outside");
  t.equal(sockets.size, 1);
});

await t.test("requests at one time have one each, which are used again", async (t) => {
  for (let round = 0; round < 2; round++) {
    waiting = [];
    const answers = Array.from({ length: 8 }, get);
    await until(() => waiting?.length === 8);
    for (const answer of waiting) answer();
    waiting = undefined;
    t.strictSame(
      await Promise.all(answers),
      Array.from({ length: 8 }, () => "outside"),
    );
    t.equal(sockets.size, 8);
  }
});

await t.test("a process that closes its connections is dialled anew", async (t) => {
  outside.closeIdleConnections();
  await until(() => [...sockets].every(({ destroyed }) => destroyed));
  t.equal(await get(), "outside");
});

await t.test("inline and process pods of one Service take turns", async (t) => {
  await world.service("mixed", { server: () => createServer((_, response) => response.end("inline")) });
  await world.scale("mixed", 2, { process: { ip: "127.0.0.1", port } });
  await addIngress(world, ingress("mixed", "mixed.example", "mixed"));
  const seen: string[] = [];
  for (let i = 0; i < 4; i++) seen.push((await ask(world.socket(80), { host: "mixed.example" })).body.toString());
  t.strictSame(seen.toSorted(), ["inline", "inline", "outside", "outside"]);
});
