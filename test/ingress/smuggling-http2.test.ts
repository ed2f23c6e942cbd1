// Malformed HTTP/2 requests, written as frames: what would be two requests, or other headers, in HTTP/1.1 must not reach the pod as such.
// Facts: RFC 9113 §8.1 to §8.3.
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { createHarness } from "./harness.ts";
import { type Fields, frame, headersFrame, PREFACE } from "./http2-frames.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

/** One request over HTTP/2, as bytes; resolves when the stream or the connection has ended. */
function rawHttp2(fields: Fields, body: string): Promise<void> {
  const at = world.socket(443);
  return new Promise((resolve) => {
    const socket = connectTls({
      host: at.ip,
      port: at.port,
      servername: "noting.example",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    let read: Buffer = Buffer.alloc(0);
    socket.on("error", () => {}).on("close", () => resolve());
    socket.on("data", (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      while (read.length >= 9 && read.length >= 9 + read.readUIntBE(0, 3)) {
        const [type, flags, stream] = [read[3], read[4] ?? 0, read.readUInt32BE(5)];
        // RST_STREAM, GOAWAY, or the end of the answer.
        if (type === 3 || type === 7 || (stream === 1 && (flags & 1) === 1)) socket.destroy();
        read = read.subarray(9 + read.readUIntBE(0, 3));
      }
    });
    socket.write(PREFACE);
    socket.write(headersFrame(1, fields, body === ""));
    if (body !== "") socket.write(frame(0, 1, 1, Buffer.from(body)));
  });
}

await t.test("HTTP/2: what would be two requests, or other headers, in HTTP/1.1 does not reach the pod", async (t) => {
  let seen = "";
  const noting = (): ReturnType<typeof createServer> =>
    createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        seen += chunk.toString("latin1");
        if (seen.includes("\r\n\r\n")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
      });
    });
  await world.service("noting", { server: noting });
  await addIngress(world, ingress("noting", "noting.example", "noting"));
  const hidden = "GET /hidden HTTP/1.1\r\nHost: noting.example\r\n\r\n";
  const request = (...more: Fields): Fields => [
    [":method", "POST"],
    [":scheme", "https"],
    [":authority", "noting.example"],
    [":path", "/"],
    ...more,
  ];
  const replaced = (which: string, by: string): Fields => request().map(([name, value]) => [name, name === which ? by : value]);
  const rows: readonly (readonly [name: string, fields: Fields, body: string])[] = [
    ["Transfer-Encoding", request(["transfer-encoding", "chunked"]), `0\r\n\r\n${hidden}`],
    ["a shorter Content-Length", request(["content-length", "0"]), hidden],
    ["a longer Content-Length", request(["content-length", "9999"]), hidden],
    ["two Content-Lengths", request(["content-length", "0"], ["content-length", String(hidden.length)]), hidden],
    ["a line end in a value", request(["x", `a\r\n\r\n${hidden}`]), ""],
    ["a bare LF in a value", request(["x", `a\n\n${hidden}`]), ""],
    ["a line end in a name", request([`x: a\r\nhidden`, "1"]), ""],
    ["a colon in a name", request(["hidden:x", "1"]), ""],
    ["a name in upper case", request(["HIDDEN", "1"]), ""],
    ["Connection", request(["connection", "hidden"], ["hidden", "1"]), ""],
    ["a line end in the path", replaced(":path", `/ HTTP/1.1\r\nhidden: 1\r\nx: `), ""],
    ["a space in the path", replaced(":path", "/hidden HTTP/1.1"), ""],
    ["a line end in the method", replaced(":method", "GET /hidden HTTP/1.1\r\nx: y\r\n\r\nGET"), ""],
    ["a line end in the authority", replaced(":authority", "noting.example\r\nhidden: 1"), ""],
    ["a pseudo-header at the end", request(["x", "y"], [":path", "/hidden"]), ""],
    ["an unknown pseudo-header", request([":hidden", "1"]), ""],
  ];
  for (const [name, fields, body] of rows) {
    seen = "";
    await rawHttp2(fields, body);
    // A body is a body: what matters is that nothing reads it as a head.
    const [head = ""] = seen.split("\r\n\r\n");
    t.notMatch(head, /hidden/i, `${name}: no head of ours in it`);
    t.ok((seen.match(/^[A-Z]+ \S+ HTTP\/1\.1\r\n/gm) ?? []).length - (seen.includes(hidden) ? 1 : 0) <= 1, `${name}: one request at most`);
    if (seen.includes(hidden)) t.match(head, new RegExp(`content-length: ${hidden.length}`, "i"), `${name}: it is framed as a body`);
  }
  seen = "";
  await rawHttp2(request(["x", "y"]), "body");
  t.match(seen, /^POST \/ HTTP\/1\.1\r\n[\s\S]*\r\n\r\nbody$/, "a well-formed one does");
});
