// The server name of ClientHellos that real TLS clients send, whole, in pieces, in many records, and broken.
// Facts: RFC 8446 §4.1.2 and §5.1, RFC 6066 §3.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";
import fc from "fast-check";
import t from "tap";
import { type ClientHello, HELLO_LIMIT, parseClientHello } from "../../ingress/tls/client-hello.ts";

/** What a client of Node's OpenSSL sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, rejectUnauthorized: false, ...options });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

const plain = await helloOf({ servername: "shop.example" });
const hello = (serverName: string | undefined): ClientHello => ({ type: "hello", serverName });

await t.test("hellos of real clients", async (t) => {
  const rows: readonly (readonly [name: string, options: ConnectionOptions, serverName: string | undefined])[] = [
    ["TLS 1.3 and 1.2", { servername: "shop.example" }, "shop.example"],
    ["TLS 1.2 alone", { servername: "shop.example", maxVersion: "TLSv1.2" }, "shop.example"],
    ["with ALPN", { servername: "a.b.c.example", ALPNProtocols: ["h2", "http/1.1"] }, "a.b.c.example"],
    ["as it was typed", { servername: "Shop.EXAMPLE" }, "Shop.EXAMPLE"],
    ["no SNI", { servername: "" }, undefined],
    [
      "a name of 253 characters",
      { servername: `${"a".repeat(60)}.`.repeat(4).slice(0, 245) + ".example" },
      `${"a".repeat(60)}.`.repeat(4).slice(0, 245) + ".example",
    ],
  ];
  for (const [name, options, serverName] of rows) t.same(parseClientHello(await helloOf(options)), hello(serverName), name);
});

t.test("what is not a ClientHello", (t) => {
  const edited = (at: number, ...bytes: number[]): Buffer => {
    const copy = Buffer.from(plain);
    copy.set(bytes, at);
    return copy;
  };
  const record = (...body: number[]): Buffer => Buffer.from([22, 3, 1, body.length >> 8, body.length & 255, ...body]);
  const rows: readonly (readonly [name: string, bytes: Buffer, type: ClientHello["type"]])[] = [
    ["nothing", Buffer.alloc(0), "more"],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "other"],
    ["one byte of HTTP", Buffer.from("G"), "other"],
    ["SSLv2's hello", Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 15]), "other"],
    ["an alert", Buffer.from([21, 3, 1, 0, 2, 1, 0]), "other"],
    ["a record of version 2", edited(1, 2), "other"],
    ["a ServerHello", edited(5, 2), "other"],
    ["an empty record", record(), "other"],
    ["a record over 16 kB", Buffer.from([22, 3, 1, 0x7f, 0xff]), "other"],
    ["a message over 16 kB", record(1, 0xff, 0xff, 0xff), "other"],
    ["a message that says more than comes", record(1, 0, 0, 9), "more"],
    ["an empty message", record(1, 0, 0, 0), "other"],
    ["the session id runs out of the message", edited(43, 255), "other"],
    ["another record in between", Buffer.concat([record(1, 0, 0, 40), Buffer.from([23, 3, 3, 0, 1, 0])]), "other"],
    [
      "a head and no more, as long as upstream reads",
      Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xff]), Buffer.alloc(HELLO_LIMIT)]),
      "other",
    ],
  ];
  for (const [name, bytes, type] of rows) t.equal(parseClientHello(bytes).type, type, name);
  t.end();
});

t.test("the extension", (t) => {
  const u16 = (n: number): number[] => [n >> 8, n & 255];
  const withExtensions = (...extensions: number[]): Buffer => {
    const body = [3, 3, ...Array(32).fill(7), 0, 0, 2, 0x13, 1, 1, 0, ...u16(extensions.length), ...extensions];
    const message = [1, 0, ...u16(body.length), ...body];
    return Buffer.from([22, 3, 1, ...u16(message.length), ...message]);
  };
  const name = [...Buffer.from("a.example")];
  const entry = [0, ...u16(name.length), ...name];
  const list = [...u16(entry.length), ...entry];
  const rows: readonly (readonly [name: string, bytes: Buffer, expected: ClientHello])[] = [
    ["alone", withExtensions(0, 0, ...u16(list.length), ...list), hello("a.example")],
    ["after another", withExtensions(0, 23, 0, 0, 0, 0, ...u16(list.length), ...list), hello("a.example")],
    ["none", withExtensions(0, 23, 0, 0), hello(undefined)],
    ["no extensions", withExtensions(), hello(undefined)],
    ["an empty list", withExtensions(0, 0, 0, 2, 0, 0), hello(undefined)],
    ["a name of another type", withExtensions(0, 0, 0, 6, 0, 4, 9, 0, 1, 65), hello(undefined)],
    ["a list longer than its extension", withExtensions(0, 0, 0, 2, 0, 9), { type: "other" }],
    ["a name longer than its list", withExtensions(0, 0, 0, 5, 0, 3, 0, 0, 9), { type: "other" }],
    ["an extension longer than all", withExtensions(0, 0, 0, 99, 0, 0), { type: "other" }],
  ];
  for (const [what, bytes, expected] of rows) t.same(parseClientHello(bytes), expected, what);
  t.end();
});

/** The handshake message cut into records of these sizes. */
function inRecords(sizes: readonly number[]): Buffer {
  const message = plain.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0, i = 0; at < message.length; i++) {
    const part = message.subarray(at, at + (sizes[i % sizes.length] ?? 1));
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
    at += part.length;
  }
  return Buffer.concat(records);
}

t.test("in any records, and never before the last byte of them", (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 8 }), fc.nat(), (sizes, cut) => {
      const bytes = inRecords(sizes);
      assert.deepEqual(parseClientHello(bytes), hello("shop.example"));
      assert.deepEqual(parseClientHello(Buffer.concat([bytes, Buffer.from("early data")])), hello("shop.example"));
      assert.equal(parseClientHello(bytes.subarray(0, cut % bytes.length)).type, "more");
    }),
    { numRuns: 200 },
  );
  t.pass();
  t.end();
});

t.test("anything is read without an exception", (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void parseClientHello(bytes)));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }), fc.nat(), (edits, cut) => {
      const bytes = Buffer.from(plain.subarray(0, (cut % plain.length) + 1));
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      parseClientHello(bytes);
    }),
    { numRuns: 2000 },
  );
  t.pass();
  t.end();
});
