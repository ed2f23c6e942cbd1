// The gateway with real curl: SOCKS5h, SOCKS4a, HTTP proxy, CONNECT, *.svc.localhost, identities, errors and garbage.
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import t from "tap";
import { realClock, VirtualClock } from "../../model/clock.ts";
import type { Resolve } from "../../model/ports.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../../netsim/index.ts";
import { missingPrograms } from "../support/command.ts";
import { connected, readAll, testFabric, type TestFabric } from "./test-fabric.ts";
import { until } from "../support/until.ts";

const noCurl = missingPrograms("curl");
const names: Record<string, string> = {};

const resolve: Resolve = {
  query: async () => [],
  async lookup(_from, conf, host) {
    const candidates = host.endsWith(".") ? [host.slice(0, -1)] : [...conf.searches.map((search) => `${host}.${search}`), host];
    const found = candidates.map((name) => names[name]).find((ip) => ip !== undefined);
    if (found === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
    return [found];
  },
};

function curl(...args: string[]): Promise<string> {
  return new Promise((done) => {
    execFile("curl", ["-sS", "--max-time", "10", "-w", " [%{http_code}]", ...args], (error, stdout, stderr) => {
      done(error ? `${stdout.trim()} exit ${error.code}: ${stderr.trim()}` : stdout.trim());
    });
  });
}

async function setup(
  test: Parameters<typeof testFabric>[0],
  options: Partial<GatewayOptions> = {},
): Promise<TestFabric & { gateway: Gateway; at: string; port: number }> {
  const made = await testFabric(test);
  const { fabric, pod, plan } = made;
  const web = pod("web-1", 10, 1);
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () =>
      res.end(
        `${req.method} ${req.url} host=${req.headers.host} from=${req.socket.remoteAddress} body=${Buffer.concat(chunks)} hop=${req.headers["proxy-connection"] ?? req.headers["x-hop"] ?? ""}`,
      ),
    );
  });
  server.on("upgrade", (_req, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
    socket.pipe(socket);
  });
  await fabric.expose({ ip: web.ip, port: 8080 }, "TCP", { type: "server", server }, web);
  const service = plan.services.at(50);
  names["web.default.svc.cluster.local"] = service;
  names["silent.default.svc.cluster.local"] = plan.services.at(51);
  names["empty.default.svc.cluster.local"] = plan.services.at(52);
  names["outside.example"] = "192.0.2.1";
  fabric.hooks.verdict = ({ destination: { ip, port } }) => {
    if (ip === service && port === 80)
      return { type: "dnat", endpoint: { ip: web.ip, port: 8080 }, masquerade: false, service: "default/web:http", matched: [] };
    if (ip === plan.services.at(51)) return { type: "drop", matched: [] };
    return ip === plan.services.at(52) ? { type: "reject", matched: [] } : { type: "pass", matched: [] };
  };
  const client = pod("client-0", 20);
  const gateway = createGateway({
    fabric,
    resolve,
    clock: realClock,
    host: { ip: "127.0.0.1", port: 0 },
    pod: (namespace, name) => (namespace === "default" && name === "client-0" ? client : undefined),
    servicePorts: (namespace, name) => (namespace === "default" && name === "web" ? [80] : undefined),
    connectTimeoutMs: 50,
    ...options,
  });
  await gateway.start();
  test.teardown(() => gateway.stop());
  const port = gateway.socket?.port ?? 0;
  return { ...made, gateway, at: `127.0.0.1:${port}`, port };
}

t.test("curl reaches a Service in every way", { skip: noCurl }, async (t) => {
  const { at, port, pod, fabric } = await setup(t);
  const client = pod("client-0", 20).ip;
  const rows: [string, string[], string][] = [
    ["socks5h", ["-x", `socks5h://${at}`, "http://web.default/a?b=c"], "GET /a?b=c host=web.default from=127.0.0.1 body= hop= [200]"],
    [
      "socks5h, long name",
      ["-x", `socks5h://${at}`, "http://web.default.svc.cluster.local/"],
      "GET / host=web.default.svc.cluster.local from=127.0.0.1 body= hop= [200]",
    ],
    ["socks4a", ["-x", `socks4a://${at}`, "http://web/"], "GET / host=web from=127.0.0.1 body= hop= [200]"],
    ["socks5h as a pod", ["-x", `socks5h://default%2Fclient-0:x@${at}`, "http://web/"], `GET / host=web from=${client} body= hop= [200]`],
    ["http proxy", ["-x", `http://${at}`, "-d", "hello", "http://web/p"], "POST /p host=web from=127.0.0.1 body=hello hop= [200]"],
    [
      "http proxy, chunked body",
      ["-x", `http://${at}`, "-H", "Transfer-Encoding: chunked", "-d", "hello", "http://web/p"],
      "POST /p host=web from=127.0.0.1 body=hello hop= [200]",
    ],
    ["http proxy, empty post", ["-x", `http://${at}`, "-X", "POST", "http://web/p"], "POST /p host=web from=127.0.0.1 body= hop= [200]"],
    ["http proxy as a pod", ["-x", `http://default%2Fclient-0:@${at}`, "http://web/"], `GET / host=web from=${client} body= hop= [200]`],
    [
      "hop-by-hop headers",
      ["-x", `http://${at}`, "-H", "Connection: X-Hop", "-H", "X-Hop: 1", "http://web/"],
      "GET / host=web from=127.0.0.1 body= hop= [200]",
    ],
    ["CONNECT", ["-p", "-x", `http://${at}`, "http://web.default.svc/"], "GET / host=web.default.svc from=127.0.0.1 body= hop= [200]"],
    [
      "svc.localhost",
      [`http://web.default.svc.localhost:${port}/x`],
      `GET /x host=web.default.svc.localhost:${port} from=127.0.0.1 body= hop= [200]`,
    ],
    [
      "cluster name as Host",
      ["-H", "Host: web.default.svc.cluster.local", `http://${at}/`],
      "GET / host=web.default.svc.cluster.local from=127.0.0.1 body= hop= [200]",
    ],
  ];
  for (const [name, args, expected] of rows) t.equal(await curl(...args), expected, name);
  await until(() => fabric.stats().descriptors.open === 0, "every descriptor is given back");
});

t.test("failures are told in the protocol's own words", { skip: noCurl }, async (t) => {
  const { at, port, plan } = await setup(t);
  const rows: [string, string[], RegExp][] = [
    ["no such name", ["-x", `http://${at}`, "http://nope/"], /^nope:80: no such host in the cluster's DNS\s+\[502\]$/],
    ["reject", ["-x", `http://${at}`, "http://empty/"], /^empty:80: connection refused .*\s+\[502\]$/],
    ["drop", ["-x", `http://${at}`, "http://silent/"], /^silent:80: connection timed out .*\s+\[504\]$/],
    ["outside", ["-x", `http://${at}`, "http://outside.example/"], /^outside.example:80: not a cluster address .*\s+\[502\]$/],
    ["literal address nobody listens on", ["-x", `http://${at}`, `http://${plan.services.at(99)}/`], /connection refused .*\s+\[502\]$/],
    ["unknown pod", ["-x", `http://default%2Fghost:@${at}`, "http://web/"], /^no pod "default\/ghost"\s+\[407\]$/],
    ["no Service in Host", [`http://${at}/`], /names no Service: use http:\/\/NAME.NAMESPACE.svc.localhost:\d+\/.*\s+\[404\]$/],
    ["https URL in absolute form", ["--request-target", "https://web/", `http://${at}/`], /only http:\/\/ URLs and CONNECT\s+\[400\]$/],
    [
      "unknown svc.localhost",
      [`http://nope.default.svc.localhost:${port}/`],
      /^nope.default.svc.cluster.local:80: no such host.*\s+\[502\]$/,
    ],
    ["socks no such name", ["-x", `socks5h://${at}`, "http://nope/"], /exit 97: .*\(4\)/],
    ["socks reject", ["-x", `socks5h://${at}`, "http://empty/"], /exit 97: .*\(5\)/],
    ["socks drop", ["-x", `socks5h://${at}`, "http://silent/"], /exit 97: .*\(6\)/],
    ["socks outside", ["-x", `socks5h://${at}`, "http://outside.example/"], /exit 97: .*\(3\)/],
    ["socks unknown pod", ["-x", `socks5h://default%2Fghost:x@${at}`, "http://web/"], /exit 97: /],
  ];
  for (const [name, args, expected] of rows) t.match(await curl(...args), expected, name);
});

t.test("an upgrade passes through", async (t) => {
  const { port } = await setup(t);
  const socket = await connected({ ip: "127.0.0.1", port });
  const answer = readAll(socket);
  socket.end(`GET /ws HTTP/1.1\r\nHost: web.default.svc.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nping`);
  t.equal(await answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nping");
});

t.test("garbage is refused and the gateway lives on", async (t) => {
  const { port } = await setup(t);
  const rows: [string, Buffer, string][] = [
    ["binary", Buffer.from([0, 1, 2, 3, 255]), "HTTP/1.1 400 Bad Request"],
    ["TLS hello", Buffer.from("16030100a5010000a1", "hex"), "HTTP/1.1 400 Bad Request"],
    ["text", Buffer.from("hello there\r\n\r\n"), "HTTP/1.1 400 Bad Request"],
    [
      "both lengths",
      Buffer.from("POST / HTTP/1.1\r\nHost: web.default.svc.localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "HTTP/1.1 400 Bad Request",
    ],
    ["a long header", Buffer.from(`GET / HTTP/1.1\r\nX: ${"x".repeat(20000)}\r\n\r\n`), "HTTP/1.1 431 Request Header Fields Too Large"],
    ["CONNECT nowhere", Buffer.from("CONNECT nonsense HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 400 Bad Request"],
    ["socks5, no method", Buffer.from([5, 1, 9]), "05ff"],
    ["socks5, bind", Buffer.from([5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]), "050005070001000000000000"],
    ["socks5, address type", Buffer.from([5, 1, 0, 5, 1, 0, 9]), "050005080001000000000000"],
    ["socks5, cut short", Buffer.from([5, 1, 0, 5, 1]), "0500"],
    ["socks4, bind", Buffer.from([4, 2, 0, 80, 127, 0, 0, 1, 0]), "005b000000000000"],
    ["nothing", Buffer.alloc(0), ""],
    ["and a good one", Buffer.from("GET / HTTP/1.1\r\nHost: web.default.svc.localhost\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 OK"],
  ];
  for (const [name, bytes, expected] of rows) {
    const socket = await connected({ ip: "127.0.0.1", port });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    const closed = new Promise((done) => socket.once("close", done));
    socket.once("error", () => {});
    socket.end(bytes);
    await closed;
    const answer = Buffer.concat(chunks);
    t.equal(answer[0] === 72 ? answer.toString("latin1").split("\r\n")[0] : answer.toString("hex"), expected, name);
  }
});

t.test("a client that says nothing is closed in time", async (t) => {
  const clock = new VirtualClock();
  const { port, fabric } = await setup(t, { clock });
  const socket = await connected({ ip: "127.0.0.1", port });
  const closed = readAll(socket);
  await until(() => fabric.stats().descriptors.open === 1, "accepted");
  await clock.advance(15_000);
  socket.end();
  t.equal(await closed, "");
  await until(() => fabric.stats().descriptors.open === 0, "closed");
});
