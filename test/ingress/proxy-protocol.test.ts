// PROXY protocol headers: versions 1 and 2, whole, cut and broken. Facts: HAProxy doc/proxy-protocol.txt; ngx_proxy_protocol.c.
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { parseProxyHeader, type ProxiedConnection, proxyHeader } from "../../ingress/proxy-protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const V4 = "c0a80001c0a8000bdbf804d2";
const V6 = `${"20010db8000000000000000000000001"}${"20010db8000000000000000000000002"}dbf801bb`;

/** `type` and `size`, or the connection. */
function shown(bytes: Buffer): string {
  const header = parseProxyHeader(bytes);
  if (header.type !== "header") return header.type === "broken" ? `broken: ${header.reason}` : header.type;
  const { connection, size } = header;
  if (!connection) return `nobody, ${size} bytes`;
  const { sourceIp, sourcePort, destinationIp, destinationPort } = connection;
  return `${sourceIp} ${sourcePort} ${destinationIp} ${destinationPort}, ${size} bytes`;
}

t.test("version 1", (t) => {
  const rows: readonly (readonly [text: string, expected: string])[] = [
    // ingress-nginx test/e2e/settings/proxy_protocol.go
    ["PROXY TCP4 192.168.0.1 192.168.0.11 56324 1234\r\n", "192.168.0.1 56324 192.168.0.11 1234, 48 bytes"],
    ["PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n", "192.168.0.1 56324 192.168.0.11 443, 47 bytes"],
    ["PROXY TCP6 2001:db8::1 2001:0DB8:0::2 1 65535\r\n", "2001:db8::1 1 2001:db8::2 65535, 47 bytes"],
    ["PROXY UNKNOWN\r\n", "nobody, 15 bytes"],
    ["PROXY UNKNOWN ffff:f::f ffff::f 65535 65535\r\n", "nobody, 45 bytes"],
    ["P", "more"],
    ["PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r", "more"],
    ["GET / HTTP/1.1\r\n", "none"],
    ["PROXZ", "none"],
    ["proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "none"],
    ["PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", 'broken: unknown protocol ""'],
    ["PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", 'broken: unknown protocol "TCP5"'],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "broken: 5 words instead of 6"],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "broken: 7 words instead of 6"],
    ["PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", "broken: 1.1.1.256 and 2.2.2.2 are not IPv4 addresses"],
    ["PROXY TCP4 ::1 ::2 1 2\r\n", "broken: ::1 and ::2 are not IPv4 addresses"],
    ["PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "broken: 1.1.1.1 and 2.2.2.2 are not IPv6 addresses"],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "broken: 1 and 65536 are not ports"],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", "broken: -1 and 2 are not ports"],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 0x1 2\r\n", "broken: 0x1 and 2 are not ports"],
    [`PROXY UNKNOWN ${"x".repeat(93)}`, "broken: no end of line within 107 bytes"],
    ["PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "more"],
  ];
  for (const [text, expected] of rows) t.equal(shown(Buffer.from(text)), expected, JSON.stringify(text));
  t.end();
});

t.test("version 2", (t) => {
  const rows: readonly (readonly [name: string, hex: string, expected: string])[] = [
    ["TCP over IPv4", `${SIGNATURE}2111000c${V4}`, "192.168.0.1 56312 192.168.0.11 1234, 28 bytes"],
    ["TCP over IPv6", `${SIGNATURE}21210024${V6}`, "2001:db8::1 56312 2001:db8::2 443, 52 bytes"],
    ["with TLVs", `${SIGNATURE}21110013${V4}04000400000000`, "192.168.0.1 56312 192.168.0.11 1234, 35 bytes"],
    ["LOCAL", `${SIGNATURE}20000000`, "nobody, 16 bytes"],
    ["LOCAL with addresses", `${SIGNATURE}2011000c${V4}`, "nobody, 28 bytes"],
    ["UDP over IPv4", `${SIGNATURE}2112000c${V4}`, "nobody, 28 bytes"],
    ["a Unix socket", `${SIGNATURE}213100d8${"00".repeat(216)}`, "nobody, 232 bytes"],
    ["UNSPEC", `${SIGNATURE}21000000`, "nobody, 16 bytes"],
    ["the signature", SIGNATURE, "more"],
    ["without its last byte", `${SIGNATURE}2111000c${V4}`.slice(0, -2), "more"],
    ["version 3", `${SIGNATURE}3111000c${V4}`, "broken: version 3"],
    ["addresses cut off", `${SIGNATURE}2111000b${V4}`, "broken: addresses are cut off"],
    ["longer than nginx takes", `${SIGNATURE}21111000`, "broken: 4112 bytes long"],
    ["another signature", `${SIGNATURE.slice(0, -2)}0b`, "none"],
  ];
  for (const [name, hex, expected] of rows) t.equal(shown(Buffer.from(hex, "hex")), expected, name);
  t.end();
});

const port = fc.integer({ min: 0, max: 65_535 });
const connections: fc.Arbitrary<ProxiedConnection> = fc.record(
  { sourceIp: fc.ipV4(), destinationIp: fc.ipV4(), sourcePort: port, destinationPort: port },
  { noNullPrototype: true },
);

/** Written from the specification, apart from the parser. */
function version2({ sourceIp, destinationIp, sourcePort, destinationPort }: ProxiedConnection, tlvs: Uint8Array): Buffer {
  const bytes = [...`${sourceIp}.${destinationIp}`.split(".").map(Number)];
  for (const each of [sourcePort, destinationPort]) bytes.push(each >> 8, each & 255);
  const length = bytes.length + tlvs.length;
  return Buffer.concat([Buffer.from(SIGNATURE, "hex"), Buffer.from([0x21, 0x11, length >> 8, length & 255, ...bytes]), tlvs]);
}

t.test("what is written is read, and only when all of it is there", (t) => {
  fc.assert(
    fc.property(connections, fc.uint8Array({ maxLength: 40 }), fc.nat(), (connection, rest, cut) => {
      for (const header of [Buffer.from(proxyHeader(connection)), version2(connection, rest)]) {
        assert.deepEqual(parseProxyHeader(Buffer.concat([header, rest])), { type: "header", size: header.length, connection });
        assert.equal(parseProxyHeader(header.subarray(0, cut % header.length)).type, "more");
      }
    }),
    { numRuns: 300 },
  );
  t.equal(proxyHeader({ sourceIp: "::1", sourcePort: 1, destinationIp: "::2", destinationPort: 2 }), "PROXY TCP6 ::1 ::2 1 2\r\n");
  t.equal(proxyHeader({ sourceIp: "", sourcePort: 1, destinationIp: "::2", destinationPort: 2 }), "PROXY UNKNOWN\r\n");
  t.end();
});

t.test("anything is read without an exception", (t) => {
  const starts = fc.constantFrom(Buffer.alloc(0), Buffer.from("PROXY "), Buffer.from("PROXY TCP4 "), Buffer.from(SIGNATURE, "hex"));
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const header = parseProxyHeader(Buffer.concat([start, rest]));
      if (header.type === "header") assert.ok(header.size <= start.length + rest.length);
    }),
    { numRuns: 3000 },
  );
  t.pass();
  t.end();
});
