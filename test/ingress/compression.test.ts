// use-gzip and enable-brotli beyond upstream's own tests: who gets a compressed body, and whom Vary tells of it
// (ngx_http_gzip_ok, ngx_http_gzip_accept_encoding, gzip_vary).
import { createServer } from "node:http";
import t from "tap";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);

const ROWS: readonly (readonly [
  config: Readonly<Record<string, string>>,
  accepted: string,
  path: string,
  coding: string | undefined,
  vary: string | undefined,
])[] = [
  [{ "use-gzip": "true" }, "gzip, br", "/long", "gzip", "Accept-Encoding"],
  [{ "use-gzip": "true" }, "", "/long", undefined, "Accept-Encoding"],
  [{ "use-gzip": "true" }, "br", "/long", undefined, "Accept-Encoding"],
  [{ "use-gzip": "true" }, "gzip;q=0", "/long", undefined, "Accept-Encoding"],
  [{ "use-gzip": "true" }, "br, gzip;q=0.000, deflate", "/long", undefined, "Accept-Encoding"],
  [{ "use-gzip": "true" }, "br,gzip;q=0.5", "/long", "gzip", "Accept-Encoding"],
  [{ "use-gzip": "true" }, "x-gzip", "/long", undefined, "Accept-Encoding"],
  [{ "use-gzip": "true" }, "GZIP", "/long", "gzip", "Accept-Encoding"],
  [{ "use-gzip": "true" }, "gzip", "/short", undefined, undefined],
  [{ "enable-brotli": "true" }, "br", "/long", "br", undefined],
  [{ "enable-brotli": "true" }, "br;q=0", "/long", undefined, undefined],
  [{ "enable-brotli": "true", "use-gzip": "true" }, "gzip, br", "/long", "br", "Accept-Encoding"],
  [{}, "gzip, br", "/long", undefined, undefined],
];

await t.test("by what the client accepts", async (t) => {
  for (const [config, accepted, path, coding, vary] of ROWS) {
    await using world = await harness.start({ config });
    const server = createServer((request, response) =>
      response.setHeader("Content-Type", "Text/Plain").end("x".repeat(request.url === "/long" ? 1000 : 10)),
    );
    await world.service("text", { server: () => server });
    await addIngress(world, ingress("text", "text.example", "text"));
    const got = await ask(world.socket(80), { host: "text.example", path, headers: { "Accept-Encoding": accepted } });
    t.strictSame([got.headers["content-encoding"], got.headers["vary"]], [coding, vary], `${JSON.stringify(config)} ${accepted} ${path}`);
  }
});

await t.test("HTTP/1.0 gets no gzip", async (t) => {
  await using world = await harness.start({ config: { "use-gzip": "true" } });
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/plain").end("x".repeat(1000)));
  await world.service("text", { server: () => server });
  await addIngress(world, ingress("text", "text.example", "text"));
  const answer = await raw(world.socket(80), "GET / HTTP/1.0\r\nHost: text.example\r\nAccept-Encoding: gzip\r\n\r\n");
  t.match(answer, /\r\nVary: Accept-Encoding\r\n/);
  t.notMatch(answer, /content-encoding/i);
});
