// The short way of an inline pod's HTTP server says byte for byte what Node's server says to the same handler.
import t from "tap";
import { seededRandom } from "../../../model/random.ts";
import type { Handler } from "../../../workloads/http/index.ts";
import { both } from "./support.ts";

const handlers: Readonly<Record<string, Handler>> = {
  text: (_request, response) => response.end("hello\n"),
  nothing: (_request, response) => response.end(),
  echo: (request, response) => {
    const { method, url, httpVersion, headers, rawHeaders } = request;
    response.end(JSON.stringify({ method, url, httpVersion, headers, rawHeaders, from: request.socket.remoteAddress }));
  },
  body: async (request, response) => {
    const parts: string[] = [];
    for await (const part of request) parts.push(String(part));
    response.end(parts.join(""));
  },
  status: (request, response) => {
    response.writeHead(Number(request.url?.slice(1, 4)), ["X-A", "1", "x-a", "2"]);
    response.end("body");
  },
  "status and reason": (_request, response) => {
    response.writeHead(299, "Fine Indeed", { "Content-Type": "text/plain", "Set-Cookie": ["a=1", "b=2"] });
    response.end("x");
  },
  "set and removed": (_request, response) => {
    response.setHeader("X-One", 1);
    response.setHeader("x-one", "uno");
    response.setHeader("X-Two", ["a", "b"]);
    response.setHeader("X-Three", "3");
    response.removeHeader("x-three");
    response.statusCode = 201;
    response.end("ok");
  },
  "set and written": (_request, response) => {
    response.setHeader("X-One", "1");
    response.setHeader("X-Two", "2");
    response.writeHead(200, { "X-Two": "zwei", "X-Four": "4" });
    response.end("ok");
  },
  bare: (_request, response) => {
    response.removeHeader("connection");
    response.writeHead(200, ["Content-Length", "2"]);
    response.end("ok");
  },
  "own date and connection": (_request, response) => {
    response.writeHead(200, ["Date", "Thu, 01 Jan 1970 00:00:00 GMT", "Connection", "keep-alive", "Content-Length", "2"]);
    response.end("ok");
  },
  "own close": (_request, response) => {
    response.setHeader("connection", "close");
    response.end("ok");
  },
  "no keep-alive": (_request, response) => {
    response.shouldKeepAlive = false;
    response.end("ok");
  },
  pieces: (_request, response) => {
    response.write("one ");
    response.write(Buffer.from("two "));
    response.write("");
    response.end("three");
  },
  "pieces and no last one": (_request, response) => {
    response.write("one");
    response.end();
  },
  "sized pieces": (_request, response) => {
    response.setHeader("Content-Length", 9);
    response.write("one");
    response.write("two");
    response.end("six");
  },
  "chunked by the program": (_request, response) => {
    response.setHeader("Transfer-Encoding", "chunked");
    response.end("ok");
  },
  "chunked without a body": (_request, response) => {
    response.writeHead(204, { "Transfer-Encoding": "chunked" });
    response.end();
  },
  utf8: (_request, response) => response.end("grüße ☃"),
  large: (_request, response) => response.end(Buffer.alloc(100_000, "x")),
  "large pieces": (_request, response) => {
    response.write("y".repeat(50_000));
    response.end("z".repeat(50_000));
  },
  later: async (_request, response) => {
    await new Promise((resolve) => setImmediate(resolve));
    response.end("later");
  },
  cut: async (_request, response) => {
    response.write("begun");
    await new Promise((resolve) => setImmediate(resolve));
    response.destroy();
  },
};

const get = (target = "/", ...lines: readonly string[]): string =>
  ["GET", target, "HTTP/1.1\r\nHost: a\r\n"].join(" ") + lines.map((line) => `${line}\r\n`).join("") + "\r\n";
const requests: Readonly<Record<string, readonly string[]>> = {
  one: [get()],
  "with headers": [
    get(
      "/a?b=%20",
      "X-A:  1 ",
      "x-a: 2",
      "Cookie: a=1",
      "Cookie: b=2",
      "User-Agent: x",
      "User-Agent: y",
      "Accept:",
      "Set-Cookie: a",
      "Set-Cookie: b",
    ),
  ],
  head: ["HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"],
  "head, then get": ["HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", get()],
  delete: ["DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n"],
  options: ["OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"],
  close: [get("/", "Connection: close"), get()],
  "keep-alive": [get("/", "Connection: Keep-Alive"), get()],
  "two connections": [get("/", "Connection: foo, close"), get()],
  "three in one piece": [get("/1") + get("/2") + get("/3")],
  "in pieces": [get().slice(0, 7), get().slice(7, 20), get().slice(20)],
  "a head cut at its end": [get().slice(0, -1), "\n"],
  "one and a half, and the rest": [get("/1") + get("/2").slice(0, 10), get("/2").slice(10)],
  post: ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"],
  "get, then post, then get": [get("/1"), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", get("/3")],
  "get and post in one piece": [get("/1") + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", "lo"],
  chunked: ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
  "a get with a body": ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/2")],
  expectation: ["POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "ok"],
  "1.0": ["GET / HTTP/1.0\r\n\r\n"],
  "1.0 kept": ["GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"],
  absolute: ["GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"],
  "no host": ["GET / HTTP/1.1\r\n\r\n"],
  "two hosts": ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
  "leading line": ["\r\n" + get()],
  "bare LF": ["GET / HTTP/1.1\nHost: a\n\n"],
  "a folded line": ["GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n"],
  "a blank before the colon": ["GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
  "a control in a value": ["GET / HTTP/1.1\r\nHost: a\r\nX-A: \x01\r\n\r\n"],
  "latin1 in a value": ["GET / HTTP/1.1\r\nHost: a\r\nX-A: \xe4\xa0\r\n\r\n"],
  "latin1 in the target": ["GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"],
  "an unknown method": ["BREW / HTTP/1.1\r\nHost: a\r\n\r\n"],
  garbage: ["\x16\x03\x01\x02\x00"],
  "garbage after a request": [get(), "\x00\x01\x02"],
  "both framings": ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  "a long header": [get("/", `X-A: ${"a".repeat(15_000)}`)],
  "a head too long": [get("/", `X-A: ${"a".repeat(20_000)}`)],
  nothing: [],
};

for (const [what, handler] of Object.entries(handlers)) {
  t.test(what, async (t) => {
    for (const [asked, pieces] of Object.entries(requests)) {
      if (what === "status") continue;
      // Node keeps the connection that both wanted closed, and then refuses what comes on it.
      if (what === "own date and connection" && asked === "close") continue;
      // Node answers nothing to garbage that comes before its answer.
      if (what === "later" && asked === "garbage after a request") continue;
      const { ours, nodes } = await both(handler, pieces);
      t.equal(ours, nodes, asked);
    }
  });
}

t.test("statuses", async (t) => {
  for (const status of [200, 201, 204, 205, 299, 304, 404, 500, 599, 799]) {
    for (const method of ["GET", "HEAD"]) {
      const { ours, nodes } = await both(handlers["status"] as Handler, [`${method} /${status} HTTP/1.1\r\nHost: a\r\n\r\n`]);
      t.equal(ours, nodes, `${method} ${status}`);
      t.match(ours, new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  }
});

t.test("idle time is told as Node tells it", async (t) => {
  const { ours, nodes } = await both(handlers["text"] as Handler, [get()], { keepAliveMs: 75_500 });
  t.equal(ours, nodes);
  t.match(ours, /\r\nKeep-Alive: timeout=75\r\n/);
});

t.test("heads made by chance, cut anywhere", async (t) => {
  const random = seededRandom("heads");
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)] as T;
  const alphabet = ["a", "B", "-", ":", " ", "\t", "\r", "\n", "\r\n", "\0", "\x7f", "\xff", ";", ",", "0", "/", "close", "chunked"];
  const names = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "X", "Expect", "cookie", "TE", "Trailer"];
  const values = ["a", "0", "5", "close", "keep-alive", "chunked", "identity", "websocket", "100-continue", "", " ", "a\tb"];
  for (let round = 0; round < 400; round++) {
    const lines = [
      `${pick(["GET", "HEAD", "POST", "get", "OPTIONS"])} ${pick(["/", "/a b", "*", "/?x", "//", "http://a/"])} HTTP/${pick(["1.1", "1.1", "1.0", "2.0"])}`,
      "Host: a",
    ];
    for (let i = random.int(4); i > 0; i--) lines.push(`${pick(names)}:${pick(["", " "])}${pick(values)}`);
    let text = `${lines.join("\r\n")}\r\n\r\n`;
    if (random.int(3) === 0) {
      const at = random.int(text.length);
      text = text.slice(0, at) + pick(alphabet) + text.slice(at + random.int(3));
    }
    const cut = random.int(4) === 0 ? random.int(text.length) : text.length;
    const pieces = [text.slice(0, cut), text.slice(cut) + get("/next")];
    const { ours, nodes } = await both(handlers["echo"] as Handler, pieces);
    if (ours !== nodes) t.equal(ours, nodes, JSON.stringify(pieces));
  }
  t.pass("400 rounds");
});
