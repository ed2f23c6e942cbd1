// DNS faults on TCP: messages with their length in front, in any pieces; other protocols pass. On the virtual clock.
import t, { type Test } from "tap";
import fc from "fast-check";
import { decodeReply, encodeQuery } from "../../../dns/index.ts";
import { DnsMessages } from "../../../netsim/faults/dns-messages.ts";
import { faultWorld, type RuleText } from "./fault-world.ts";

const framed = (message: Uint8Array): Buffer => Buffer.concat([Buffer.from([message.byteLength >> 8, message.byteLength & 255]), message]);
const question = (id: number, name: string): Buffer => framed(encodeQuery(id, name, 1));

/** Sends pieces at given times; answers "at what" as the server and the client saw it. The server answers each message with its id and NXDOMAIN. */
async function exchange(
  t: Test,
  rule: RuleText,
  pieces: readonly (readonly [atMs: number, bytes: Buffer])[],
): Promise<{ readonly atServer: readonly string[]; readonly atClient: readonly string[] }> {
  const world = await faultWorld(t);
  const [atServer, atClient]: [string[], string[]] = [[], []];
  const messages = (bytes: Buffer, each: (message: Buffer) => void): Buffer => {
    let rest = bytes;
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      each(rest.subarray(2, 2 + rest.readUInt16BE(0)));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
    return rest;
  };
  const at = await world.serve(world.pod("server", 5), 53, (socket) => {
    let held: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      if (chunk.toString().startsWith("GET")) return void atServer.push(`${world.now()} ${chunk.toString()}`);
      held = messages(Buffer.concat([held, chunk]), (message) => {
        atServer.push(`${world.now()} ${message.readUInt16BE(0)}`);
        const answer = Buffer.from(message);
        answer.writeUInt16BE(0x8183, 2);
        socket.write(framed(answer));
      });
    });
    socket.on("end", () => socket.end());
  });
  world.faults(rule);
  const client = await world.until(world.fabric.dial(world.pod("client", 6), at));
  const start = world.now();
  let held: Buffer = Buffer.alloc(0);
  client.on("data", (chunk: Buffer) => {
    held = messages(Buffer.concat([held, chunk]), (message) => {
      const { id, rcode, question: asked } = decodeReply(message);
      atClient.push(`${world.now() - start} ${id} ${rcode} ${asked?.name}`);
    });
  });
  client.on("end", () => atClient.push("end"));
  for (const [atMs, bytes] of pieces) {
    if (atMs > world.now() - start) await world.pass(atMs - (world.now() - start));
    client.write(bytes);
  }
  await world.pass(5);
  client.end();
  await world.pass(200);
  return { atServer, atClient };
}

const [web, db, other] = [question(1, "web.x."), question(2, "db.x."), question(3, "other.y.")];

t.test("an rcode in the server's place, for the names it concerns, in whatever pieces they come", async (t) => {
  const rule = { dns: { rcode: "SERVFAIL", name: "x" } } as const;
  const all = Buffer.concat([web, other, db]);
  const cuts: readonly (readonly number[])[] = [[], [1], [2], [9], [web.length - 1], [web.length, web.length + 11], [5, 40, 41]];
  for (const cut of cuts) {
    const pieces = [0, ...cut].map((from, index) => [index, all.subarray(from, cut[index] ?? all.length)] as const);
    const { atServer, atClient } = await exchange(t, rule, pieces);
    t.strictSame(
      atServer.map((line) => line.split(" ")[1]),
      ["3"],
      `cut at ${cut.join()}: the server sees the other alone`,
    );
    t.strictSame(
      atClient.map((line) => line.replace(/^\d+ /, "")).toSorted(),
      ["1 SERVFAIL web.x.", "2 SERVFAIL db.x.", "3 NXDOMAIN other.y.", "end"],
      `cut at ${cut.join()}`,
    );
  }
});

t.test("late: a question, and those behind it", async (t) => {
  const { atClient } = await exchange(t, { dns: { delay: "50ms", name: "web.x" } }, [
    [0, other],
    [1, web],
    [2, db],
  ]);
  t.strictSame(atClient, ["0 3 NXDOMAIN other.y.", "51 1 NXDOMAIN web.x.", "51 2 NXDOMAIN db.x.", "end"]);
});

t.test("what is no DNS passes at once, and so does a stub of a message at the end", async (t) => {
  const rule = { dns: { rcode: "SERVFAIL" } } as const;
  const http = await exchange(t, rule, [[0, Buffer.from("GET / HTTP/1.1\r\nhost: web\r\n\r\n")]]);
  t.match(http.atServer[0], "GET / HTTP/1.1");
  const way = await exchange(t, { ...rule, way: "back" }, [[0, web]]);
  t.match(way.atClient, ["0 1 NXDOMAIN web.x."], "of the other direction");
  const stub = new DnsMessages(() => ({ type: "answer", bytes: Buffer.alloc(0) }));
  t.strictSame(stub.take(web.subarray(0, 20)), []);
  t.same(stub.rest(), web.subarray(0, 20));
});

t.test("no byte is lost or changed, whatever comes", async (t) => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(web, db, other, web.subarray(0, 15), web.subarray(15)),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
      const filter = new DnsMessages((bytes) => ({ type: "pass", bytes, delayMs: 0 }));
      const out = chunks.flatMap((bytes) => filter.take(bytes)).map((part) => part.bytes);
      return Buffer.concat([...out, filter.rest()]).equals(Buffer.concat(chunks));
    }),
    { seed: 20_241_121, numRuns: 1000 },
  );
  t.pass();
});
