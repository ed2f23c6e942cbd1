// use-proxy-protocol: who the client is, which port and scheme it used, and what becomes of connections without a header.
// Facts: ingress-nginx test/e2e/settings/proxy_protocol.go, nginx.tmpl (real_ip_header, $full_x_forwarded_for), lua_ingress.lua;
// pires/go-proxyproto v0.11.0 (in front of ssl-passthrough a header may be missing).
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
const V1 = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 1234\r\n";
const V2 = Buffer.from("0d0a0d0a000d0a515549540a2111000cc0a80001c0a8000bdc0404d2", "hex");
const LOCAL = Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex");
const bytesOf = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));

async function start(config: Readonly<Record<string, string>>, flags: readonly string[] = []): Promise<World> {
  const world = await harness.start({ flags, config: { "use-proxy-protocol": "true", ...config } });
  await world.service("echo");
  await addIngress(
    world,
    ingress("echo", "echo.example", "echo"),
    ingress("listed", "listed.example", "echo", { "whitelist-source-range": "192.168.0.0/24" }),
    ingress("secure", "secure.example", "echo", { "force-ssl-redirect": "true" }),
  );
  return world;
}

const request = (host: string, ...headers: string[]): string =>
  ["GET / HTTP/1.1", `Host: ${host}`, "Connection: close", ...headers, "", ""].join("\r\n");

/** What the pod saw, of the headers that tell of the client; or the status of another answer. */
async function seen(answer: Promise<string>): Promise<string> {
  const [head = "", body = ""] = (await answer).split("\r\n\r\n");
  if (!head.startsWith("HTTP/1.1 200")) return head.slice(9, 12);
  const { headers } = JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1));
  return ["x-forwarded-for", "x-real-ip", "x-forwarded-port", "x-forwarded-proto"].map((name) => headers[name] ?? "-").join(" ");
}

function overTls(world: World, start: string | Buffer, text: string): Promise<string> {
  return new Promise((resolve) => {
    const at = world.socket(443);
    const socket = connect(at.port, at.ip, () => {
      socket.write(start);
      const secured = connectTls({ socket, servername: "echo.example", rejectUnauthorized: false });
      let answer = "";
      secured.on("data", (chunk) => (answer += chunk.toString("latin1")));
      secured.on("error", () => {});
      secured.on("close", () => resolve(answer));
      secured.write(text);
    });
  });
}

await t.test("the client's address, port and scheme", async (t) => {
  await using world = await start({});
  const echo = request("echo.example");
  const rows: readonly (readonly [name: string, bytes: Buffer, expected: string])[] = [
    ["version 1", bytesOf(V1, echo), "192.168.0.1 192.168.0.1 1234 http"],
    ["version 2", bytesOf(V2, echo), "192.168.0.1 192.168.0.1 1234 http"],
    ["the balancer's port 443 is https", bytesOf(V1.replace("1234", "443"), echo), "192.168.0.1 192.168.0.1 443 https"],
    ["IPv6", bytesOf("PROXY TCP6 2001:db8::1 2001:db8::2 1 80\r\n", echo), "2001:db8::1 2001:db8::1 80 http"],
    ["UNKNOWN: the connection's own", bytesOf("PROXY UNKNOWN\r\n", echo), "127.0.0.1 127.0.0.1 - http"],
    ["LOCAL: the connection's own", bytesOf(LOCAL, echo), "127.0.0.1 127.0.0.1 - http"],
    [
      "X-Forwarded-For is not trusted",
      bytesOf(V1, request("echo.example", "X-Forwarded-For: 192.168.0.111")),
      "192.168.0.1 192.168.0.1 1234 http",
    ],
    ["an allow list", bytesOf(V1, request("listed.example")), "192.168.0.1 192.168.0.1 1234 http"],
    ["an allow list refuses", bytesOf(V1.replace("192.168.0.1 ", "10.0.0.1 "), request("listed.example")), "403"],
    [
      "no redirect to https where the balancer has it",
      bytesOf(V1.replace("1234", "443"), request("secure.example")),
      "192.168.0.1 192.168.0.1 443 https",
    ],
    ["a redirect where it has not", bytesOf(V1, request("secure.example")), "308"],
  ];
  for (const [name, bytes, expected] of rows) t.equal(await seen(raw(world.socket(80), bytes)), expected, name);
  t.equal(await seen(overTls(world, V1, echo)), "192.168.0.1 192.168.0.1 1234 https", "TLS, version 1");
  t.equal(await seen(overTls(world, V2, echo)), "192.168.0.1 192.168.0.1 1234 https", "TLS, version 2");
});

await t.test("the access log", async (t) => {
  const names = [
    "remote_addr",
    "remote_port",
    "realip_remote_addr",
    "proxy_protocol_addr",
    "proxy_protocol_port",
    "proxy_protocol_server_addr",
  ];
  const format = [...names, "proxy_protocol_server_port"].map((name) => `$${name}`).join(" ");
  await using world = await start({ "log-format-upstream": format });
  await raw(world.socket(80), bytesOf(V1, request("echo.example")));
  await until(() => world.log.join("").includes("1234"));
  t.match(world.log.join(""), "192.168.0.1 56324 127.0.0.1 192.168.0.1 56324 192.168.0.11 1234\n");
});

await t.test("kept connections: one header for all their requests", async (t) => {
  await using world = await start({});
  const again = request("echo.example").replace("Connection: close\r\n", "");
  const answer = await raw(world.socket(80), bytesOf(V1, again, again, request("echo.example")));
  t.equal(answer.match(/"x-forwarded-for":"192\.168\.0\.1"/g)?.length, 3);
});

await t.test("without a header, or with a broken one, the connection is closed without a word", async (t) => {
  await using world = await start({});
  const echo = request("echo.example");
  for (const start of ["", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "PROXY TCP9 1.1.1.1 2.2.2.2 1 2\r\n", "\r\n", "\0\0\0"])
    t.equal(await raw(world.socket(80), `${start}${echo}`), "", JSON.stringify(start));
  t.equal(await overTls(world, "", echo), "", "TLS");
  t.equal(await seen(raw(world.socket(80), bytesOf(V1, echo))), "192.168.0.1 192.168.0.1 1234 http", "and others are served");
});

await t.test("it is switched on and off while the controller runs", async (t) => {
  await using world = await start({});
  const set = async (value: string): Promise<void> => {
    await world.store.mutate(
      ConfigMaps,
      "ingress-nginx",
      "ingress-nginx-controller",
      (edited) => void (edited.data = { "use-proxy-protocol": value }),
    );
    await world.settle();
  };
  await set("false");
  t.equal(await seen(raw(world.socket(80), request("echo.example"))), "127.0.0.1 127.0.0.1 80 http");
  t.match(await raw(world.socket(80), bytesOf(V1, request("echo.example"))), /^HTTP\/1\.1 400 /, "a header is a malformed request then");
  await set("true");
  t.equal(await seen(raw(world.socket(80), bytesOf(V1, request("echo.example")))), "192.168.0.1 192.168.0.1 1234 http");
});

await t.test("with proxy-real-ip-cidr and use-forwarded-headers", async (t) => {
  const forwarded = (sent: string): Buffer => bytesOf(V1, request("echo.example", `X-Forwarded-For: ${sent}`));
  const rows: readonly (readonly [name: string, config: Readonly<Record<string, string>>, bytes: Buffer, expected: string])[] = [
    [
      "the balancer is not trusted",
      { "proxy-real-ip-cidr": "10.0.0.0/8" },
      bytesOf(V1, request("echo.example")),
      "127.0.0.1 127.0.0.1 1234 http",
    ],
    [
      "the source is not a trusted proxy",
      { "use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8" },
      forwarded("192.168.0.111"),
      "192.168.0.1 192.168.0.1 1234 http",
    ],
    [
      "the source is a trusted proxy",
      { "use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8,192.168.0.1/32" },
      forwarded("192.168.0.111"),
      "192.168.0.111 192.168.0.111 1234 http",
    ],
    [
      "compute-full-forwarded-for appends the header's address",
      { "use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8", "compute-full-forwarded-for": "true" },
      forwarded("192.168.0.111"),
      "192.168.0.111, 192.168.0.1 192.168.0.1 1234 http",
    ],
  ];
  for (const [name, config, bytes, expected] of rows) {
    await using world = await start(config);
    t.equal(await seen(raw(world.socket(80), bytes)), expected, name);
  }
});

await t.test("with use-forwarded-headers pods see the header that nginx takes the client's address from", async (t) => {
  const both = { "use-forwarded-headers": "true" };
  const sent = ["X-Forwarded-For: 192.168.0.111", "X-Forwarded-For-Proxy-Protocol: 6.6.6.6"];
  const rows: readonly (readonly [config: Readonly<Record<string, string>>, name: string, expected: string | undefined])[] = [
    [{}, "x-forwarded-for-proxy-protocol", "6.6.6.6"],
    [both, "x-forwarded-for-proxy-protocol", "192.168.0.111"],
    [{ ...both, "proxy-real-ip-cidr": "127.0.0.0/8" }, "x-forwarded-for-proxy-protocol", "192.168.0.1"],
    [{ ...both, "forwarded-for-header": "X-None" }, "x-forwarded-for-proxy-protocol", undefined],
    [{ ...both, "forwarded-for-proxy-protocol-header": "X-Who" }, "x-who", "192.168.0.111"],
  ];
  for (const [config, name, expected] of rows) {
    await using world = await start(config);
    const answer = await raw(world.socket(80), bytesOf(V1, request("echo.example", ...sent)));
    t.equal(JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)).headers[name], expected, JSON.stringify(config));
  }
});

await t.test("in front of ssl-passthrough the header may be missing, and TLS gets the client's address", async (t) => {
  await using world = await start({}, ["--enable-ssl-passthrough"]);
  const echo = request("echo.example");
  t.equal(await seen(overTls(world, V1, echo)), "192.168.0.1 192.168.0.1 1234 https");
  t.equal(await seen(overTls(world, "", echo)), "127.0.0.1 127.0.0.1 443 https");
  t.equal(await overTls(world, "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", echo), "", "a broken one closes the connection");
  t.equal(await raw(world.socket(80), echo), "", "on port 80 it must be there");
});

await t.test(
  "a client that does not send its header is given up: 60 s, before ssl-passthrough proxy-protocol-header-timeout",
  async (t) => {
    const rows: readonly (readonly [
      name: string,
      flags: readonly string[],
      config: Readonly<Record<string, string>>,
      port: number,
      seconds: number,
    ])[] = [
      ["port 80: client-header-timeout", [], {}, 80, 60],
      ["port 80: client-header-timeout set", [], { "client-header-timeout": "20" }, 80, 20],
      ["port 443", [], {}, 443, 60],
      ["port 443 with ssl-passthrough", ["--enable-ssl-passthrough"], {}, 443, 5],
      ["the same, set", ["--enable-ssl-passthrough"], { "proxy-protocol-header-timeout": "1m" }, 443, 60],
      ["the same, no duration", ["--enable-ssl-passthrough"], { "proxy-protocol-header-timeout": "7" }, 443, 5],
    ];
    for (const [name, flags, config, port, seconds] of rows) {
      const clock = new VirtualClock(Date.now());
      await using world = await harness.start({ flags, config: { "use-proxy-protocol": "true", ...config }, clock });
      const at = world.socket(port);
      // What waits since the start.
      for (let due = clock.nextDueMs(); due !== undefined; due = clock.nextDueMs()) await clock.advance(due);
      const socket: Socket = connect(at.port, at.ip, () => void socket.write("PROXY TCP4 1"));
      let closed = false;
      socket
        .on("error", () => {})
        .on("close", () => (closed = true))
        .resume();
      await until(() => clock.nextDueMs() === seconds * 1000);
      await clock.advance(seconds * 1000 - 1);
      t.notOk(closed, `${name}: not before ${seconds} s`);
      await clock.advance(1);
      await until(() => closed);
      t.pass(`${name}: then`);
    }
  },
);

await t.test("a client that has sent its header has the time of any other", async (t) => {
  const clock = new VirtualClock(Date.now());
  await using world = await harness.start({ config: { "use-proxy-protocol": "true" }, clock });
  const at = world.socket(80);
  for (let due = clock.nextDueMs(); due !== undefined; due = clock.nextDueMs()) await clock.advance(due);
  const socket = connect(at.port, at.ip);
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk.toString()));
  await until(() => clock.nextDueMs() === 60_000);
  await clock.advance(50_000);
  socket.write(`${V1}GET / HT`);
  await until(() => clock.nextDueMs() === 60_000);
  await clock.advance(59_999);
  socket.write("TP/1.1\r\nHost: none.example\r\n\r\n");
  await until(() => answer !== "" || socket.destroyed);
  t.match(answer, /^HTTP\/1\.1 404 /);
  socket.destroy();
});

await t.test(
  "who the client is stays with its connection: behind a refused upgrade, a 100 Continue, a refused body, over TLS too",
  async (t) => {
    await using world = await start({ "use-http2": "false" }, []);
    const upgrade = "GET / HTTP/1.1\r\nHost: echo.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const expecting = "POST / HTTP/1.1\r\nHost: echo.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    const redirected = "POST / HTTP/1.1\r\nHost: secure.example\r\nContent-Length: 2\r\n\r\nhi";
    const sends = upgrade + expecting + redirected + request("echo.example");
    const plain = await raw(world.socket(80), bytesOf(V1, sends));
    t.strictSame(plain.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.1 200", "HTTP/1.1 308", "HTTP/1.1 200"]);
    t.strictSame(
      plain.match(/"x-real-ip":"[^"]+"/g),
      Array.from({ length: 3 }, () => '"x-real-ip":"192.168.0.1"'),
    );
    const secured = await overTls(world, V1, upgrade + expecting + request("echo.example"));
    t.strictSame(secured.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.1 200", "HTTP/1.1 200"]);
    t.strictSame(
      secured.match(/"x-real-ip":"[^"]+"/g),
      Array.from({ length: 3 }, () => '"x-real-ip":"192.168.0.1"'),
    );
  },
);
