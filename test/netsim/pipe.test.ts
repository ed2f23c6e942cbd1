// Joining two ends: what is true of a connection before it is joined holds afterwards too.
import { once } from "node:events";
import t from "tap";
import { realClock } from "../../model/clock.ts";
import { createDuplexPair, type MemorySocket } from "../../netsim/duplex-pair.ts";
import { pipeBoth } from "../../netsim/pipe.ts";

const [CLIENT, SERVER] = [
  { ip: "127.0.0.1", port: 40_000 },
  { ip: "127.96.0.9", port: 80 },
];

/** A client and a server, each with the end in between that is to be joined to the other's. */
function ends(): { readonly client: MemorySocket; readonly near: MemorySocket; readonly far: MemorySocket; readonly server: MemorySocket } {
  const pair = (): [MemorySocket, MemorySocket] =>
    createDuplexPair(
      realClock,
      { local: CLIENT, remote: SERVER, allowHalfOpen: true },
      { local: SERVER, remote: CLIENT, allowHalfOpen: true },
    );
  const [client, near] = pair();
  const [far, server] = pair();
  for (const end of [client, near, far, server]) end.on("error", () => {});
  return { client, near, far, server };
}

async function textOf(end: MemorySocket): Promise<string> {
  let text = "";
  for await (const chunk of end.iterator({ destroyOnReturn: false })) text += String(chunk);
  return text;
}

t.test("a FIN that was there before", async (t) => {
  const { client, near, far, server } = ends();
  client.end();
  near.resume();
  await once(near, "end");
  pipeBoth(near, far);
  t.equal(await textOf(server), "", "is passed on");
  server.end("an answer");
  t.equal(await textOf(client), "an answer", "and the other half is open still");
  await Promise.all([near, far].map((end) => end.closed || once(end, "close")));
});

t.test("bytes and a FIN that wait unread", async (t) => {
  const { client, near, far, server } = ends();
  client.end("a request");
  await once(client, "finish");
  pipeBoth(near, far);
  t.equal(await textOf(server), "a request");
  server.end("an answer");
  t.equal(await textOf(client), "an answer");
});

t.test("RST, either way", async (t) => {
  for (const way of ["client", "server"] as const) {
    const { client, near, far, server } = ends();
    pipeBoth(near, far);
    const [by, at] = way === "client" ? [client, server] : [server, client];
    const failure = once(at, "error");
    by.resetAndDestroy();
    t.match(await failure, [{ code: "ECONNRESET" }], `by the ${way}`);
  }
});
