// What a pod reads from each HTTP/1.1 engine, to the byte: one table, the same from http-proxy, node:http and memory.
import { Readable } from "node:stream";
import t from "tap";
import type { ForwardRequest } from "../../../ingress/engine/forward.ts";
import { ENGINES, outcome, Setup, turns } from "./pod.ts";

const streamed = (...chunks: readonly string[]): ForwardRequest["body"] => ({
  type: "stream",
  stream: Readable.from(chunks.map((chunk) => Buffer.from(chunk))),
});
const bytes = (text: string): ForwardRequest["body"] => ({ type: "bytes", bytes: Buffer.from(text) });

const ROWS: readonly { readonly name: string; readonly request: () => Partial<ForwardRequest>; readonly seen: string }[] = [
  {
    name: "GET, the order and case of its headers",
    request: () => ({ target: "/a//b%20?c=d", headers: { Host: "x.example", "X-REAL-ip": "1.2.3.4", accept: "*/*" } }),
    seen: "GET /a//b%20?c=d HTTP/1.1|Host: x.example|X-REAL-ip: 1.2.3.4|accept: */*||",
  },
  {
    name: "lines of one name; cookies are joined; Latin-1",
    request: () => ({ headers: { Host: "x", "X-A": ["1", "2"], Cookie: ["a=b", "c=d"], "X-L": "\u00e9" } }),
    seen: "GET / HTTP/1.1|Host: x|X-A: 1|X-A: 2|Cookie: a=b; c=d|X-L: \u00e9||",
  },
  {
    name: "a Connection header of an annotation stands",
    request: () => ({ headers: { Host: "x", Connection: "close" } }),
    seen: "GET / HTTP/1.1|Host: x|Connection: close||",
  },
  {
    name: "POST without a body",
    request: () => ({ method: "POST" }),
    seen: "POST / HTTP/1.1|Host: pod||",
  },
  { name: "DELETE without a body", request: () => ({ method: "DELETE" }), seen: "DELETE / HTTP/1.1|Host: pod||" },
  {
    name: "a body at hand",
    request: () => ({ method: "PUT", headers: { Host: "x", "Content-Length": "5" }, body: bytes("hello") }),
    seen: "PUT / HTTP/1.1|Host: x|Content-Length: 5||hello",
  },
  {
    name: "a streamed body of known length",
    request: () => ({ method: "POST", headers: { Host: "x", "Content-Length": "10" }, body: streamed("hello", "world") }),
    seen: "POST / HTTP/1.1|Host: x|Content-Length: 10||helloworld",
  },
  {
    name: "a streamed body in chunks, DELETE too",
    request: () => ({ method: "DELETE", headers: { Host: "x", "Transfer-Encoding": "chunked" }, body: streamed("hello", "wor") }),
    seen: "DELETE / HTTP/1.1|Host: x|Transfer-Encoding: chunked||5|hello|3|wor|0||",
  },
];

for (const engine of ENGINES) {
  await t.test(engine, async (t) => {
    for (const row of ROWS) {
      using setup = new Setup(engine);
      setup.answer = (connection) => {
        if (connection.seen.length === row.seen.replaceAll("|", "\r\n").length)
          connection.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      };
      t.equal(await outcome(setup.send(row.request())), "200 OK [Content-Length=2] ok", row.name);
      t.equal(setup.connections[0]?.seen.replaceAll("\r\n", "|"), row.seen, row.name);
    }
  });
}

await t.test("memory: what would break the framing is not sent", async (t) => {
  for (const request of [
    { headers: { Host: "x", "X-A": "1\r\nX-B: 2" } },
    { headers: { Host: "x\0" } },
    { target: "/a b" },
    { target: "/\r\nX: y" },
  ]) {
    using setup = new Setup("memory");
    t.equal(await outcome(setup.send(request)), "error", JSON.stringify(request));
    await turns();
    t.equal(setup.connections.map(({ seen }) => seen).join(""), "");
  }
});
