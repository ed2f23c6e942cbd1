// What each HTTP/1.1 engine makes of a pod's bytes, at once and byte by byte: one table, the same outcome from http-proxy, node:http and memory.
// Source: RFC 9112, and what Node's parser does where a row is about malformed answers.
import t from "tap";
import { nextTurn } from "../../../model/clock.ts";
import { ENGINES, outcome, Setup, turns } from "./pod.ts";

interface Row {
  readonly name: string;
  readonly method?: string;
  /** `$` at the end: the pod closes. */
  readonly answer: string;
  readonly outcome: string;
  /** The connection carries another request afterwards. */
  readonly kept: boolean;
}

const OK = "HTTP/1.1 200 OK\r\n";
const ROWS: readonly Row[] = [
  {
    name: "a length",
    answer: `${OK}Content-Length: 5\r\nX-A: b\r\n\r\nhello`,
    outcome: "200 OK [Content-Length=5, X-A=b] hello",
    kept: true,
  },
  { name: "length 0", answer: `${OK}content-length: 0\r\n\r\n`, outcome: "200 OK [content-length=0] ", kept: true },
  { name: "no reason, no body", answer: "HTTP/1.1 204\r\n\r\n", outcome: "204  [] ", kept: true },
  {
    name: "a reason of two words",
    answer: "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
    outcome: "404 Not Found [Content-Length=1] x",
    kept: true,
  },
  {
    name: "HEAD with a length",
    method: "HEAD",
    answer: `${OK}Content-Length: 5\r\n\r\n`,
    outcome: "200 OK [Content-Length=5] ",
    kept: true,
  },
  {
    name: "304 with a length",
    answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    outcome: "304 Not Modified [Content-Length=5] ",
    kept: true,
  },
  {
    name: "100 and 103 before it",
    answer: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
    outcome: "200 OK [Content-Length=1] x",
    kept: true,
  },
  {
    name: "chunks, an extension, trailers",
    answer: `${OK}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n, world...\r\n0\r\nX-T: 1\r\nX-U:2\r\n\r\n`,
    outcome: "200 OK [Transfer-Encoding=chunked] hello, world... {X-T=1, X-U=2}",
    kept: true,
  },
  {
    name: "chunks of nothing",
    answer: `${OK}transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`,
    outcome: "200 OK [transfer-encoding=CHUNKED] ",
    kept: true,
  },
  { name: "until it closes", answer: `${OK}X-A: b\r\n\r\nhello$`, outcome: "200 OK [X-A=b] hello", kept: false },
  {
    name: "a coding without chunked ends with the connection",
    answer: `${OK}Transfer-Encoding: gzip\r\n\r\nhello$`,
    outcome: "200 OK [Transfer-Encoding=gzip] hello",
    kept: false,
  },
  {
    name: "Connection: close",
    answer: `${OK}Connection: close\r\nContent-Length: 1\r\n\r\nx`,
    outcome: "200 OK [Connection=close, Content-Length=1] x",
    kept: false,
  },
  { name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", outcome: "200 OK [Content-Length=1] x", kept: false },
  {
    name: "HTTP/1.0 that stays",
    answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    outcome: "200 OK [Connection=keep-alive, Content-Length=1] x",
    kept: true,
  },
  {
    name: "lines of one name, blanks, no value, Latin-1",
    answer: `${OK}X: 1\r\nx:2\r\nY:  \t\r\nZ: \u00e9 e \t\r\nContent-Length: 0\r\n\r\n`,
    outcome: "200 OK [X=1, x=2, Y=, Z=\u00e9 e, Content-Length=0] ",
    kept: true,
  },
  {
    name: "breaks off in the body",
    answer: `${OK}Content-Length: 10\r\n\r\nhello$`,
    outcome: "200 OK [Content-Length=10] hello…",
    kept: false,
  },
  {
    name: "breaks off in a chunk",
    answer: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo$`,
    outcome: "200 OK [Transfer-Encoding=chunked] hellowo…",
    kept: false,
  },
  { name: "closes without an answer", answer: "$", outcome: "error", kept: false },
  { name: "breaks off in the head", answer: `${OK}Content-Le$`, outcome: "error", kept: false },
  { name: "no HTTP", answer: "what?\r\n\r\n", outcome: "invalid_header", kept: false },
  { name: "HTTP/3.0", answer: "HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n", outcome: "invalid_header", kept: false },
  { name: "a status of two digits", answer: "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", outcome: "invalid_header", kept: false },
  { name: "bare LF", answer: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", outcome: "invalid_header", kept: false },
  { name: "a bare CR in a value", answer: `${OK}X: a\rb\r\nContent-Length: 0\r\n\r\n`, outcome: "invalid_header", kept: false },
  { name: "NUL in a value", answer: `${OK}X: a\0b\r\nContent-Length: 0\r\n\r\n`, outcome: "invalid_header", kept: false },
  { name: "a blank before the colon", answer: `${OK}X : a\r\nContent-Length: 0\r\n\r\n`, outcome: "invalid_header", kept: false },
  { name: "a line without a colon", answer: `${OK}X\r\nContent-Length: 0\r\n\r\n`, outcome: "invalid_header", kept: false },
  { name: "two lengths", answer: `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, outcome: "invalid_header", kept: false },
  { name: "a length of letters", answer: `${OK}Content-Length: 1x\r\n\r\nx`, outcome: "invalid_header", kept: false },
  { name: "a negative length", answer: `${OK}Content-Length: -1\r\n\r\nx`, outcome: "invalid_header", kept: false },
  {
    name: "a length and chunks",
    answer: `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    outcome: "invalid_header",
    kept: false,
  },
  {
    name: "chunks and a length",
    answer: `${OK}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    outcome: "invalid_header",
    kept: false,
  },
  {
    name: "no chunk size",
    answer: `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    outcome: "200 OK [Transfer-Encoding=chunked] …",
    kept: false,
  },
  {
    name: "over 16 kB of head",
    answer: `${OK}X: ${"x".repeat(17_000)}\r\nContent-Length: 0\r\n\r\n`,
    outcome: "invalid_header",
    kept: false,
  },
];

/** Where Node's client drops the answer or keeps the connection, by how the bytes were cut. */
const MEMORY_ROWS: readonly Row[] = [
  { name: "bytes after it", answer: `${OK}Content-Length: 1\r\n\r\nxyz`, outcome: "200 OK [Content-Length=1] x", kept: false },
  {
    name: "another answer after it",
    answer: `${OK}Content-Length: 1\r\n\r\nx${OK}Content-Length: 1\r\n\r\ny`,
    outcome: "200 OK [Content-Length=1] x",
    kept: false,
  },
];

for (const engine of ENGINES) {
  for (const cut of ["at once", "byte by byte"]) {
    await t.test(`${engine}, ${cut}`, async (t) => {
      for (const row of engine === "memory" ? [...ROWS, ...MEMORY_ROWS] : ROWS) {
        if (cut === "byte by byte" && row.answer.length > 10_000) continue;
        using setup = new Setup(engine);
        const closes = row.answer.endsWith("$");
        const bytes = Buffer.from(closes ? row.answer.slice(0, -1) : row.answer, "latin1");
        setup.answer = ({ socket }) => {
          if (cut === "at once") socket.write(bytes);
          else for (const byte of bytes) socket.write(Buffer.from([byte]));
          if (closes) socket.end();
        };
        const method = row.method ?? "GET";
        t.equal(await outcome(setup.send({ method })), row.outcome, row.name);
        await turns();
        if (row.kept) {
          t.equal(await outcome(setup.send({ method })), row.outcome, `${row.name}, again`);
          t.equal(setup.connections.length, 1, `${row.name}: one connection`);
        } else t.ok(setup.connections[0]?.closed, `${row.name}: closed`);
        await nextTurn();
      }
    });
  }
}
