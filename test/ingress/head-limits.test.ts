// How large a head may be, on both protocols, beyond what one buffer holds.
// Facts: nginx 1.22.1 with 4 buffers of 8k (run): statuses, GOAWAY codes, and how many lines fit.
import { connect as connectHttp2 } from "node:http2";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("echo");
await addIngress(world, ingress("good", "good.example", "echo", { "permanent-redirect": "https://there.example" }));

const start = "Host: good.example\r\nConnection: close\r\n";
const line = (bytes: number): string => `GET /${"a".repeat(bytes - 16)} HTTP/1.1\r\n${start}\r\n`;
const header = (bytes: number): string => `GET / HTTP/1.1\r\n${start}X: ${"a".repeat(bytes - 5)}\r\n\r\n`;
const lines = (count: number, bytes: number): string => `GET / HTTP/1.1\r\n${start}${`X: ${"a".repeat(bytes - 5)}\r\n`.repeat(count)}\r\n`;

await t.test("HTTP/1.1: 414 for a request line, 400 for header lines, however long", async (t) => {
  const tooLong = /^HTTP\/1\.1 414 Request-URI Too Large\r\n[\s\S]*Connection: close[\s\S]*<h1>414 Request-URI Too Large<\/h1>/;
  const tooLarge = /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*Connection: close[\s\S]*<center>Request Header Or Cookie Too Large/;
  const rows: readonly (readonly [name: string, bytes: string, expected: RegExp])[] = [
    ["a request line of 40 kB", line(40_000), tooLong],
    ["a request line of 100 kB", line(100_000), tooLong],
    ["a request line of 200 kB", line(200_000), tooLong],
    ["a request line without its end", "G".padEnd(200_000, "a").replace("Ga", "GET /"), tooLong],
    ["a header line of 40 kB", header(40_000), tooLarge],
    ["a header line of 100 kB", header(100_000), tooLarge],
    ["31 lines of 1 kB", lines(31, 1024), /^HTTP\/1\.1 301 /],
    ["32 lines of 1 kB, and no room for the end", lines(32, 1024), tooLarge],
    ["4 lines of 8 kB", lines(4, 8000), /^HTTP\/1\.1 301 /],
    ["5 lines of 8 kB", lines(5, 8000), tooLarge],
    ["2,000 lines", lines(2000, 60), tooLarge],
  ];
  for (const [name, bytes, expected] of rows) t.match(await raw(world.socket(80), bytes), expected, name);
});

/** The status, or the code of the GOAWAY that ended the connection. */
function askHttp2(headers: Readonly<Record<string, string>>): Promise<string> {
  const { ip, port } = world.socket(443);
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${ip}:${port}`, { rejectUnauthorized: false, maxSendHeaderBlockLength: 500_000 });
    session.on("error", () => {});
    session.on("goaway", (code) => resolve(`GOAWAY ${code}`));
    const asked = session.request({ ":path": "/", ":authority": "good.example", ...headers });
    asked.on("error", () => {});
    asked.on("response", (answer) => {
      resolve(String(answer[":status"]));
      session.destroy();
    });
    asked.resume();
    asked.end();
  });
}

await t.test("HTTP/2: the connection ends for ENHANCE_YOUR_CALM", async (t) => {
  const seven = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, "a".repeat(7900)]));
  const rows: readonly (readonly [name: string, headers: Readonly<Record<string, string>>, expected: string])[] = [
    ["a path of 13,000 bytes, 8,125 as it is sent", { ":path": `/${"a".repeat(12_999)}` }, "301"],
    ["a path of 13,120 bytes, 8,200 as it is sent", { ":path": `/${"a".repeat(13_119)}` }, "GOAWAY 11"],
    ["a path of 40 kB", { ":path": `/${"a".repeat(40_000)}` }, "GOAWAY 11"],
    ["a value of 8,192 bytes that Huffman makes no shorter", { x: "~".repeat(8192) }, "301"],
    ["one of 8,193", { x: "~".repeat(8193) }, "GOAWAY 11"],
    ["4 fields of 8 kB", seven(4), "301"],
    ["5 fields of 8 kB", seven(5), "GOAWAY 11"],
  ];
  for (const [name, headers, expected] of rows) t.equal(await askHttp2(headers), expected, name);
});

await t.test("large-client-header-buffers says how many and how large, client-header-buffer-size what comes before", async (t) => {
  const config = { namespace: "ingress-nginx", name: "ingress-nginx-controller" };
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: config,
    data: { "large-client-header-buffers": "2 16k", "client-header-buffer-size": "16k" },
  });
  await world.settle();
  t.match(await raw(world.socket(80), header(16_000)), /^HTTP\/1\.1 301 /);
  t.match(await raw(world.socket(80), lines(3, 15_000)), /^HTTP\/1\.1 301 /);
  t.match(await raw(world.socket(80), lines(4, 15_000)), /^HTTP\/1\.1 400 /);
  t.equal(await askHttp2({ x: "~".repeat(16_000) }), "301");
});
