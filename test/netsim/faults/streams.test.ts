// Faults on TCP flows, on the virtual clock: when what arrives where.
import type { Duplex } from "node:stream";
import t, { type Test } from "tap";
import { codeOf } from "../test-fabric.ts";
import { faultWorld, type FaultWorld, record, type RuleText } from "./fault-world.ts";

interface Connected {
  readonly world: FaultWorld;
  readonly client: Duplex;
  readonly atClient: string[];
  readonly atServer: string[];
  readonly server: Duplex;
  readonly connectedAt: number;
}

async function connect(t: Test, ...rules: readonly RuleText[]): Promise<Connected> {
  const world = await faultWorld(t);
  let server: Duplex | undefined;
  let atServer: string[] = [];
  const address = await world.serve(world.pod("server", 5), 80, (socket) => {
    server = socket;
    atServer = record(world, socket);
  });
  world.faults(...rules);
  const client = await world.until(world.fabric.dial(world.pod("client", 6), address, { allowHalfOpen: true }));
  const atClient = record(world, client);
  const connectedAt = world.now();
  await world.pass(0);
  if (!server) throw new Error("no connection arrived");
  return { world, client, server, atClient, atServer, connectedAt };
}

t.test("latency is per direction, delays the handshake too, and counts from each chunk's arrival", async (t) => {
  const { world, client, server, atServer, atClient, connectedAt } = await connect(t, { latency: "50ms" });
  t.equal(connectedAt, 100, "SYN and its answer");
  client.write("a");
  await world.pass(20);
  client.write("b");
  await world.pass(100);
  t.strictSame(atServer, ["150 a", "170 b"]);
  server.end("c");
  await world.pass(60);
  t.strictSame(atClient, ["270 c", "270 end"]);
});

t.test("one direction only", async (t) => {
  const { world, client, server, atServer, atClient, connectedAt } = await connect(t, { latency: "30ms", way: "back" });
  t.equal(connectedAt, 30);
  client.write("a");
  server.write("b");
  await world.pass(60);
  t.strictSame([atServer, atClient], [["30 a"], ["60 b"]]);
});

t.test("latencies of several rules add up", async (t) => {
  const { connectedAt } = await connect(t, { name: "a", latency: "30ms", way: "forward" }, { name: "b", latency: "5ms" });
  t.equal(connectedAt, 40);
});

t.test("jitter stays within its bounds and keeps the order", async (t) => {
  const { world, client, atServer, connectedAt } = await connect(t, { latency: "50ms", jitter: "20ms", way: "forward" });
  t.ok(connectedAt >= 30 && connectedAt <= 70, String(connectedAt));
  const start = world.now();
  for (let i = 0; i < 20; i++) {
    client.write(`${i}`);
    await world.pass(10);
  }
  await world.pass(100);
  const arrivals = atServer.map((line) => line.split(" ")).map(([at, text]) => ({ after: Number(at) - start - Number(text) * 10, text }));
  t.strictSame(
    arrivals.map(({ text }) => text),
    Array.from({ length: 20 }, (_, i) => `${i}`),
  );
  t.ok(
    arrivals.every(({ after }) => after >= 30 && after <= 71),
    arrivals.map(({ after }) => after).join(" "),
  );
  t.ok(new Set(arrivals.map(({ after }) => after)).size > 3, "it varies");
});

t.test("rate: 1 Mbit carries 125 bytes a millisecond, evenly", async (t) => {
  const { world, client, atServer } = await connect(t, { rate: "1Mbit" });
  client.write(Buffer.alloc(12_500));
  await world.pass(150);
  const bytes = atServer.map((line) => Number(line.split(" ")[1]));
  t.equal(
    bytes.reduce((sum, each) => sum + each, 0),
    12_500,
  );
  t.strictSame([atServer[0], atServer.at(-1)], ["10 1250 bytes", "100 1250 bytes"]);
});

t.test("a slow link holds the sender back and memory flat", async (t) => {
  const { world, client } = await connect(t, { rate: "1Mbit" });
  let accepted = 0;
  while (client.write(Buffer.alloc(16_384)) && accepted < 1000) {
    accepted++;
    await world.pass(0);
  }
  t.ok(accepted < 20, `${accepted} chunks of 16 KiB were taken`);
});

t.test("a slow reader holds the sender back through a latency link", async (t) => {
  const world = await faultWorld(t);
  let server: Duplex | undefined;
  const address = await world.serve(world.pod("server", 5), 80, (socket) => void (server = socket));
  world.faults({ latency: "1ms" });
  const client = await world.until(world.fabric.dial(world.pod("client", 6), address));
  let accepted = 0;
  for (let i = 0; i < 400 && !client.writableNeedDrain; i++) {
    client.write(Buffer.alloc(65_536));
    accepted++;
    await world.pass(2);
  }
  t.ok(accepted < 100, `${accepted} chunks of 64 KiB were taken`);
  let received = 0;
  server?.on("data", (chunk: Buffer) => (received += chunk.length));
  client.end();
  await world.pass(100);
  t.equal(received, accepted * 65_536, "and all of it arrives");
});

t.test("slowClose delays the end alone", async (t) => {
  const { world, client, atServer } = await connect(t, { slowClose: "200ms" });
  client.end("bye");
  await world.pass(300);
  t.strictSame(atServer, ["0 bye", "200 end"]);
});

t.test("half-close passes: the answer comes after the client's end", async (t) => {
  const { world, client, server, atServer, atClient } = await connect(t, { latency: "10ms" });
  client.end("question");
  server.on("end", () => server.end("answer"));
  await world.pass(50);
  t.strictSame(
    [atServer, atClient],
    [
      ["30 question", "30 end"],
      ["40 answer", "40 end"],
    ],
  );
});

t.test("RST passes, late", async (t) => {
  const { world, server, atClient } = await connect(t, { latency: "10ms" });
  if ("resetAndDestroy" in server && typeof server.resetAndDestroy === "function") server.resetAndDestroy();
  await world.pass(20);
  t.strictSame(atClient, ["30 ECONNRESET"]);
});

t.test("refuse, reset, partition, on the opening", async (t) => {
  const rows: readonly (readonly [RuleText, string])[] = [
    [{ refuse: true }, "ECONNREFUSED"],
    [{ partition: true }, "ETIMEDOUT"],
    [{ reset: "100%" }, "resolved"],
    [{ reset: "0%" }, "resolved"],
    [{ refuse: false }, "resolved"],
    [{ first: 1 }, "ECONNREFUSED"],
  ];
  for (const [rule, expected] of rows) {
    const world = await faultWorld(t);
    const address = await world.serve(world.pod("server", 5), 80, () => {});
    world.faults(rule);
    const start = world.now();
    const dialled = codeOf(world.fabric.dial(world.pod("client", 6), address, { timeoutMs: 300 }));
    t.equal(await world.until(dialled), expected, JSON.stringify(rule));
    t.equal(world.now() - start, expected === "ETIMEDOUT" ? 300 : 0);
  }
});

t.test("a reset connection is established, then gets RST; its server never hears of it", async (t) => {
  const world = await faultWorld(t);
  let served = 0;
  const address = await world.serve(world.pod("server", 5), 80, () => served++);
  world.faults({ reset: "100%" });
  const client = await world.fabric.dial(world.pod("client", 6), address);
  const log = record(world, client);
  await world.pass(1);
  t.strictSame(log, ["0 ECONNRESET"]);
  t.equal(served, 0);
});

t.test("reset takes its share, the same with the same seed and another with another", async (t) => {
  const outcomes = async (seed: string): Promise<string> => {
    const world = await faultWorld(t, seed);
    const address = await world.serve(world.pod("server", 5), 80, () => {});
    world.faults({ reset: "30%" });
    let text = "";
    for (let i = 0; i < 200; i++) {
      const client = await world.fabric.dial(world.pod("client", 6), address);
      const log = record(world, client);
      await world.pass(0);
      text += log.length > 0 ? "x" : ".";
      client.destroy();
    }
    return text;
  };
  const [one, again, other] = [await outcomes("1"), await outcomes("1"), await outcomes("2")];
  t.equal(one, again);
  t.not(one, other);
  const share = one.replaceAll(".", "").length / 200;
  t.ok(share > 0.2 && share < 0.4, String(share));
});

t.test("first: the rule meets so many flows of each client", async (t) => {
  const world = await faultWorld(t);
  const address = await world.serve(world.pod("server", 5), 80, () => {});
  const [rule] = world.faults({ first: 2 });
  const outcomes = async (name: string, host: number): Promise<string[]> => {
    const all: string[] = [];
    for (let i = 0; i < 4; i++) all.push(await codeOf(world.fabric.dial(world.pod(name, host), address)));
    return all;
  };
  const expected = ["ECONNREFUSED", "ECONNREFUSED", "resolved", "resolved"];
  t.strictSame(await outcomes("a", 6), expected);
  t.strictSame(await outcomes("b", 7), expected);
  t.equal(rule?.met, 4);
  world.faults({ first: 1, latency: "10ms" });
  const started = world.now();
  await world.until(world.fabric.dial(world.pod("a", 6), address));
  const slow = world.now() - started;
  await world.until(world.fabric.dial(world.pod("a", 6), address));
  t.strictSame([slow, world.now() - started - slow], [20, 0], "with another fault, that one");
});

t.test("a dial that gives up before a slow handshake ends is ETIMEDOUT", async (t) => {
  const world = await faultWorld(t);
  const address = await world.serve(world.pod("server", 5), 80, () => {});
  world.faults({ latency: "200ms" });
  t.equal(await world.until(codeOf(world.fabric.dial(world.pod("client", 6), address, { timeoutMs: 100 }))), "ETIMEDOUT");
  t.equal(world.now(), 100);
});
