// Connections to a DNS server over real sockets: framing, other ids, and how an end differs from a reset.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import t from "tap";
import { connectTo, type DnsConnection, type DnsNetwork } from "../../dns/connection.ts";
import { encodeQuery } from "../../dns/encode.ts";
import { VirtualClock } from "../../model/clock.ts";
import type { DatagramSocket } from "../../model/ports.ts";

type Test = { teardown(callback: () => void): void };

const network: DnsNetwork = {
  dial: async (host, port) => {
    const socket = connect(port, host);
    await once(socket, "connect");
    return socket;
  },
  openDatagram: (onMessage) => {
    const socket = createSocket("udp4");
    socket.on("message", (message, { address, port }) => onMessage(message, { ip: address, port }));
    const handle: DatagramSocket = {
      local: { ip: "127.0.0.1", port: 0 },
      send: (message, to) => socket.send(message, to.port, to.ip),
      close: () => socket.close(),
    };
    return handle;
  },
};

/** A server that does to each message what the test says. */
async function tcpServer(t: Test, onMessage: (socket: Socket, message: Buffer) => void) {
  const clock = new VirtualClock();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (message: Buffer) => onMessage(socket, message));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connection = await connectTo(network, clock, { ip: "127.0.0.1", port }, { tcp: true, timeoutMs: 1000 });
  t.teardown(() => {
    connection.close();
    server.close();
  });
  return { clock, connection };
}

const question = (id: number): Buffer => encodeQuery(id, "a.", 1);
/** The question itself as an answer, framed. */
const answer = (id: number): Buffer => {
  const message = question(id);
  message.writeUInt8(message.readUInt8(2) | 0x80, 2);
  return Buffer.concat([Buffer.from([0, message.length]), message]);
};
const codeOf = async (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => "answered",
    (error: NodeJS.ErrnoException) => error.code ?? "",
  );
const ask = (connection: DnsConnection, id: number): Promise<Buffer> => connection.exchange(question(id), { timeoutMs: 1000 });

t.test("TCP: answers in any pieces, and none with another id", async (t) => {
  let asked = 0;
  const { connection } = await tcpServer(t, (socket) => {
    asked++;
    if (asked === 1) socket.write(Buffer.concat([answer(7), answer(1), answer(8)]));
    else for (const byte of answer(2)) socket.write(Buffer.from([byte]));
  });
  t.equal((await ask(connection, 1)).readUInt16BE(0), 1);
  t.equal((await ask(connection, 2)).readUInt16BE(0), 2);
  t.notOk(connection.ended);
});

t.test("TCP: a server that closes has ended it, one that resets has not", async (t) => {
  const closing = await tcpServer(t, (socket) => socket.end(answer(1)));
  await ask(closing.connection, 1);
  t.equal(await codeOf(ask(closing.connection, 2)), "ECONNRESET");
  t.ok(closing.connection.ended);
  const resetting = await tcpServer(t, (socket) => socket.resetAndDestroy());
  t.equal(await codeOf(ask(resetting.connection, 1)), "ECONNRESET");
  t.notOk(resetting.connection.ended);
  t.equal(await codeOf(ask(resetting.connection, 2)), "ECONNRESET", "and stays so");
});

t.test("silence takes the time given, an abort none", async (t) => {
  const { connection, clock } = await tcpServer(t, () => undefined);
  const asked = codeOf(ask(connection, 1));
  await clock.advance(1000);
  t.equal(await asked, "ETIMEDOUT");
  const controller = new AbortController();
  const aborted = connection.exchange(question(2), { timeoutMs: 1000, signal: controller.signal });
  controller.abort(new Error("enough"));
  await t.rejects(aborted, { message: "enough" });
  await t.rejects(connection.exchange(question(3), { timeoutMs: 1000, signal: controller.signal }), { message: "enough" });
  t.equal(clock.nextDueMs(), undefined, "no timer is left");
});

t.test("UDP: one socket for several questions, and what is no answer left lying", async (t) => {
  const server = createSocket("udp4");
  const ports = new Set<number>();
  server.on("message", (message, { port, address }) => {
    ports.add(port);
    const id = message.readUInt16BE(0);
    for (const reply of [Buffer.alloc(5), question(id), answer(id + 1).subarray(2), answer(id).subarray(2)])
      server.send(reply, port, address);
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const connection = await connectTo(
    network,
    new VirtualClock(),
    { ip: "127.0.0.1", port: server.address().port },
    { tcp: false, timeoutMs: 1 },
  );
  for (const id of [1, 2, 3]) t.strictSame(await ask(connection, id), answer(id).subarray(2));
  t.equal(ports.size, 1);
  connection.close();
  server.close();
});
