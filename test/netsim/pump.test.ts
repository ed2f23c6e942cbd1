// What a process pod sends reaches the client to the byte, however the sizes of reads and the client's pace change; so do its end and its reset.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import t, { type Test } from "tap";
import { nextTurn } from "../../model/clock.ts";
import { seededRandom } from "../../model/random.ts";
import { connected, testFabric, type TestFabric } from "./test-fabric.ts";

/** A process pod: its program listens on a private socket, which the fabric pipes to. */
async function processPod(t: Test, made: TestFabric, program: (socket: Socket) => void) {
  const server: Server = createServer({ allowHalfOpen: true }, program);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  const pod = made.pod("process", 7);
  const { port } = server.address() as AddressInfo;
  return made.fabric.expose({ ip: pod.ip, port: 8080 }, "TCP", { type: "socket", address: { ip: "127.0.0.1", port } }, pod);
}

/** Sizes below, at and above those of the pump's buffers, and no size twice in a row. */
const SIZES = [1, 7, 1000, 16_384, 16_385, 70_000, 262_144, 300_000, 3, 2_000_000, 1, 65_536, 5_000_000, 12, 12_000];

t.test("bytes of every size arrive as they were sent", async (t) => {
  const made = await testFabric(t);
  const random = seededRandom("pump");
  const chunks = SIZES.map((size) => Buffer.from(Uint8Array.from({ length: size }, () => random.int(256))));
  const sent = createHash("sha256");
  for (const chunk of chunks) sent.update(chunk);
  const wanted = sent.digest("hex");
  const listening = await processPod(t, made, async (socket) => {
    socket.resume();
    for (const chunk of chunks) {
      if (!socket.write(chunk)) await once(socket, "drain");
      await nextTurn();
    }
    socket.end();
  });
  for (const pace of ["fast", "slow", "stalled now and then"] as const) {
    const client = await connected(listening.socket);
    const got = createHash("sha256");
    let bytes = 0;
    for await (const chunk of client as AsyncIterable<Buffer>) {
      got.update(chunk);
      bytes += chunk.length;
      // A slow reader lets the kernel's buffers fill: writes in between stay unfinished.
      if (pace !== "fast") for (let turns = 0; turns < 20; turns++) await nextTurn();
      if (pace !== "stalled now and then") continue;
      for (const on of [true, false]) for (const flow of made.fabric.flows.list()) flow.stall(on);
    }
    t.equal(
      bytes,
      SIZES.reduce((sum, size) => sum + size, 0),
      `${pace}: all of it`,
    );
    t.equal(got.digest("hex"), wanted, `${pace}: and nothing else`);
  }
});

t.test("the pod's end and the client's are independent", async (t) => {
  const made = await testFabric(t);
  const listening = await processPod(t, made, (socket) => {
    socket.write("hello ");
    socket.on("data", (chunk) => socket.write(String(chunk).toUpperCase()));
    socket.on("end", () => socket.end(" bye"));
  });
  const client = await connected(listening.socket);
  client.end("and good");
  let text = "";
  for await (const chunk of client) text += String(chunk);
  t.equal(text, "hello AND GOOD bye");
});

t.test("the pod's reset is the client's", async (t) => {
  const made = await testFabric(t);
  const listening = await processPod(t, made, (socket) => {
    socket.write("x");
    socket.once("data", () => socket.resetAndDestroy());
  });
  const client = await connected(listening.socket);
  const failure = once(client, "error");
  client.write("now");
  client.resume();
  t.match(await failure, [{ code: "ECONNRESET" }]);
});
