// The proxy-* annotations that a pod or a client can see, and the Warnings of those that nothing here acts on.
import { createServer as createHttpServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import t from "tap";
import { compileAnnotations } from "../../ingress/annotations/index.ts";
import { ControllerConfig } from "../../ingress/config.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

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

await t.test("proxy-buffering on: pieces wait for a buffer or for the end; X-Accel-Buffering of the pod stands above it", async (t) => {
  const release = Promise.withResolvers<void>();
  const server = (): ReturnType<typeof createHttpServer> =>
    createHttpServer((request, response) => {
      const asked = /x=(\w+)/.exec(request.url ?? "")?.[1];
      if (asked !== undefined) response.setHeader("X-Accel-Buffering", asked);
      response.write("first");
      release.promise.then(() => response.end("last"));
    });
  await world.service("pieces", { server });
  await addIngress(
    world,
    ingress("held", "held.example", "pieces", { "proxy-buffering": "on" }),
    ingress("passed", "passed.example", "pieces", { "proxy-buffering": "off" }),
  );
  const parts: Record<string, string[]> = {};
  const answers = ["held.example/", "passed.example/", "held.example/?x=no", "passed.example/?x=yes"].map((url) => {
    const [host = ""] = url.split("/");
    const socket = connect(world.socket(80).port, world.socket(80).ip);
    const got: string[] = (parts[url] = []);
    socket.on("data", (chunk) => got.push(chunk.toString()));
    socket.write(`GET ${url.slice(host.length)} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return new Promise((resolve) => socket.once("close", resolve));
  });
  const has = (url: string, text: string): boolean => (parts[url] ?? []).join("").includes(text);
  await until(() => has("passed.example/", "first") && has("held.example/?x=no", "first"));
  t.notOk(has("held.example/", "first"));
  t.notOk(has("passed.example/?x=yes", "first"));
  release.resolve();
  await Promise.all(answers);
  for (const url of Object.keys(parts)) t.ok(has(url, "first") && has(url, "last"), url);
});

await t.test("proxy-next-upstream with statuses: another pod is asked, the last answer stands", async (t) => {
  const calls: string[] = [];
  const server = (pod: string): ReturnType<typeof createHttpServer> =>
    createHttpServer((request, response) => {
      calls.push(`${request.method} ${pod}`);
      request.resume().once("end", () => response.writeHead(pod.endsWith("-0") || request.url === "/all" ? 503 : 200).end(pod));
    });
  await world.service("ailing", { replicas: 3, server });
  await addIngress(world, ingress("ailing", "ailing.example", "ailing", { "proxy-next-upstream": "error http_503" }));
  const status = async (method: string, path: string): Promise<number> =>
    (await ask(world.socket(80), { host: "ailing.example", method, path, body: method === "POST" ? "x" : "" })).status;
  t.strictSame(await Promise.all([status("GET", "/"), status("GET", "/"), status("GET", "/")]), [200, 200, 200]);
  calls.length = 0;
  t.equal(await status("GET", "/all"), 503);
  t.equal(calls.length, 3);
  calls.length = 0;
  await status("POST", "/all");
  t.equal(calls.length, 1);
  calls.length = 0;
  const named = { "proxy-next-upstream": "error http_503 non_idempotent" };
  await addIngress(world, ingress("again", "again.example", "ailing", named));
  await ask(world.socket(80), { host: "again.example", method: "POST", path: "/all", body: "x" });
  t.equal(calls.length, 3, "non_idempotent (template_test.go TestBuildNextUpstream, local)");
});

await t.test("annotations without effect are told", (t) => {
  const rows: readonly (readonly [name: string, value: string, says: RegExp | undefined])[] = [
    ["proxy-buffering", "on", undefined],
    ["auth-tls-verify-depth", "3", undefined],
    ["proxy-ssl-verify", "on", undefined],
    ["ssl-ciphers", "AES256-SHA", undefined],
    ["ssl-prefer-server-ciphers", "true", undefined],
    ["ssl-prefer-server-ciphers", "false", undefined],
    ["backend-protocol", "FCGI", /HTTP is used/],
    ["ssl-passthrough", "true", undefined],
    ["proxy-http-version", "1.0", undefined],
    ["proxy-send-timeout", "5", undefined],
    ["enable-rewrite-log", "true", undefined],
    ["proxy-read-timeout", "5s", /the default is used/],
    ["no-such-thing", "x", /unknown annotation/],
  ];
  for (const [name, value, says] of rows) {
    const { problems } = compileAnnotations(ingress("x", "x.example", "x", { [name]: value }), new ControllerConfig());
    t.equal(problems.length, says ? 1 : 0, name);
    if (says) t.match(problems[0], new RegExp(`^nginx\\.ingress\\.kubernetes\\.io/${name}: .*${says.source}`));
  }
  const keep = { "auth-url": "http://auth.default/", "auth-keepalive": "10" };
  const told = (config: Record<string, string>): number =>
    compileAnnotations(ingress("x", "x.example", "x", keep), new ControllerConfig(config)).problems.length;
  t.strictSame([told({}), told({ "use-http2": "false" })], [1, 0], "auth-keepalive works without HTTP/2 only");
  t.end();
});
