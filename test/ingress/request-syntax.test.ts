// What of a request's syntax is refused, and how: versions, hosts, transfer codings.
// Facts: nginx 1.22.1 (run, each row).
import t from "tap";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("echo");
await addIngress(world, ingress("good", "good.example", "echo", { "permanent-redirect": "https://there.example" }));

const HOST = "Host: good.example\r\n";
const get = (version: string, lines: string): string => `GET / ${version}\r\n${lines}Connection: close\r\n\r\n`;
const host = (name: string): string => get("HTTP/1.1", `Host: ${name}\r\n`);
const post = (coding: string, more = ""): string =>
  `POST / HTTP/1.1\r\n${HOST}Connection: close\r\nTransfer-Encoding: ${coding}\r\n${more}\r\n0\r\n\r\n`;
const rows: readonly (readonly [name: string, bytes: string, expected: string])[] = [
  ["HTTP/1.0", get("HTTP/1.0", HOST), "301 Moved Permanently"],
  ["HTTP/1.0 without Host", get("HTTP/1.0", ""), "404 Not Found"],
  ["HTTP/1.1 without Host", get("HTTP/1.1", ""), "400 Bad Request"],
  ["HTTP/2.0 in a request line", get("HTTP/2.0", HOST), "505 HTTP Version Not Supported"],
  ["HTTP/0.9 in a request line", get("HTTP/0.9", HOST), "400 Bad Request"],
  ["an empty Host", host(""), "400 Bad Request"],
  ["a port", host("good.example:80"), "301 Moved Permanently"],
  ["a port that is none", host("good.example:abc"), "301 Moved Permanently"],
  ["a final dot and upper case", host("GOOD.example."), "301 Moved Permanently"],
  ["two dots", host("good.example.."), "400 Bad Request"],
  ["two dots in front", host("..good.example"), "400 Bad Request"],
  ["a dot in front", host(".good.example"), "404 Not Found"],
  ["a slash", host("good.example/x"), "400 Bad Request"],
  ["a blank", host("good example"), "400 Bad Request"],
  ["a user", host("user@good.example"), "404 Not Found"],
  ["an open bracket", host("[::1"), "404 Not Found"],
  ["chunked, in any case", post("CHUNKED"), "301 Moved Permanently"],
  ["gzip", post("gzip"), "501 Not Implemented"],
  ["identity", post("identity"), "501 Not Implemented"],
  ["chunked of HTTP/1.0", `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "400 Bad Request"],
  ["CONNECT", `CONNECT good.example:443 HTTP/1.1\r\n${HOST}\r\n`, "400 Bad Request"],
  ["TRACE", `TRACE / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, "405 Not Allowed"],
];
for (const [name, bytes, expected] of rows)
  await t.test(name, async (t) => {
    const answer = await raw(world.socket(80), bytes);
    t.equal(answer.split("\r\n")[0], `HTTP/1.1 ${expected}`);
    t.match(answer, /\r\nConnection: close\r\n/);
  });

await t.test("HTTP on the HTTPS port", async (t) => {
  for (const method of ["GET", "HEAD", "POST", "PUT"]) {
    const answer = await raw(world.socket(443), `${method} / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`);
    t.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*<center>The plain HTTP request was sent to HTTPS port<\/center>/, method);
  }
  t.equal(await raw(world.socket(443), "SSH-2.0-OpenSSH\r\n"), "", "what is neither is closed");
});
