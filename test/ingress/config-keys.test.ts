// Keys of the controller's ConfigMap that clients and pods can see, each away from its default and back.
// Facts: ingress-nginx internal/ingress/controller/config/config.go and nginx.tmpl at v1.15.1; NGINX_VERSION of images/nginx; nginx 1.22.1 (run).
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ask } from "./client.ts";
import { configure } from "./configure.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("echo");
await addIngress(
  world,
  ingress("good", "good.example", "echo"),
  ingress("www", "www.other.example", "echo", { "from-to-www-redirect": "true" }),
  ingress("limited", "limited.example", "echo", { "limit-rps": "1", "limit-burst-multiplier": "1" }),
);

const get = (host: string, path = "/", headers: Readonly<Record<string, string>> = {}): ReturnType<typeof ask> =>
  ask(world.socket(80), { host, path, headers });

/** The headers that the pod saw. */
async function seen(headers: Readonly<Record<string, string>> = {}): Promise<Readonly<Record<string, string>>> {
  return JSON.parse((await get("good.example", "/", headers)).body.toString()).headers;
}

await t.test("server-tokens and allow-backend-server-header", async (t) => {
  await world.service("named", {
    server: () => createServer((_, response) => void response.setHeader("Server", "pod/1").end("ok")),
  });
  await addIngress(world, ingress("named", "named.example", "named"));
  const servers = async (): Promise<readonly unknown[]> => [
    (await get("named.example")).headers["server"],
    (await get("good.example")).headers["server"],
    (await get("unknown.example")).headers["server"],
    /^Server: (.*)\r$/m.exec(await raw(world.socket(80), "nonsense\r\n\r\n"))?.[1],
  ];
  const none = [undefined, undefined, undefined, undefined];
  t.strictSame(await servers(), none);
  t.match((await get("unknown.example")).body.toString(), "<hr><center>nginx</center>");
  await configure(world, { "allow-backend-server-header": "true" });
  t.strictSame(await servers(), none, "more_clear_headers clears the pod's too");
  await configure(world, { "server-tokens": "true" });
  t.strictSame(await servers(), Array(4).fill("nginx/1.27.1"));
  t.match((await get("unknown.example")).body.toString(), "<hr><center>nginx/1.27.1</center>");
  await configure(world, { "server-tokens": "true", "allow-backend-server-header": "true" });
  t.strictSame(await servers(), ["pod/1", "nginx/1.27.1", "nginx/1.27.1", "nginx/1.27.1"]);
});

await t.test("forwarded-for-header and forwarded-host-header name what is passed on as the original", async (t) => {
  const sent = { "X-Forwarded-For": "1.1.1.1", "X-Forwarded-Host": "one.example", "X-Real-Client": "2.2.2.2", "X-Asked": "two.example" };
  await configure(world, {});
  t.match(await seen(sent), { "x-original-forwarded-for": "1.1.1.1", "x-original-forwarded-host": "one.example" });
  await configure(world, { "forwarded-for-header": "X-Real-Client", "forwarded-host-header": "X-Asked" });
  t.match(await seen(sent), { "x-original-forwarded-for": "2.2.2.2", "x-original-forwarded-host": "two.example" });
  t.match(await seen(sent), { "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1" });
  await configure(world, { "forwarded-for-header": "X-Real-Client", "use-forwarded-headers": "true" });
  t.match(await seen(sent), { "x-forwarded-for": "2.2.2.2", "x-real-ip": "2.2.2.2" });
});

await t.test("http-redirect-code is that of from-to-www-redirect, too", async (t) => {
  await configure(world, {});
  t.equal((await get("other.example")).status, 308);
  await configure(world, { "http-redirect-code": "301" });
  t.equal((await get("other.example")).status, 301);
});

await t.test("upstream-keepalive-connections 0: the pod is told to close; else it is told nothing", async (t) => {
  await configure(world, {});
  t.equal((await seen())["connection"], undefined);
  await configure(world, { "upstream-keepalive-connections": "0" });
  t.equal((await seen())["connection"], "close");
});

await t.test("limit-conn-zone-variable: who is counted together", async (t) => {
  const statuses = async (...users: readonly string[]): Promise<readonly number[]> => {
    const all: number[] = [];
    for (const user of users) all.push((await get("limited.example", "/", user === "" ? {} : { "X-User": user })).status);
    return all;
  };
  await configure(world, { "limit-conn-zone-variable": "$http_x_user" });
  t.strictSame(await statuses("a", "a", "a", "b", "b", "b"), [200, 200, 503, 200, 200, 503]);
  t.strictSame(await statuses("", "", "", ""), [200, 200, 200, 200], "what has no key is not limited");
});

await t.test("/healthz and /nginx_status of the catch-all server", async (t) => {
  await configure(world, {});
  const health = await get("unknown.example", "/healthz");
  t.match([health.status, health.headers["content-type"], health.body.length], [200, "text/html", 0]);
  t.equal((await get("unknown.example", "/nginx_status")).status, 403);
  t.equal((await get("good.example", "/healthz")).status, 200, "a host's own path");
  t.match(JSON.parse((await get("good.example", "/healthz")).body.toString()), { path: "/healthz" });
  await addIngress(world, {
    ...ingress("hostless", "", "echo"),
    spec: {
      ingressClassName: "nginx",
      rules: [
        {
          http: {
            paths: [{ path: "/healthz", pathType: "Exact", backend: { service: { name: "echo", port: { number: 80 } } } }],
          },
        },
      ],
    },
  });
  t.not((await get("unknown.example", "/healthz")).body.length, 0, "an Ingress's equal path is before it");
  t.equal((await get("unknown.example", "/healthz/deeper")).body.length, 0);
});

/** What a TLS client ends up with. */
function handshake(servername: string, protocols: readonly string[]): Promise<string> {
  const { ip, port } = world.socket(443);
  return new Promise((resolve) => {
    const socket = connectTls({
      host: ip,
      port,
      ...(servername === "" ? {} : { servername }),
      ALPNProtocols: [...protocols],
      rejectUnauthorized: false,
    });
    socket.on("secureConnect", () => {
      resolve(`${String(socket.alpnProtocol)} ${socket.getEphemeralKeyInfo() && JSON.stringify(socket.getEphemeralKeyInfo())}`);
      socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
}

await t.test("use-http2, ssl-reject-handshake, ssl-ecdh-curve", async (t) => {
  const both = ["h2", "http/1.1"];
  await configure(world, {});
  t.match(await handshake("good.example", both), /^h2 /);
  t.match(await handshake("", both), /^h2 /);
  t.match(await handshake("other.example", both), /^http\/1\.1 /, "from-to-www's server has no http2 in the template");
  t.match(await handshake("www.other.example", both), /^h2 /);
  t.match(await handshake("good.example", ["spdy"]), /NO_APPLICATION_PROTOCOL/);
  await configure(world, { "use-http2": "false" });
  t.match(await handshake("good.example", both), /^http\/1\.1 /);
  t.match(await handshake("unknown.example", both), /^http\/1\.1 /);
  await configure(world, { "ssl-reject-handshake": "true" });
  t.match(await handshake("good.example", both), /^h2 /);
  t.match(await handshake("unknown.example", both), /HANDSHAKE_FAILURE/);
  t.match(await handshake("", both), /HANDSHAKE_FAILURE/, "without SNI");
  await configure(world, { "ssl-ecdh-curve": "secp384r1" });
  t.match(await handshake("good.example", both), /secp384r1/);
});

await t.test("client-body-timeout: a client that stops sending is reset", async (t) => {
  const clock = new VirtualClock();
  await using slow = await harness.start({ clock });
  await slow.service("echo");
  await addIngress(slow, ingress("good", "good.example", "echo"));
  for (const seconds of [60, 10]) {
    if (seconds === 10) await configure(slow, { "client-body-timeout": "10" });
    const { ip, port } = slow.socket(80);
    const socket = connect(port, ip);
    let ended = "";
    socket.on("error", (error: NodeJS.ErrnoException) => (ended = error.code ?? ""));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await once(socket, "connect");
    socket.write("POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    t.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 100 /);
    socket.resume();
    await clock.advance(seconds * 1000 - 1);
    t.equal(ended, "");
    await clock.advance(1);
    await closed;
    t.equal(ended, "ECONNRESET", `${seconds} s`);
  }
});
