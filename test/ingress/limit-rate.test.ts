// limit-rate: only what is buffered is slowed (ngx_http_upstream_send_response takes the rate from an answer that is not), and
// X-Accel-Limit-Rate of the pod stands above it.
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);
const clock = new VirtualClock(Date.now());
await using world = await harness.start({ clock });

const SIZE = 20_000;
const server = (): Server =>
  createServer((request, response) => {
    for (const [name, value] of new URL(request.url ?? "/", "http://pod").searchParams) response.setHeader(name, value);
    response.end("x".repeat(SIZE));
  });
await world.service("large", { server });
const slow = { "limit-rate": "1", "limit-rate-after": "1" };
await addIngress(
  world,
  ingress("plain", "plain.example", "large", slow),
  ingress("buffered", "buffered.example", "large", { ...slow, "proxy-buffering": "on" }),
  ingress("free", "free.example", "large", { "proxy-buffering": "on" }),
);

/** Bytes of an answer's body so far. */
function download(host: string, query: string): { readonly size: () => number } {
  const socket = connect(world.socket(80).port, world.socket(80).ip);
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString()));
  socket.write(`GET /${query} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return { size: () => (text.includes("\r\n\r\n") ? text.length - text.indexOf("\r\n\r\n") - 4 : 0) };
}

const FIRST_SECOND = 2048;
const ROWS: readonly (readonly [host: string, query: string, atOnce: number])[] = [
  ["plain.example", "", SIZE],
  ["plain.example", "?X-Accel-Limit-Rate=1024", SIZE],
  ["plain.example", "?X-Accel-Buffering=yes", FIRST_SECOND],
  ["buffered.example", "", FIRST_SECOND],
  ["buffered.example", "?X-Accel-Buffering=no", SIZE],
  ["buffered.example", "?X-Accel-Buffering=maybe", FIRST_SECOND],
  ["buffered.example", "?X-Accel-Limit-Rate=3000", 4024],
  ["buffered.example", "?X-Accel-Limit-Rate=0", SIZE],
  ["buffered.example", "?X-Accel-Limit-Rate=fast", FIRST_SECOND],
  ["free.example", "", SIZE],
  ["free.example", "?X-Accel-Limit-Rate=1000", 1000],
];

for (const [host, query, atOnce] of ROWS)
  await t.test(`${host}${query}`, async (t) => {
    const { size } = download(host, query);
    await until(() => size() >= atOnce);
    t.equal(size(), atOnce, "at once");
    while (size() < SIZE) {
      await clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.equal(size(), SIZE, "in the end");
  });
