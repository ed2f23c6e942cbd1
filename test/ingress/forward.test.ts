// The engine on real sockets: aborts both ways, retries, timeouts, bodies, WebSocket, keep-alive, TLS by SNI, HTTP/2.
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer as createTcpServer } from "node:net";
import type { Duplex } from "node:stream";
import t from "tap";
import { Ingresses, Secrets } from "../../model/resources.ts";
import { pair } from "./case.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
const http = (handler: (request: IncomingMessage, response: ServerResponse) => void): Server =>
  createHttpServer({ keepAliveTimeout: 60_000 }, handler);

await t.test("a client that leaves takes its request to the pod with it", async (t) => {
  let open = 0;
  let started = 0;
  await world.service("hanging", {
    server: () =>
      http((_, response) => {
        open++;
        started++;
        response.once("close", () => open--);
      }),
  });
  await addIngress(world, ingress("hanging", "hanging.example", "hanging"));
  const at = world.socket(80);
  const socket = connect(at.port, at.ip);
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: hanging.example\r\n\r\n");
  await until(() => started === 1);
  socket.destroy();
  await until(() => open === 0);
  t.equal(started, 1);
});

await t.test("a pod that dies in its answer cuts the client's", async (t) => {
  await world.service("dying", {
    server: () =>
      http(
        (_, response) => (
          response.writeHead(200, { "content-length": 100 }),
          response.write("half"),
          setTimeout(() => response.destroy(), 10)
        ),
      ),
  });
  await addIngress(world, ingress("dying", "dying.example", "dying"));
  const answer = await raw(world.socket(80), "GET / HTTP/1.1\r\nHost: dying.example\r\n\r\n");
  t.match(answer, /half$/);
});

await t.test("a refused peer is passed over, up to three tries; all refused is 502", async (t) => {
  await world.service("mixed", { replicas: 2, closed: true });
  await world.scale("mixed", 3);
  await addIngress(world, ingress("mixed", "mixed.example", "mixed"));
  for (let i = 0; i < 6; i++) t.equal((await ask(world.socket(80), { host: "mixed.example" })).status, 200);
  await world.service("refusing", { replicas: 4, closed: true });
  await addIngress(world, ingress("refusing", "refusing.example", "refusing"));
  const refused = await ask(world.socket(80), { host: "refusing.example" });
  t.equal(refused.status, 502);
  t.match(refused.body.toString(), /502 Bad Gateway/);
});

await t.test("a POST that may have reached the pod is not sent again; a GET is", async (t) => {
  const calls: string[] = [];
  const closing = (pod: string): Server =>
    http((request, response) => {
      calls.push(`${request.method} ${pod}`);
      if (pod.endsWith("-0")) return void request.socket.destroy();
      response.end(pod);
    });
  await world.service("closing", { replicas: 2, server: closing });
  await addIngress(world, ingress("closing", "closing.example", "closing"));
  const statuses: Record<string, number[]> = { GET: [], POST: [] };
  for (const method of ["GET", "POST"])
    for (let i = 0; i < 2; i++)
      statuses[method]?.push((await ask(world.socket(80), { host: "closing.example", method, body: method === "POST" ? "x" : "" })).status);
  t.strictSame(statuses["GET"], [200, 200]);
  t.strictSame(statuses["POST"]?.toSorted(), [200, 502]);
});

await t.test("bodies: buffered with a length, streamed when large, 413 when too large", async (t) => {
  await world.service("echo");
  await addIngress(world, ingress("echo", "echo.example", "echo"), ingress("big", "big.example", "echo", { "proxy-body-size": "0" }));
  const at = world.socket(80);
  const sizes = async (host: string, size: number): Promise<unknown> => {
    const answer = await ask(at, { host, method: "POST", body: Buffer.alloc(size, 1) });
    return answer.status === 200 ? JSON.parse(answer.body.toString()).body : answer.status;
  };
  t.equal(await sizes("echo.example", 10), 10);
  t.equal(await sizes("echo.example", 1024 * 1024), 1024 * 1024);
  t.equal(await sizes("echo.example", 1024 * 1024 + 1), 413);
  t.equal(await sizes("big.example", 5_000_000), 5_000_000);
  const chunk = `${(600_000).toString(16)}\r\n${"x".repeat(600_000)}\r\n`;
  const head = (host: string): string => `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
  t.match(await raw(at, `${head("echo.example")}${chunk}${chunk}0\r\n\r\n`), /^HTTP\/1\.1 413/);
  t.match(await raw(at, `${head("big.example")}${chunk}${chunk}0\r\n\r\n`), /"body":1200000/);
});

await t.test("WebSocket: bytes both ways, Upgrade seen by the pod, refusals passed", async (t) => {
  let sawUpgrade = "";
  const upgrading = (): Server => {
    const server = http((_, response) => void response.writeHead(426, { "content-type": "text/plain" }).end("no"));
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
      sawUpgrade = `${request.headers.upgrade} ${request.headers.connection} ${request.url} ${request.headers["x-forwarded-host"]}`;
      if (request.url === "/refuse") return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nServer: pod\r\n\r\n");
      socket.pipe(socket);
      socket.on("error", () => {});
    });
    return server;
  };
  await world.service("ws", { server: upgrading });
  await addIngress(world, ingress("ws", "ws.example", "ws"));
  const at = world.socket(80);
  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`;
  const answer = await raw(at, `${request("/chat//x")}ping`, /ping$/);
  t.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  t.equal(sawUpgrade, "websocket upgrade /chat//x ws.example");
  const closing = request("/refuse").replace("Upgrade\r\n\r\n", "Upgrade, close\r\n\r\n");
  t.match(await raw(at, closing), /^HTTP\/1\.1 403/);
  t.match(await raw(at, closing.replace("ws.example", "nowhere.example")), /^HTTP\/1\.1 404/);
});

await t.test("connections to a pod are kept and used again", async (t) => {
  const sockets = new Set<unknown>();
  await world.service("kept", { server: () => http((request, response) => (sockets.add(request.socket), response.end("ok"))) });
  await addIngress(world, ingress("kept", "kept.example", "kept"));
  for (let i = 0; i < 20; i++) await ask(world.socket(80), { host: "kept.example" });
  t.equal(sockets.size, 1);
});

await t.test("a pod that answers no HTTP, or too large a head, is 502", async (t) => {
  await world.service("garbage", {
    server: () => createTcpServer((socket) => void socket.on("error", () => {}).once("data", () => socket.end("what?\r\n\r\n"))),
  });
  await world.service("headed", { server: () => http((_, response) => response.writeHead(200, { "x-large": "x".repeat(5000) }).end()) });
  await addIngress(
    world,
    ingress("garbage", "garbage.example", "garbage"),
    ingress("headed", "headed.example", "headed"),
    ingress("roomy", "roomy.example", "headed", { "proxy-buffer-size": "8k" }),
  );
  t.equal((await ask(world.socket(80), { host: "garbage.example" })).status, 502);
  t.equal((await ask(world.socket(80), { host: "headed.example" })).status, 502);
  t.equal((await ask(world.socket(80), { host: "roomy.example" })).status, 200);
});

await t.test("certificates by SNI: exact, wildcard, and the fake one for the rest", async (t) => {
  for (const name of ["one.example", "*.wild.example"]) {
    const { key, cert } = pair(name, "server");
    const encode = (text: string): string => Buffer.from(text).toString("base64");
    await world.create(Secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "default", name: name.replace("*", "w") },
      data: { "tls.crt": encode(cert), "tls.key": encode(key) },
    });
  }
  const secured = (name: string, host: string): ReturnType<typeof ingress> => {
    const made = ingress(name, host, "echo");
    return { ...made, spec: { ...made.spec, tls: [{ hosts: [host], secretName: host.replace("*", "w") }] } };
  };
  await addIngress(world, secured("one", "one.example"), secured("wild", "*.wild.example"), secured("wrong", "two.example"));
  const name = async (sni: string): Promise<unknown> =>
    (await ask(world.socket(443), { scheme: "https", sni, host: sni })).certificate?.subject.CN;
  t.equal(await name("one.example"), "one.example");
  t.equal(await name("a.wild.example"), "*.wild.example");
  t.match(await name("a.b.wild.example"), /Fake/);
  t.match(await name("two.example"), /Fake/);
  // An exact host without tls has the wildcard's; an entry for another host serves those that its certificate covers.
  const other = ingress("sub", "c.wild.example", "echo");
  await addIngress(world, ingress("exact", "b.wild.example", "echo"), {
    ...other,
    spec: { ...other.spec, tls: [{ hosts: ["elsewhere.example"], secretName: "w.wild.example" }] },
  });
  t.equal(await name("b.wild.example"), "*.wild.example");
  t.equal(await name("c.wild.example"), "*.wild.example");
});

await t.test("HTTP/2 to clients, over the same routes", async (t) => {
  const at = world.socket(443);
  const session = connectHttp2(`https://${at.ip}:${at.port}`, { rejectUnauthorized: false, servername: "one.example" });
  const answer = await new Promise<{ status: unknown; body: string; hsts: unknown }>((resolve, reject) => {
    const stream = session.request({ ":path": "/a?b=1", ":method": "POST", ":authority": "one.example" });
    let body = "";
    let head: Record<string, unknown> = {};
    stream.on("response", (headers) => (head = headers));
    stream.on("data", (chunk: Buffer) => (body += chunk.toString()));
    stream.on("end", () => resolve({ status: head[":status"], body, hsts: head["strict-transport-security"] }));
    stream.on("error", reject);
    stream.end("12345");
  });
  session.close();
  t.equal(answer.status, 200);
  t.equal(answer.hsts, "max-age=31536000; includeSubDomains");
  const saw = JSON.parse(answer.body);
  t.strictSame([saw.path, saw.body, saw.headers.host, saw.headers["x-forwarded-proto"]], ["/a?b=1", 5, "one.example", "https"]);
});

await t.test("one change is live at once, and the rest keeps serving", async (t) => {
  await addIngress(
    world,
    ingress("bad-regex", "bad.example", "echo", { "use-regex": "true" }, "/a(", "ImplementationSpecific"),
    ingress("slow-regex", "slow.example", "echo", { "use-regex": "true" }, "/(a+)+$", "ImplementationSpecific"),
  );
  t.equal((await ask(world.socket(80), { host: "bad.example", path: "/a" })).status, 404);
  t.equal((await ask(world.socket(80), { host: "slow.example", path: `/${"a".repeat(60)}!` })).status, 500);
  t.equal((await ask(world.socket(80), { host: "echo.example" })).status, 200);
});

await t.test("a controller that starts again knows what was deleted meanwhile", async (t) => {
  const again = await harness.start();
  await using held = again;
  void held;
  await again.service("once");
  await addIngress(again, ingress("once", "once.example", "once"));
  t.equal((await ask(again.socket(80), { host: "once.example" })).status, 200);
  await again.restart(async () => void (await again.store.delete(Ingresses, "default", "once")));
  t.equal((await ask(again.socket(80), { host: "once.example" })).status, 404);
});

await t.test("a lone pod is tried three times when it resets, and told once when it is a POST", async (t) => {
  const calls: string[] = [];
  await world.service("alone", { server: () => http((request) => (calls.push(request.method ?? ""), void request.socket.destroy())) });
  await addIngress(world, ingress("alone", "alone.example", "alone"));
  t.equal((await ask(world.socket(80), { host: "alone.example" })).status, 502);
  t.equal((await ask(world.socket(80), { host: "alone.example", method: "POST", body: "x" })).status, 502);
  t.strictSame(calls, ["GET", "GET", "GET", "POST"]);
});

await t.test("a pod that refuses a request before it has come whole, and goes: its head reaches the client", async (t) => {
  await world.service("hasty", {
    server: () =>
      createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\n", () => socket.destroy()));
      }),
  });
  await addIngress(world, ingress("hasty", "hasty.example", "hasty"));
  for (const request of [
    "GET / HTTP/1.1\r\nHost: hasty.example\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: hasty.example\r\nContent-Length: 1\r\n\r\nx",
  ])
    t.match(await raw(world.socket(80), request), /^HTTP\/1\.1 400 /);
});

await t.test("tries without an end have one: a pod that always says 503 is asked 64 times", async (t) => {
  await using world = await harness.start();
  let asked = 0;
  await world.service("busy", { server: () => http((_, response) => (asked++, response.writeHead(503).end("busy"))) });
  await addIngress(world, ingress("busy", "busy.example", "busy", { "proxy-next-upstream": "http_503", "proxy-next-upstream-tries": "0" }));
  const answer = await ask(world.socket(80), { host: "busy.example" });
  t.equal(answer.status, 503);
  t.equal(answer.body.toString(), "busy");
  t.equal(asked, 64);
});
