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
  for (const [host, conditions] of [
    ["ailing", "error http_503"],
    ["again", "error http_503 non_idempotent"],
    ["off", "error http_503 off"],
  ] as const)
    await addIngress(world, ingress(host, `${host}.example`, "ailing", { "proxy-next-upstream": conditions }));
  const status = async (method: string, path: string, host = "ailing"): Promise<number> =>
    (await ask(world.socket(80), { host: `${host}.example`, method, path, body: method === "POST" ? "x" : "" })).status;
  t.strictSame(await Promise.all([status("GET", "/"), status("GET", "/"), status("GET", "/")]), [200, 200, 200]);
  calls.length = 0;
  t.equal(await status("GET", "/all"), 503);
  t.equal(calls.length, 3);
  calls.length = 0;
  await status("POST", "/all");
  t.equal(calls.length, 1, "POST is sent once");
  calls.length = 0;
  await status("POST", "/all", "again");
  t.equal(calls.length, 3, "unless the annotation says non_idempotent (template.go buildNextUpstream)");
  calls.length = 0;
  await status("GET", "/all", "off");
  t.equal(calls.length, 1, "off takes back what stands beside it");
});

await t.test("proxy-redirect-*, proxy-cookie-*: the answers of stock nginx", async (t) => {
  await world.service("httpbun");
  const cookieDomain = { "proxy-cookie-domain": "localhost example.org" };
  const redirect = { "proxy-redirect-from": "hello.com", "proxy-redirect-to": "goodbye.com" };
  const toPath = { "proxy-redirect-from": "http://hello.com/", "proxy-redirect-to": "/" };
  const rows: readonly (readonly [annotations: Readonly<Record<string, string>>, sent: string, passed: string])[] = [
    [cookieDomain, "Set-Cookie=a=b; Domain=localhost", "a=b; Domain=example.org"],
    [cookieDomain, "Set-Cookie=a=b;Domain=.localhost; HttpOnly", "a=b; Domain=.example.org; HttpOnly"],
    [cookieDomain, "Set-Cookie=a=b; domain=LOCALHOST", "a=b; domain=example.org"],
    [cookieDomain, "Set-Cookie=a=b; Domain=x.localhost", "a=b; Domain=x.localhost"],
    [cookieDomain, "Set-Cookie=a=b; Domain=localhost.x", "a=b; Domain=localhost.x"],
    [cookieDomain, "Set-Cookie=a=b;Path=/", "a=b;Path=/"],
    [{ "proxy-cookie-domain": ".localhost .example.org" }, "Set-Cookie=a=b; Domain=localhost", "a=b; Domain=example.org"],
    [{ "proxy-cookie-path": "/one/ /" }, "Set-Cookie=a=b; Path=/one/two", "a=b; Path=/two"],
    [{ "proxy-cookie-path": "/one/ /" }, "Set-Cookie=a=b; path=/ONE/x", "a=b; path=/ONE/x"],
    [{ "proxy-cookie-path": "/one/ /" }, "Set-Cookie=a=b;Path=/one", "a=b;Path=/one"],
    [{ "proxy-cookie-path": "/one/ /" }, "Set-Cookie=a=b; Path=/one/;HttpOnly", "a=b; Path=/; HttpOnly"],
    [{ "proxy-cookie-path": "/one/ /" }, "Set-Cookie=a=/one/; Secure", "a=/one/; Secure"],
    [redirect, "Location=hello.com/x", "goodbye.com/x"],
    [redirect, "Location=HELLO.com/x", "HELLO.com/x"],
    [redirect, "Location=http://hello.com", "http://hello.com"],
    [redirect, "Refresh=5; url=hello.com/y", "5; url=goodbye.com/y"],
    [redirect, "Refresh=0; URL=hello.com", "0; URL=goodbye.com"],
    [redirect, "Refresh=hello.com", "hello.com"],
    [toPath, "Location=http://hello.com/x", "http://HOST/x"],
    [toPath, "Location=http://hello.com", "http://hello.com"],
    [{ ...toPath, "relative-redirects": "true" }, "Location=http://hello.com/x", "/x"],
    [{ ...toPath, "proxy-redirect-from": "off" }, "Location=http://hello.com/x", "http://hello.com/x"],
    [{ ...toPath, "proxy-redirect-to": "off" }, "Location=http://hello.com/x", "http://hello.com/x"],
  ];
  for (const [i, [annotations, sent, passed]] of rows.entries()) {
    const host = `terms-${i}.example`;
    await addIngress(world, ingress(`terms-${i}`, host, "httpbun", annotations));
    const at = sent.indexOf("=");
    const query = new URLSearchParams({ [sent.slice(0, at)]: sent.slice(at + 1) }).toString();
    const answer = await ask(world.socket(80), { host, path: `/response-headers?${query}` });
    const is = answer.headers[sent.slice(0, at).toLowerCase()];
    t.equal([is].flat().join(), passed.replace("HOST", host), `${JSON.stringify(annotations)} ${sent}`);
  }
});

await t.test("annotations without effect are told", (t) => {
  const rows: readonly (readonly [name: string, value: string, says: RegExp | undefined])[] = [
    ["proxy-buffering", "on", undefined],
    ["auth-tls-verify-depth", "3", undefined],
    ["proxy-ssl-verify", "on", undefined],
    ["ssl-ciphers", "AES256-SHA", undefined],
    ["ssl-prefer-server-ciphers", "true", undefined],
    ["ssl-prefer-server-ciphers", "false", undefined],
    ["backend-protocol", "FCGI", undefined],
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
