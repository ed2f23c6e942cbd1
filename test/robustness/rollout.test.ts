// Endpoints change while connections are open: those that upstream keeps are kept, the others end as their programs end them.
import type { Socket } from "node:net";
import t from "tap";
import { Pods } from "../../model/resources.ts";
import { app, dial, ending, podsOf, socketOf, startRobust, textOf } from "./robust-cluster.ts";
import { until } from "../support/until.ts";

interface Client {
  readonly socket: Socket;
  readonly ended: Promise<string>;
  answers: number;
}

/** A connection that says one byte after the other, for as long as it gets them back. */
async function client(at: Parameters<typeof dial>[0]): Promise<Client> {
  const socket = await dial(at, "ex");
  const self: Client = { socket, answers: 0, ended: ending(socket) };
  socket.on("data", () => {
    self.answers++;
    if (!socket.writableEnded) socket.write("x");
  });
  return self;
}

const moreAnswers = async (clients: readonly Client[]): Promise<void> => {
  const before = clients.map(({ answers }) => answers);
  await until(() => clients.every(({ answers }, index) => answers > (before[index] ?? 0) + 3));
};

t.test("a rollout restart under open connections", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("web", "test/patient", 3));
  await cluster.ready();
  const at = await socketOf(cluster, "web");
  const old = new Set(podsOf(cluster, "web"));
  const clients = await Promise.all(Array.from({ length: 30 }, () => client(at)));
  let ended = 0;
  for (const each of clients) void each.ended.then(() => ended++);

  await cluster.apply(app("web", "test/patient", 3, 2));
  await until(() => podsOf(cluster, "web").length === 3 && podsOf(cluster, "web").every((name) => !old.has(name)));
  await cluster.settle();
  await moreAnswers(clients);
  t.equal(ended, 0, "established connections to terminating pods go on");
  const served = new Set(await Promise.all(Array.from({ length: 40 }, async () => textOf(await dial(at, "n")))));
  t.strictSame(
    [...served].filter((name) => old.has(name)),
    [],
    "new ones go to new pods only",
  );
  t.equal(cluster.fabric.flows.where(({ service }) => service?.startsWith("default/web") ?? false).length >= clients.length, true);

  for (const { socket } of clients) socket.end();
  t.strictSame(new Set(await Promise.all(clients.map((each) => each.ended))), new Set(["end"]), "each ends with FIN");
  await until(() => cluster.fabric.stats().live === 0);
  await cluster.ready();
});

t.test("scaling, flapping and killing pods leaves the connections of the others alone", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("web", "test/line", 8));
  await cluster.ready();
  const at = await socketOf(cluster, "web");
  const clients = await Promise.all(Array.from({ length: 80 }, () => client(at)));
  await moreAnswers(clients);
  const bySource = new Map(cluster.fabric.flows.list().map((flow) => [flow.source.port, flow.endpoint?.ip]));
  const ends = clients.map(({ socket, ended }) => ({ pod: bySource.get(socket.localPort ?? 0), ended, how: "" }));
  for (const end of ends) void end.ended.then((how) => (end.how = how));

  for (const replicas of [10, 8, 12, 6]) {
    await cluster.apply(app("web", "test/line", replicas));
    await cluster.settle();
  }
  await cluster.ready();
  const ips = new Set(cluster.store.list(Pods).map(({ status }) => status?.podIP));
  const staying = [...new Set(ends.map(({ pod }) => pod))].filter((ip) => ips.has(ip));
  t.ok(staying.length > 1, `${staying.length} of the pods are still there`);
  const [killed = ""] = staying;
  cluster.fabric.killPeer(killed);
  await until(() => ends.filter(({ pod }) => pod === killed).every(({ how }) => how !== ""));
  await moreAnswers(clients.filter((_, index) => ends[index]?.pod !== killed && staying.includes(ends[index]?.pod)));
  t.strictSame(
    ends.filter(({ pod, how }) => staying.includes(pod) && pod !== killed && how !== ""),
    [],
    "connections to pods that stay",
  );
  t.strictSame(
    [...new Set(ends.map(({ how }) => how))].filter((how) => !["", "end", "ECONNRESET", "close"].includes(how)),
    [],
  );
});
