// Requests for another protocol meet the annotations as any other request, and count until their connection ends.
import { createServer, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { ConfigMaps, Secrets } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
const format = "$status $upstream_status [$proxy_upstream_name] [$proxy_alternative_upstream_name] $service_name $ingress_name $request";
await using world = await harness.start({
  config: { "log-format-upstream": format, "global-allowed-response-headers": "X-Own", "limit-conn-zone-variable": "$binary_remote_addr" },
});

interface Seen {
  readonly pod: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}
const seen: Seen[] = [];
const sockets = new Set<Duplex>();
const pods = (pod: string) =>
  createServer((_, response) => void response.writeHead(404, { "x-pod": pod }).end("no")).on("upgrade", upgraded(pod));

function upgraded(pod: string): (request: IncomingMessage, socket: Duplex) => void {
  return ({ url = "", headers }, socket) => {
    seen.push({ pod, url, headers });
    sockets.add(socket.on("error", () => {}));
    if (url.includes("refuse")) return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Pod: ${pod}\r\nX-Hide: 1\r\n\r\n`);
    socket.pipe(socket);
  };
}
await world.service("ws", { server: pods });
await world.service("next", { server: pods });
for (const name of ["errs", "httpbun-auth"]) await world.service(name);
await world.service("none", { replicas: 0 });
await world.create(ConfigMaps, {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "default", name: "own-lines" },
  data: { "X-Own": "ours" },
});
await world.create(Secrets, {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { namespace: "default", name: "users" },
  data: { auth: Buffer.from("joe:{PLAIN}secret").toString("base64") },
});

const request = (host: string, path: string, more: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n${more}\r\n`;

const AUTH = "http://httpbun-auth.default.svc";
interface Row {
  readonly what: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly at?: string;
  readonly path?: string;
  readonly sends?: string;
  readonly gets: RegExp;
  readonly pod?: (seen: Seen) => unknown;
  readonly expected?: unknown;
}
const ROWS: readonly Row[] = [
  { what: "plain", annotations: {}, gets: /^HTTP\/1\.1 101 [^]*x-pod: ws-0/i, pod: ({ headers }) => headers.connection, expected: "upgrade" },
  {
    what: "rewrite-target",
    annotations: { "rewrite-target": "/in/$1" },
    at: "/out/(.*)",
    path: "/out/a?b=1",
    gets: / 101 /,
    pod: ({ url }) => url,
    expected: "/in/a?b=1",
  },
  {
    what: "upstream-vhost",
    annotations: { "upstream-vhost": "in.example" },
    gets: / 101 /,
    pod: ({ headers }) => headers.host,
    expected: "in.example",
  },
  {
    what: "connection-proxy-header",
    annotations: { "connection-proxy-header": "keep-alive" },
    gets: / 404 [^]*x-pod: ws-0/i,
  },
  { what: "denylist", annotations: { "denylist-source-range": "127.0.0.0/8" }, gets: / 403 / },
  { what: "allowlist", annotations: { "allowlist-source-range": "127.0.0.0/8" }, gets: / 101 / },
  {
    what: "auth-url that agrees",
    annotations: { "auth-url": `${AUTH}/response-headers?X-User=joe`, "auth-response-headers": "X-User" },
    gets: /^HTTP\/1\.1 101 /,
    pod: ({ headers }) => headers["x-user"],
    expected: "joe",
  },
  { what: "auth-url that refuses", annotations: { "auth-url": `${AUTH}/status/401` }, gets: / 401 / },
  { what: "auth-signin", annotations: { "auth-url": `${AUTH}/status/401`, "auth-signin": "http://in.example/" }, gets: / 302 [^]*Location: http:\/\/in\.example/ },
  { what: "basic auth without", annotations: { "auth-type": "basic", "auth-secret": "users" }, gets: / 401 [^]*WWW-Authenticate: Basic/ },
  {
    what: "basic auth with",
    annotations: { "auth-type": "basic", "auth-secret": "users" },
    sends: `Authorization: Basic ${Buffer.from("joe:secret").toString("base64")}\r\n`,
    gets: / 101 /,
    pod: ({ headers }) => headers.authorization,
  },
  { what: "permanent-redirect", annotations: { "permanent-redirect": "http://x/" }, gets: / 301 / },
  { what: "force-ssl-redirect", annotations: { "force-ssl-redirect": "true" }, gets: / 308 [^]*Location: https:\/\// },
  { what: "affinity", annotations: { affinity: "cookie" }, gets: / 101 [^]*Set-Cookie: INGRESSCOOKIE=/i },
  { what: "enable-cors", annotations: { "enable-cors": "true" }, gets: / 101 [^]*Access-Control-Allow-Origin: \*/i },
  { what: "custom-headers", annotations: { "custom-headers": "default/own-lines" }, gets: / 101 [^]*X-Own: ours/i },
  { what: "no endpoints", annotations: {}, service: "none", gets: / 503 / },
  {
    what: "no endpoints, default-backend",
    annotations: { "default-backend": "errs" },
    service: "none",
    gets: / 200 [^]*x-service: errs[^]*"x-code":"503"/i,
  },
  {
    what: "custom-http-errors, of the controller",
    annotations: { "custom-http-errors": "403", "default-backend": "errs", "denylist-source-range": "127.0.0.0/8" },
    gets: / 200 [^]*x-service: errs[^]*"x-code":"403"/i,
  },
  {
    what: "custom-http-errors, of the pod",
    annotations: { "custom-http-errors": "403", "default-backend": "errs" },
    path: "/refuse",
    gets: / 200 [^]*x-service: errs[^]*"path":"\/"[^]*"x-code":"403"/i,
  },
  {
    what: "disable-proxy-intercept-errors",
    annotations: { "custom-http-errors": "403", "default-backend": "errs", "disable-proxy-intercept-errors": "true" },
    path: "/refuse",
    gets: / 403 [^]*no$/,
  },
  { what: "a refusal has the location's headers", annotations: { "enable-cors": "true" }, path: "/refuse", gets: / 403 [^]*Access-Control-Allow-Origin: \*/i },
  { what: "use-regex", annotations: { "use-regex": "true" }, at: "/w.+", path: "/ws", gets: / 101 / },
  { what: "proxy-http-version 1.0", annotations: { "proxy-http-version": "1.0" }, gets: / 101 / },
]; // prettier-ignore

for (const [i, { what, annotations, service = "ws", at = "/", path = "/ws", sends = "", gets, pod, expected }] of ROWS.entries()) {
  await t.test(what, async (t) => {
    const host = `host-${i}.example`;
    await addIngress(world, ingress(`host-${i}`, host, service, annotations, at, at === "/" ? "Prefix" : "ImplementationSpecific"));
    const before = seen.length;
    t.match(await raw(world.socket(80), request(host, path, sends), /^HTTP\/1\.1 101 [^]*\r\n\r\n/), gets);
    const [last] = seen.slice(before);
    if (pod) t.equal(last && pod(last), expected);
  });
}

/** An open connection that has been joined with a pod. */
async function joined(host: string, more = ""): Promise<Socket> {
  const { ip, port } = world.socket(80);
  const socket = connect(port, ip);
  let text = "";
  socket.on("error", () => {}).on("data", (chunk) => (text += chunk.toString()));
  socket.write(request(host, "/ws", more));
  await until(() => / 101 [^]*\r\n\r\n/.test(text));
  return socket;
}

await t.test("limit-connections counts a joined connection until it ends", async (t) => {
  await addIngress(world, ingress("limited", "limited.example", "ws", { "limit-connections": "1" }));
  const status = async (): Promise<number> => (await ask(world.socket(80), { host: "limited.example" })).status;
  const socket = await joined("limited.example");
  t.equal(await status(), 503);
  t.match(await raw(world.socket(80), request("limited.example", "/ws", "")), / 503 /);
  socket.destroy();
  let now = 503;
  while (now === 503) now = await status();
  t.equal(now, 404);
});

await t.test("limit-rps and limit-rpm count upgrades", async (t) => {
  await addIngress(world, ingress("slowly", "slowly.example", "ws", { "limit-rpm": "1", "limit-burst-multiplier": "1" }));
  const statuses: string[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await raw(world.socket(80), request("slowly.example", "/refuse", ""))).slice(9, 12));
  t.strictSame(statuses, ["403", "403", "503", "503"]);
});

await t.test("canary: by header, and named in the log when the connection ends", async (t) => {
  await addIngress(
    world,
    ingress("main", "main.example", "ws"),
    ingress("canary", "main.example", "next", { canary: "true", "canary-by-header": "new" }),
  );
  const lines = (): string[] =>
    world.log
      .join("")
      .split("\n")
      .filter((line) => line.includes("[default-ws-80] [default-next-80]"));
  const before = lines().length;
  const socket = await joined("main.example", "New: always\r\n");
  t.equal(seen.at(-1)?.pod, "next-0");
  t.equal(lines().length, before);
  socket.destroy();
  await until(() => lines().length > before);
  t.equal(lines().at(-1), "101 101 [default-ws-80] [default-next-80] ws main GET /ws HTTP/1.1");
  (await joined("main.example", "New: never\r\n")).destroy();
  t.equal(seen.at(-1)?.pod, "ws-0");
});

await t.test("affinity: the cookie leads an upgrade to its pod", async (t) => {
  await world.service("many", { replicas: 4, server: pods });
  await addIngress(world, ingress("many", "many.example", "many", { affinity: "cookie" }));
  const first = await raw(world.socket(80), request("many.example", "/ws", ""), /\r\n\r\n/);
  const cookie = /Set-Cookie: (INGRESSCOOKIE=[^;]+)/i.exec(first)?.[1] ?? "";
  const pod = seen.at(-1)?.pod;
  for (let i = 0; i < 6; i++) {
    const answer = await raw(world.socket(80), request("many.example", "/ws", `Cookie: ${cookie}\r\n`), /\r\n\r\n/);
    t.notMatch(answer, /set-cookie/i);
    t.equal(seen.at(-1)?.pod, pod);
  }
});

await t.test("over TLS too, and a pod that ends ends the client", async (t) => {
  await addIngress(world, ingress("tls", "tls.example", "ws"));
  const { ip, port } = world.socket(443);
  const socket = connectTls({ host: ip, port, rejectUnauthorized: false, servername: "tls.example" });
  let text = "";
  let closed = false;
  socket
    .on("error", () => {})
    .on("data", (chunk) => (text += chunk.toString()))
    .once("close", () => (closed = true));
  socket.write(`${request("tls.example", "/ws", "")}ping`);
  await until(() => text.endsWith("ping"));
  t.match(text, /^HTTP\/1\.1 101 [^]*Strict-Transport-Security/i);
  t.equal(seen.at(-1)?.headers["x-forwarded-proto"], "https");
  for (const pod of sockets) pod.destroy();
  await until(() => closed);
  socket.destroy();
});

await t.test("over TLS a body goes with its request, and the connection is kept", async (t) => {
  await world.service("echo");
  await addIngress(world, ingress("echo", "echo.example", "echo"));
  const { ip, port } = world.socket(443);
  const socket = connectTls({ host: ip, port, rejectUnauthorized: false, servername: "echo.example" });
  let text = "";
  socket.on("error", () => {}).on("data", (chunk) => (text += chunk.toString()));
  const asked = "POST / HTTP/1.1\r\nHost: echo.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello";
  for (let answers = 1; answers <= 2; answers++) {
    socket.write(asked);
    await until(() => (text.match(/"body":5\}/g)?.length ?? 0) === answers);
  }
  socket.write(asked.replace("POST", "GET").replace("Content-Length: 5\r\n\r\nhello", "\r\n"));
  await until(() => /"method":"GET"[^]*"body":0\}/.test(text));
  t.notMatch(text, /Connection: close/i);
  socket.destroy();
});
