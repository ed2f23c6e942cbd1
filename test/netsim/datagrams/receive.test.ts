// Datagrams that come in batches are handled and answered like those that come one by one.
import { createSocket, type Socket } from "node:dgram";
import t from "tap";
import { Batches } from "../../../netsim/datagrams/batches.ts";
import { handleOf, type UdpHandle } from "../../../netsim/datagrams/handle.ts";
import { receiveDatagrams } from "../../../netsim/datagrams/receive.ts";
import type { SendDatagram } from "../../../netsim/datagrams/send.ts";
import { systemCalls, type SystemCalls } from "../../../netsim/system-calls.ts";
import { until } from "../../support/until.ts";

interface Teardown {
  teardown(callback: () => void): void;
}
const LOOPBACK = { udp4: "127.0.0.1", udp6: "::1" } as const;

async function bound(t: Teardown, type: "udp4" | "udp6" = "udp4", ip: string = LOOPBACK[type]): Promise<Socket> {
  const socket = createSocket({
    type,
    recvBufferSize: 1 << 20,
    lookup: (name, _options, found) => found(null, name, type === "udp6" ? 6 : 4),
  });
  await new Promise<void>((done) => socket.bind(0, ip, done));
  t.teardown(() => {
    if (handleOf(socket)) socket.close();
  });
  return socket;
}

/** Sends, and resolves when all of them are with the kernel. */
async function sendAll(from: Socket, to: Socket, texts: readonly string[]): Promise<void> {
  const { address, port } = to.address();
  await Promise.all(texts.map((text) => new Promise<void>((done) => from.send(text, port, address, () => done()))));
}
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `datagram ${index}`);

for (const type of ["udp4", "udp6"] as const) {
  t.test(`${type}: a burst of several clients is answered to each in its order`, async (t) => {
    const server = await bound(t, type);
    let byNode = 0;
    const send = receiveDatagrams(server, (message, ip, port) => send(Buffer.from(`${message} of ${ip}`), port, ip));
    server.on("message", () => byNode++);
    const clients = await Promise.all([1, 2, 3].map(() => bound(t, type)));
    const seen = clients.map((client) => {
      const texts: string[] = [];
      client.on("message", (message) => texts.push(String(message)));
      return texts;
    });
    const texts = numbered(100);
    await Promise.all(clients.map((client) => sendAll(client, server, texts)));
    await until(() => seen.every(({ length }) => length === texts.length), "all answers");
    for (const each of seen)
      t.same(
        each,
        texts.map((text) => `${text} of ${LOOPBACK[type]}`),
      );
    if (type === "udp4" && systemCalls()) t.ok(byNode < 100, `most came in batches (${byNode} of 300 did not)`);
    else t.equal(byNode, 300);
  });
}

t.test("none of the addresses of a batch is taken for another", async (t) => {
  const server = await bound(t);
  const sources: string[] = [];
  receiveDatagrams(server, (message, ip, port) => sources.push(`${message}=${ip}:${port}`));
  const clients = await Promise.all(["127.0.0.1", "127.200.0.255", "127.255.255.254"].map((ip) => bound(t, "udp4", ip)));
  const named = (client: Socket): string => `${client.address().address}:${client.address().port}`;
  for (let round = 0; round < 30; round++)
    await Promise.all(clients.map((client) => sendAll(client, server, [named(client), named(client)])));
  await until(() => sources.length === 180, "all datagrams");
  t.same(
    sources.filter((line) => new Set(line.split("=")).size !== 1),
    [],
  );
});

t.test("a datagram of the largest size, an empty one, and answers too large for a batch", async (t) => {
  const server = await bound(t);
  const sizes: number[] = [];
  const send = receiveDatagrams(server, (message, ip, port) => {
    sizes.push(message.length);
    send(Buffer.from(`first ${sizes.length}`), port, ip);
    send(Buffer.alloc(3000, `second ${sizes.length} `), port, ip);
  });
  const client = await bound(t);
  const answers: string[] = [];
  client.on("message", (message) => answers.push(`${String(message).split(" ", 2).join(" ")} ${message.length > 2048}`));
  const { address, port } = server.address();
  for (let round = 1; round <= 20; round++) {
    for (const size of [65_507, 0, 1]) client.send(Buffer.alloc(size), port, address);
    await until(() => sizes.length === round * 3 && answers.length === round * 6, "a round");
  }
  t.same(sizes, Array.from({ length: 20 }, () => [65_507, 0, 1]).flat());
  t.same(
    answers,
    sizes.flatMap((_, index) => [`first ${index + 1} false`, `second ${index + 1} true`]),
  );
});

t.test("a socket that is closed by a datagram of a batch handles the rest, and sends nothing", async (t) => {
  const server = await bound(t);
  let seen = 0;
  const send = receiveDatagrams(server, (_message, ip, port) => {
    seen++;
    send(Buffer.from("answer"), port, ip);
    if (seen === 40) server.close();
  });
  const client = await bound(t);
  const closed = new Promise((done) => server.once("close", done));
  await sendAll(client, server, numbered(64));
  await closed;
  t.ok(seen >= 40 && seen <= 64, `${seen} handled`);
});

t.test("one batch", { skip: systemCalls() ? false : "no recvmmsg on this machine" }, async (t) => {
  const calls = systemCalls() as SystemCalls;
  async function batch(
    t: Teardown,
    count: number,
  ): Promise<{ handle: UdpHandle; client: Socket; answers: string[]; oneByOne: string[]; send: SendDatagram }> {
    const [server, client] = [await bound(t), await bound(t)];
    // Not read by Node, so that all of it waits.
    const handle = handleOf(server) as UdpHandle & { recvStop(): void };
    handle.recvStop();
    const answers: string[] = [];
    client.on("message", (message) => answers.push(String(message)));
    await sendAll(client, server, numbered(count));
    const oneByOne: string[] = [];
    const send: SendDatagram = (message, port, ip) => {
      oneByOne.push(String(message));
      server.send(message, port, ip);
    };
    return { handle, client, answers, oneByOne, send };
  }

  t.test("holds 32, and the rest waits for the next", async (t) => {
    const { handle, answers, oneByOne, send } = await batch(t, 40);
    const batches = new Batches(calls);
    const answer = (message: Buffer, ip: string, port: number): void => void t.ok(batches.add(handle, message, port, ip));
    t.equal(batches.run(handle, answer, send), 32);
    t.equal(batches.run(handle, answer, send), 8);
    t.equal(batches.run(handle, answer, send), 0);
    await until(() => answers.length === 40, "all answers");
    t.same([answers, oneByOne], [numbered(40), []]);
    t.notOk(batches.add(handle, Buffer.from("late"), 9, "127.0.0.1"), "outside a batch it takes none");
  });

  for (const [name, sent] of [
    ["none of which goes", -1],
    ["two of which go", 2],
  ] as const)
    t.test(`with five answers, ${name}, sends the others one by one`, async (t) => {
      const { handle, answers, oneByOne, send } = await batch(t, 5);
      const batches = new Batches({
        ...calls,
        send: (fd, vector, count) => (sent === -1 ? sent : calls.send(fd, vector, Math.min(sent, count))),
      });
      batches.run(handle, (message, ip, port) => void batches.add(handle, message, port, ip), send);
      await until(() => answers.length === 5, "all answers");
      t.same(answers, numbered(5));
      t.same(oneByOne, numbered(5).slice(Math.max(0, sent)));
    });

  t.test("does not keep an answer behind one that goes elsewhere, nor more than it has room for", async (t) => {
    const { handle, answers, send } = await batch(t, 1);
    const batches = new Batches(calls);
    batches.run(
      handle,
      (_message, ip, port) => {
        for (const text of numbered(70)) t.ok(batches.add(handle, Buffer.from(text), port, ip));
        t.notOk(batches.add(handle, Buffer.from("elsewhere"), port + 1, ip));
        t.notOk(batches.add(handle, Buffer.from("elsewhere"), port, "127.0.0.2"));
      },
      send,
    );
    await until(() => answers.length === 70, "all answers");
    t.same(answers, numbered(70));
  });

  t.test("whose handler throws sends what was answered, and is over", async (t) => {
    const { handle, answers, send } = await batch(t, 3);
    const batches = new Batches(calls);
    const throwing = (message: Buffer, ip: string, port: number): void => {
      if (String(message) === "datagram 1") throw new Error("a handler's");
      batches.add(handle, message, port, ip);
    };
    t.throws(() => batches.run(handle, throwing, send), { message: "a handler's" });
    await until(() => answers.length === 1, "the first answer");
    t.equal(batches.run(handle, throwing, send), 0);
  });
});
