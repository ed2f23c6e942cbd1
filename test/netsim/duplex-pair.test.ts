// A write larger than a socket's buffer crosses an in-memory connection as the other end reads it, as through a kernel.
import t from "tap";
import { nextTurn, realClock } from "../../model/clock.ts";
import { createDuplexPair, type MemorySocket } from "../../netsim/index.ts";

const LARGE = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));

function joined(): [MemorySocket, MemorySocket] {
  const [a, b] = [
    { ip: "127.244.0.1", port: 1 },
    { ip: "127.244.0.2", port: 2 },
  ];
  return createDuplexPair(realClock, { local: a, remote: b, allowHalfOpen: false }, { local: b, remote: a, allowHalfOpen: false });
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn();
}

t.test("it is taken up to the reader's buffer, and done when all is taken", async (t) => {
  const [near, far] = joined();
  let written = false;
  near.write(LARGE, () => (written = true));
  await turns();
  far.read(0);
  await turns();
  t.equal(far.readableLength, 262_144);
  t.notOk(written);
  const chunks: Buffer[] = [];
  for await (const chunk of far.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    if (chunks.reduce((sum, { length }) => sum + length, 0) === LARGE.length) break;
  }
  t.ok(Buffer.concat(chunks).equals(LARGE));
  await turns();
  t.ok(written);
  t.equal(far.bytesRead, LARGE.length);
});

t.test("what the writer changes afterwards the reader does not see", async (t) => {
  const [near, far] = joined();
  const own = Buffer.from("before");
  near.write(own, () => own.fill("x"));
  await turns();
  t.equal(String(far.read()), "before");
});

t.test("what is given away is not copied", async (t) => {
  const [near, far] = joined();
  const own = Buffer.from("given");
  near.give(own);
  await turns();
  t.equal(far.read(), own);
  near.write(own);
  await turns();
  t.not(far.read(), own);
});

t.test("a stall in the middle holds the rest", async (t) => {
  const [near, far] = joined();
  let read = 0;
  near.write(LARGE);
  await turns();
  near.stall(true);
  far.on("data", (chunk: Buffer) => (read += chunk.length));
  await turns();
  t.ok(read < LARGE.length, `${read} bytes came`);
  near.stall(false);
  await turns();
  t.equal(read, LARGE.length);
});

t.test("a writer that is destroyed in the middle ends the stream there", async (t) => {
  const [near, far] = joined();
  near.on("error", () => {});
  near.write(LARGE);
  await turns();
  near.destroy();
  let read = 0;
  let ended = false;
  far.on("data", (chunk: Buffer) => (read += chunk.length)).once("end", () => (ended = true));
  await turns();
  t.ok(ended && read < LARGE.length, `${read} bytes came`);
});

t.test("a reader that is destroyed in the middle fails the write", async (t) => {
  const [near, far] = joined();
  const failure = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => near.write(LARGE, resolve));
  near.on("error", () => {});
  await turns();
  far.destroy();
  t.equal((await failure)?.code, "ECONNRESET");
});
