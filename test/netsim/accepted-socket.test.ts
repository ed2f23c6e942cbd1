// Connections that wait are accepted many at a time where the system allows it, and one in a turn of the event loop elsewhere.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import { nextTurn } from "../../model/clock.ts";
import { acceptFor } from "../../netsim/accepted-socket.ts";
import { systemCalls } from "../../netsim/system-calls.ts";

const CLIENTS = 300;

/** Clients that all wait at once; each says a letter and is answered it. How many turns until all are accepted. */
async function turnsToAccept(t: Test, calls: typeof systemCalls): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const accepted: Socket[] = [];
  acceptFor(server, (socket) => accepted.push(socket), calls);
  const clients = Array.from({ length: CLIENTS }, () => connect({ host: "127.0.0.1", port }));
  await new Promise<void>((resolve) => process.nextTick(resolve));
  let turns = 0;
  for (; accepted.length < CLIENTS; turns++) await nextTurn();
  for (const socket of accepted) socket.on("data", (bytes) => socket.end(bytes)).resume();
  const answers = await Promise.all(
    clients.map(async (client) => {
      client.write("a");
      const [bytes] = (await once(client, "data")) as [Buffer];
      return bytes.toString();
    }),
  );
  t.strictSame(new Set(answers), new Set(["a"]));
  t.ok(accepted.every((socket) => socket.remoteAddress === "127.0.0.1" && socket.remotePort !== undefined));
  await Promise.all(clients.map((client) => client.closed || once(client, "close")));
  server.close();
  return turns;
}

t.test("one by one", async (t) => {
  const turns = await turnsToAccept(t, () => undefined);
  t.ok(turns >= CLIENTS - 8, `${turns} turns`);
});

t.test("many at a time", { skip: systemCalls() === undefined && "this system has no accept4, or this Node no node:ffi" }, async (t) => {
  const turns = await turnsToAccept(t, systemCalls);
  t.ok(turns < CLIENTS / 8, `${turns} turns`);
});

t.test("a listener that its first connection closes takes no further one", async (t) => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  let accepted = 0;
  acceptFor(server, (socket) => {
    accepted++;
    socket.destroy();
    if (accepted === 8) server.close();
  });
  const clients = Array.from({ length: 20 }, () => connect({ host: "127.0.0.1", port }).on("error", () => {}));
  await Promise.all(clients.map((client) => new Promise((resolve) => client.once("close", resolve))));
  t.equal(accepted, 8);
});
