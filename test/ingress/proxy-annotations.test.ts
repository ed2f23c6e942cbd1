// The proxy-* annotations that a pod or a client can see, and the Warnings of those that nothing here acts on.
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import t from "tap";
import { compileAnnotations } from "../../ingress/annotations/index.ts";
import { ControllerConfig } from "../../ingress/config.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

await t.test("proxy-http-version 1.0: the pod sees HTTP/1.0, a length and no Connection header, and ends the connection", async (t) => {
  const seen: string[] = [];
  const sockets = new Set<unknown>();
  const server = (): ReturnType<typeof createHttpServer> =>
    createHttpServer((request, response) => {
      sockets.add(request.socket);
      seen.push(`${request.httpVersion} ${request.method} ${request.headers.connection} ${request.headers["content-length"]}`);
      request.resume().once("end", () => response.end("ok"));
    });
  await world.service("old", { server });
  await addIngress(world, ingress("old", "old.example", "old", { "proxy-http-version": "1.0", "proxy-request-buffering": "off" }));
  const at = world.socket(80);
  t.equal((await ask(at, { host: "old.example" })).body.toString(), "ok");
  const chunked = { host: "old.example", method: "POST", headers: { "Transfer-Encoding": "chunked" }, body: "12345" };
  t.equal((await ask(at, chunked)).status, 200);
  t.strictSame(seen, ["1.0 GET undefined undefined", "1.0 POST undefined 5"]);
  t.equal(sockets.size, 2);
});

await t.test("proxy-send-timeout: a pod that does not read its request is 504", async (t) => {
  const server = (): ReturnType<typeof createTcpServer> => createTcpServer((socket) => void socket.on("error", () => {}).pause());
  await world.service("deaf", { server });
  await addIngress(
    world,
    ingress("deaf", "deaf.example", "deaf", { "proxy-send-timeout": "1", "proxy-body-size": "0", "proxy-next-upstream": "off" }),
  );
  const answer = await ask(world.socket(80), { host: "deaf.example", method: "POST", body: Buffer.alloc(20_000_000) });
  t.equal(answer.status, 504);
});

await t.test("annotations without effect are told", (t) => {
  const rows: readonly (readonly [name: string, value: string, says: RegExp | undefined])[] = [
    ["proxy-buffering", "on", /not modelled/],
    ["proxy-buffering", "off", undefined],
    ["auth-tls-verify-depth", "3", /not modelled/],
    ["auth-keepalive", "10", /not modelled/],
    ["auth-keepalive-requests", "10", /not modelled/],
    ["auth-keepalive-timeout", "10", /not modelled/],
    ["auth-keepalive-share-vars", "true", /not modelled/],
    ["backend-protocol", "FCGI", /HTTP is used/],
    ["ssl-passthrough", "true", /is not modelled; TLS ends at the controller/],
    ["proxy-http-version", "1.0", undefined],
    ["proxy-send-timeout", "5", undefined],
  ];
  for (const [name, value, says] of rows) {
    const { problems } = compileAnnotations(ingress("x", "x.example", "x", { [name]: value }), new ControllerConfig());
    t.equal(problems.length, says ? 1 : 0, name);
    if (says) t.match(problems[0], new RegExp(`^nginx\\.ingress\\.kubernetes\\.io/${name}: .*${says.source}`));
  }
  t.end();
});
