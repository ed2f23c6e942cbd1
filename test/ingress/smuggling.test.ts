// Malformed framing sent raw: the pod must never see a second request, and must see no bytes that another server could read as one.
import { createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import t from "tap";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

/** A pod that notes every byte, and answers each request line it sees. */
let seen = "";
function noting(): Server {
  return createServer({ allowHalfOpen: true }, (socket: Duplex) => {
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      seen += chunk.toString("latin1");
      if (/\r\n\r\n/.test(seen)) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    socket.on("end", () => socket.end());
  });
}
await world.service("noting", { server: noting });
await addIngress(world, ingress("noting", "h.example", "noting"));

const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: h.example\r\n\r\n";
const rows: readonly { readonly name: string; readonly bytes: string; readonly status: readonly number[] }[] = [
  {
    name: "CL.TE",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: ${5 + HIDDEN.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "TE.CL",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2c\r\n${HIDDEN}\r\n0\r\n\r\n`,
    status: [400],
  },
  {
    name: "TE.TE, the second unknown",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "TE.TE, both chunked",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: [400],
  },
  {
    name: "TE with a tab and x",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding:\tx-chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [501],
  },
  {
    name: "TE name with a space",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "TE gzip, chunked",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [501],
  },
  {
    name: "chunked in HTTP/1.0",
    bytes: `POST / HTTP/1.0\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "two lengths",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "a list of lengths",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 0, ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  { name: "a signed length", bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: +3\r\n\r\nabc`, status: [400] },
  {
    name: "obs-fold of Transfer-Encoding",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nX: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`,
    status: [400],
  },
  {
    name: "a bare LF in the head",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nX: a\nTransfer-Encoding: chunked\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    status: [400],
  },
  {
    name: "a bare LF after a chunk size",
    bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n${HIDDEN}`,
    status: [400, 200],
  },
  { name: "a bad chunk size", bytes: `POST / HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n`, status: [400] },
  { name: "a space in the target", bytes: `GET /a b HTTP/1.1\r\nHost: h.example\r\n\r\n`, status: [400] },
  { name: "two hosts", bytes: `GET / HTTP/1.1\r\nHost: h.example\r\nHost: other.example\r\n\r\n`, status: [400] },
  { name: "no host", bytes: `GET / HTTP/1.1\r\n\r\n`, status: [400] },
  { name: "a NUL in the path", bytes: `GET /%00 HTTP/1.1\r\nHost: h.example\r\n\r\n`, status: [400] },
  { name: "above the root", bytes: `GET /../etc HTTP/1.1\r\nHost: h.example\r\n\r\n`, status: [400] },
  { name: "no HTTP at all", bytes: `\x16\x03\x01garbage\r\n\r\n`, status: [400] },
  { name: "a head of 40 kB", bytes: `GET / HTTP/1.1\r\nHost: h.example\r\nX: ${"a".repeat(40_000)}\r\n\r\n`, status: [400] },
];

for (const row of rows) {
  await t.test(row.name, async (t) => {
    seen = "";
    const answer = await raw(world.socket(80), row.bytes);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
    t.ok(row.status.includes(status), `${status} is one of ${row.status.join(", ")}`);
    t.notMatch(seen, /hidden/);
    t.ok((seen.match(/ HTTP\/1\.1\r\n/g) ?? []).length <= 1, "at most one request line");
  });
}

const chunked = (method: string, extension = ""): string =>
  `${method} /kept HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n${HIDDEN.length.toString(16)}${extension}\r\n${HIDDEN}\r\n0\r\n\r\n`;

for (const [method, extension] of [
  ["DELETE", ""],
  ["OPTIONS", ""],
  ["POST", ";ext=1"],
  ["GET", ""],
  ["PUT", ""],
] as const) {
  await t.test(`${method} with a chunked body is one request with that body`, async (t) => {
    seen = "";
    const answer = await raw(world.socket(80), chunked(method, extension), /ok$/);
    t.match(answer, /^HTTP\/1\.1 200/);
    t.match(seen, new RegExp(`^${method} /kept HTTP/1\\.1\r\n`));
    const [head = "", body = ""] = seen.split(/\r\n\r\n(.*)/s);
    t.match(head, new RegExp(`content-length: ${HIDDEN.length}`, "i"));
    t.notMatch(head, /transfer-encoding/i);
    t.equal(body, HIDDEN);
  });
}

await t.test("what Connection lists is not passed on", async (t) => {
  seen = "";
  await raw(
    world.socket(80),
    "GET / HTTP/1.1\r\nHost: h.example\r\nConnection: close, X-Internal\r\nX-Internal: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Kept: 1\r\n\r\n",
  );
  t.match(seen, /X-Kept: 1/);
  t.notMatch(seen, /x-internal|^te:|keep-alive: 5/im);
});
