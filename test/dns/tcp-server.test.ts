// DNS over TCP on real sockets: pipelining, framing faults, slow and idle clients, too many of them.
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { once } from "node:events";
import t from "tap";
import type { Test } from "tap";
import { DnsTcpServer } from "../../dns/tcp-server.ts";
import { VirtualClock } from "../../model/clock.ts";

const frame = (message: Buffer): Buffer => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
const message = (id: number): Buffer => Buffer.from([id >> 8, id & 255, ...Array<number>(12).fill(7)]);

async function serving(
  t: Test,
  options: { readonly maxConnections?: number; readonly later?: (reply: () => void) => void } = {},
): Promise<{ readonly clock: VirtualClock; readonly server: DnsTcpServer; open(): Promise<Socket> }> {
  const clock = new VirtualClock();
  const serve = (asked: Buffer, _client: unknown, reply: (answer: Buffer) => void): void => {
    const answer = Buffer.from(asked);
    if (options.later) options.later(() => reply(answer));
    else reply(answer);
  };
  const server = new DnsTcpServer({
    clock,
    serve,
    ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    clock,
    server,
    async open() {
      const socket = connect({ port, host: "127.0.0.1" });
      t.teardown(() => socket.destroy());
      await once(socket, "connect");
      return socket;
    },
  };
}
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  let got = Buffer.alloc(0);
  while (got.length < bytes) got = Buffer.concat([got, ...(await once(socket, "data"))]);
  return got;
}

t.test("messages in one piece, many pieces, and many in one piece", async (t) => {
  const { open } = await serving(t);
  const socket = await open();
  const two = Buffer.concat([frame(message(1)), frame(message(2))]);
  socket.write(two);
  t.strictSame(await read(socket, two.length), two);
  for (const byte of frame(message(3))) socket.write(Buffer.from([byte]));
  t.strictSame(await read(socket, 16), frame(message(3)));
  socket.end(frame(message(4)));
  t.strictSame(await read(socket, 16), frame(message(4)), "a client that is done sending still gets its answer");
  await once(socket, "end");
});

t.test("answers may come later and out of order", async (t) => {
  const waiting: (() => void)[] = [];
  const { open } = await serving(t, { later: (reply) => void waiting.push(reply) });
  const socket = await open();
  socket.end(Buffer.concat([frame(message(1)), frame(message(2))]));
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  waiting[1]?.();
  t.strictSame(await read(socket, 16), frame(message(2)));
  waiting[0]?.();
  t.strictSame(await read(socket, 16), frame(message(1)));
  await once(socket, "end");
});

t.test("a length that cannot hold a header ends the connection", async (t) => {
  const { open } = await serving(t);
  const socket = await open();
  socket.resume();
  socket.write(Buffer.from([0, 3, 1, 2, 3]));
  await once(socket, "close");
});

t.test("idle and slow clients are let go after ten seconds", async (t) => {
  const { open, clock, server } = await serving(t);
  const [idle, slow, busy] = [await open(), await open(), await open()];
  idle.resume();
  slow.resume();
  slow.write(Buffer.from([0]));
  const gone = [once(idle, "close"), once(slow, "close")];
  while (server.openCount < 3) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(6000);
  slow.write(Buffer.from([40, 1, 2]));
  busy.write(frame(message(1)));
  await read(busy, 16);
  await clock.advance(5000);
  await Promise.all(gone);
  busy.write(frame(message(2)));
  t.strictSame(await read(busy, 16), frame(message(2)), "who asks may stay");
});

t.test("connections beyond the limit are closed, the others live on", async (t) => {
  const { open, server } = await serving(t, { maxConnections: 3 });
  const first = await Promise.all([open(), open(), open()]);
  while (server.openCount < 3) await new Promise((resolve) => setImmediate(resolve));
  const extra = await open();
  extra.resume();
  await once(extra, "end");
  first[0]?.write(frame(message(9)));
  t.strictSame(await read(first[0] as Socket, 16), frame(message(9)));
});
