// Faults on UDP flows, on the virtual clock.
import t, { type Test } from "tap";
import { encodeQuery, decodeReply } from "../../../dns/index.ts";
import type { SocketAddress } from "../../../model/ports.ts";
import { faultWorld, type FaultWorld, type RuleText } from "./fault-world.ts";

interface Asked {
  readonly world: FaultWorld;
  /** `at text` of what the server got, and the client. */
  readonly atServer: string[];
  readonly atClient: string[];
  send(message: string | Uint8Array): void;
}

async function open(t: Test, ...rules: readonly RuleText[]): Promise<Asked> {
  const world = await faultWorld(t);
  const [atServer, atClient]: [string[], string[]] = [[], []];
  const text = (message: Uint8Array): string => `${world.now()} ${Buffer.from(message).toString()}`;
  const address: SocketAddress = await world.serveUdp(world.pod("server", 5), 53, (message, _source, reply) => {
    atServer.push(text(message));
    reply(message);
  });
  world.faults(...rules);
  const socket = world.fabric.openDatagram(world.pod("client", 6), (message) => atClient.push(text(message)));
  socket.onError = (error) => atClient.push(`${world.now()} ${error.code}`);
  return { world, atServer, atClient, send: (message) => socket.send(Buffer.from(message), address) };
}

t.test("latency there and back", async (t) => {
  const { world, atServer, atClient, send } = await open(t, { latency: "20ms" });
  send("a");
  await world.pass(50);
  t.strictSame([atServer, atClient], [["20 a"], ["40 a"]]);
});

t.test("partition, refuse and reset on the opening", async (t) => {
  for (const [rule, expected] of [
    [{ partition: true }, []],
    [{ refuse: true }, ["0 ECONNREFUSED"]],
    [{ reset: "100%" }, []],
  ] as const) {
    const { world, atClient, send } = await open(t, rule);
    send("a");
    await world.pass(5);
    t.strictSame(atClient, expected, JSON.stringify(rule));
  }
});

t.test("loss and duplication take their share", async (t) => {
  const run = async (rule: RuleText): Promise<number> => {
    const { world, atServer, send } = await open(t, rule);
    for (let i = 0; i < 400; i++) send(`${i}`);
    await world.pass(5);
    return atServer.length;
  };
  const lost = await run({ loss: "25%", way: "forward" });
  t.ok(lost > 260 && lost < 340, `${lost} of 400 arrive`);
  const twice = await run({ duplicate: "25%", way: "forward" });
  t.ok(twice > 460 && twice < 540, `${twice} of 400 arrive`);
  t.equal(await run({ loss: "100%" }), 0);
});

t.test("the answer can be lost too", async (t) => {
  const { world, atServer, atClient, send } = await open(t, { loss: "100%", way: "back" });
  send("a");
  await world.pass(5);
  t.strictSame([atServer, atClient], [["0 a"], []]);
});

t.test("reorder: some are overtaken, none is lost", async (t) => {
  const { world, atServer, send } = await open(t, { reorder: "30%", way: "forward" });
  for (let i = 0; i < 40; i++) {
    send(`${i}`);
    await world.pass(1);
  }
  await world.pass(20);
  const order = atServer.map((line) => Number(line.split(" ")[1]));
  t.strictSame(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
  t.notSame(
    order,
    [...order].sort((a, b) => a - b),
  );
});

t.test("rate: datagrams queue, and beyond 64 KiB are lost", async (t) => {
  const { world, atServer, send } = await open(t, { rate: "8Mbit", way: "forward" });
  for (let i = 0; i < 100; i++) send(Buffer.alloc(1000, "x"));
  await world.pass(100);
  t.equal(atServer.length, 65);
  t.equal(atServer[9]?.split(" ")[0], "10", "one a millisecond");
});

t.test("dns: an rcode in the server's place, for the names it concerns", async (t) => {
  const { world, atServer, atClient, send } = await open(t, { dns: { rcode: "SERVFAIL", name: "Web.default.svc.cluster.local." } });
  const answers: string[] = [];
  const socket = world.fabric.openDatagram(world.pod("client", 7), (message) => {
    const reply = decodeReply(Buffer.from(message));
    answers.push(`${reply.rcode} ${reply.id.toString(16)} ${reply.question?.name}`);
  });
  const server = { ip: world.pod("server", 5).ip, port: 53 };
  const query = (name: string): Buffer => encodeQuery(0x1234, `${name}.`, 1);
  socket.send(query("web.default.svc.cluster.local"), server);
  await world.pass(1);
  t.equal(atServer.length, 0);
  t.strictSame(answers, ["SERVFAIL 1234 web.default.svc.cluster.local."]);
  socket.send(query("a.web.default.svc.cluster.local"), server);
  socket.send(query("cobweb.default.svc.cluster.local"), server);
  await world.pass(1);
  t.equal(atServer.length, 1, "another name reaches the server");
  send("no question at all");
  send(Buffer.alloc(12));
  await world.pass(1);
  t.equal(atServer.length, 3, "garbage too");
  t.equal(atClient.length, 2);
});

t.test("dns: late, a share of the questions", async (t) => {
  const { world, atServer, send } = await open(t, { dns: { delay: "100ms" } });
  send(encodeQuery(1, "web.", 1));
  await world.pass(99);
  t.equal(atServer.length, 0);
  await world.pass(1);
  t.equal(atServer.length, 1);
});
