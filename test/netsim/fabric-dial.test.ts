// Connections made inside the process: errors in Node's shape, identity, loopback, http/https/agents over pairs, and many of them.
import { execFileSync } from "node:child_process";
import { Agent, createServer as createHttp, get } from "node:http";
import { createServer as createHttps, request as httpsRequest } from "node:https";
import { connect, createServer } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { codeOf, connected, readAll, testFabric } from "./test-fabric.ts";
import { until } from "../support/until.ts";

t.test("errors are Node's", async (t) => {
  const clock = new VirtualClock();
  const made = await testFabric(t, { clock });
  const { fabric, plan, host } = made;
  const pod = made.pod("client", 6);
  const address = plan.services.at(7);
  const [rejected, dropped] = [address, plan.services.at(8)];
  fabric.hooks.verdict = ({ destination: { ip } }) => ({
    type: ip === rejected ? "reject" : ip === dropped ? "drop" : "pass",
    matched: [],
  });
  const failure: unknown = await fabric.dial(pod, { ip: rejected, port: 80 }).catch((error: unknown) => error);
  t.match(failure, {
    message: `connect ECONNREFUSED ${rejected}:80`,
    code: "ECONNREFUSED",
    errno: -111,
    syscall: "connect",
    address: rejected,
    port: 80,
  });
  const rows: [string, typeof pod | typeof host, string, number, string][] = [
    ["no listener", host, plan.podCidrOf(0).at(200), 80, "ECONNREFUSED"],
    ["own loopback, no listener", pod, "127.0.0.1", 80, "ECONNREFUSED"],
    ["outside", pod, "10.0.0.1", 80, "ENETUNREACH"],
    ["outside, from the host", host, "192.0.2.1", 80, "ENETUNREACH"],
    ["outside, IPv6", host, "2001:db8::1", 80, "ENETUNREACH"],
    ["no address", host, "web", 80, "EINVAL"],
    ["no port", host, rejected, 70000, "EINVAL"],
  ];
  for (const [name, from, ip, port, code] of rows) t.equal(await codeOf(fabric.dial(from, { ip, port })), code, name);
  let code = "";
  void codeOf(fabric.dial(pod, { ip: dropped, port: 80 })).then((each) => (code = each));
  await clock.advance(126_999);
  t.equal(code, "");
  await clock.advance(1);
  t.equal(code, "ETIMEDOUT", "after 127 s on the clock");
  const aborter = new AbortController();
  const aborted = fabric.dial(pod, { ip: dropped, port: 80 }, { signal: aborter.signal });
  aborter.abort(new Error("enough"));
  await t.rejects(aborted, { message: "enough" });
  t.equal(fabric.stats().live, 0);
});

t.test("who the pod sees", async (t) => {
  const made = await testFabric(t);
  const { fabric, plan } = made;
  const [pod, client] = [made.pod("web", 5), made.pod("client", 6, 1)];
  const server = createServer((socket) => socket.end(`${socket.remoteAddress} at ${socket.localAddress}:${socket.localPort}`));
  await fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);
  await fabric.expose(
    { ip: plan.nodeIp(0), port: 6443 },
    "TCP",
    { type: "server", server: createServer((socket) => socket.end("api")) },
    { kind: "node", name: "node-0", ip: plan.nodeIp(0) },
  );
  const service = { ip: plan.services.at(7), port: 8080 };
  let endpoint = { ip: pod.ip, port: 80 };
  fabric.hooks.verdict = ({ destination: { ip } }) =>
    ip === service.ip ? { type: "dnat", endpoint, masquerade: true, service: "s", matched: [] } : { type: "pass", matched: [] };
  const socket = await fabric.dial(client, service);
  t.match(
    socket,
    { remoteAddress: service.ip, remotePort: 8080, localAddress: client.ip, localPort: 32768 },
    "the client sees the Service",
  );
  t.equal(await readAll(socket), `${plan.nodeIp(1)} at ${pod.ip}:80`, "masqueraded by its own node");
  t.equal(await readAll(await fabric.dial(client, { ip: pod.ip, port: 80 })), `${client.ip} at ${pod.ip}:80`);
  t.equal(await readAll(await fabric.dial(pod, { ip: "127.0.0.1", port: 80 })), "127.0.0.1 at 127.0.0.1:80", "its own loopback");
  endpoint = { ip: plan.nodeIp(0), port: 6443 };
  t.equal(await readAll(await fabric.dial(client, service)), "api", "an endpoint on a node's address");
  t.match(fabric.identify(pod.ip), { kind: "pod", name: "web" });
  t.match(fabric.identify(plan.nodeIp(1)), { kind: "node", name: "node-1" });
  t.match(fabric.identify("127.0.0.1"), { kind: "host" });
  fabric.hooks.identify = (ip) => (ip === client.ip ? client : undefined);
  const listening = fabric.socketOf({ ip: pod.ip, port: 80 }, "TCP");
  const bound = connect({ host: pod.ip, port: listening?.port ?? 80, localAddress: client.ip });
  t.equal(await readAll(bound), `${client.ip} at ${pod.ip}:80`, "a program that binds a pod's address is that pod");
  t.match(
    fabric.trace
      .recent()
      .filter((hop) => hop.hop === "accept")
      .at(-1),
    { node: "node-1" },
  );
});

t.test("http, keep-alive agents and https over a pair", async (t) => {
  const made = await testFabric(t);
  const { fabric, host } = made;
  const pod = made.pod("web", 5);
  const server = createHttp((req, res) => {
    if (req.url === "/drip") return void res.write("first", () => res.end("second"));
    req.pipe(res);
  });
  await fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const dialled = await fabric.dial(host, { ip: pod.ip, port: 80 });
  agent.createConnection = () => dialled;
  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => get({ host: pod.ip, path, agent }, (res) => readAll(res).then(resolve, reject)).on("error", reject));
  t.equal(await ask("/drip"), "firstsecond");
  t.equal(await ask("/"), "");
  t.equal(await ask("/drip"), "firstsecond");
  t.equal(fabric.stats().dialled, 1, "one connection for three requests");

  const folder = mkdtempSync(join(tmpdir(), "loopkube-netsim-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, "key"), join(folder, "cert")];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      key,
      "-out",
      cert,
      "-subj",
      "/CN=web",
      "-days",
      "1",
    ],
    { stdio: "ignore" },
  );
  const secure = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, (req, res) =>
    res.end(`${req.socket.remoteAddress} secure`),
  );
  const { socket: at } = await fabric.expose({ ip: pod.ip, port: 443 }, "TCP", { type: "server", server: secure }, pod);
  const service = made.plan.services.at(3);
  fabric.hooks.verdict = ({ destination: { ip } }) =>
    ip === service
      ? { type: "dnat", endpoint: { ip: pod.ip, port: 443 }, masquerade: true, service: "s", matched: [] }
      : { type: "pass", matched: [] };
  const { socket: serviceAt } = await fabric.listenService({ ip: service, port: 443 }, "TCP");
  const askSecure = (dial: () => ReturnType<typeof fabric.dial>): Promise<string> =>
    dial().then(
      (socket) =>
        new Promise((resolve, reject) =>
          httpsRequest({ createConnection: () => socket, rejectUnauthorized: false, host: "web" })
            .on("response", (res) => readAll(res).then(resolve, reject))
            .on("error", reject)
            .end(),
        ),
    );
  const { connect: tlsConnect } = await import("node:tls");
  const overTls = (make: () => ReturnType<typeof fabric.dial>) =>
    askSecure(async () => tlsConnect({ socket: await make(), rejectUnauthorized: false }));
  t.equal(await overTls(() => fabric.dial(host, { ip: pod.ip, port: 443 })), "127.0.0.1 secure", "in memory");
  t.equal(await overTls(() => connected(at, false)), "127.0.0.1 secure", "handed over");
  t.equal(await overTls(() => connected(serviceAt, false)), `${made.plan.nodeIp(0)} secure`, "handed over and masqueraded");
});

t.test("a pair behaves as TCP", async (t) => {
  const clock = new VirtualClock();
  const made = await testFabric(t, { clock });
  const { fabric, host } = made;
  const pod = made.pod("web", 5);
  const server = createServer({ allowHalfOpen: true });
  await fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);
  const pair = async (allowHalfOpen = true) => {
    const accepted = new Promise<import("node:net").Socket>((done) => server.once("connection", done));
    const client = await fabric.dial(host, { ip: pod.ip, port: 80 }, { allowHalfOpen });
    return { client, served: await accepted };
  };
  const half = await pair();
  const got = readAll(half.served);
  half.client.end("request");
  t.equal(await got, "request");
  const answer = readAll(half.client);
  half.served.end("answer after the FIN");
  t.equal(await answer, "answer after the FIN");

  const full = await pair();
  const accepted = 100;
  for (let i = 0; i < accepted; i++) full.client.write(Buffer.alloc(16384));
  await until(() => full.served.readableLength >= 65536, "the reader's buffer is full");
  const other = await pair();
  other.client.end("x");
  t.equal(await readAll(other.served), "x");
  other.served.end();
  t.ok(full.client.writableLength > 0, "an unread end makes its writer wait");
  const counted = new Promise<number>((done) => {
    let bytes = 0;
    full.served.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("end", () => done(bytes));
  });
  full.client.end();
  t.equal(await counted, accepted * 16384);
  full.served.end();

  const reset = await pair();
  const failed = codeOf(readAll(reset.client));
  reset.served.resetAndDestroy();
  t.equal(await failed, "ECONNRESET");

  const closed = await pair();
  const rest = readAll(closed.client);
  closed.served.write("last words");
  closed.served.destroy();
  t.equal(await rest, "last words", "what was written before a close arrives");
  const late = new Promise((done) => closed.client.write("too late", (error) => done(error && "code" in error ? error.code : undefined)));
  t.equal(await late, "EPIPE");

  const idle = await pair();
  let timeouts = 0;
  idle.served.setTimeout(1000, () => timeouts++);
  await clock.advance(600);
  idle.client.write("x");
  await until(() => idle.served.readableLength === 1, "arrived");
  await clock.advance(600);
  t.equal(timeouts, 0, "traffic puts the timeout off");
  await clock.advance(400);
  t.equal(timeouts, 1);
  idle.client.destroy();
  await until(() => fabric.flows.size === 0 || fabric.flows.list().every((flow) => flow.far?.readableLength !== 0), "let go");
});

t.test("40,000 flows of one pod leave the machine's ports alone", async (t) => {
  const made = await testFabric(t, { traceLimit: 100 });
  const { fabric } = made;
  const [pod, client] = [made.pod("web", 5), made.pod("client", 6)];
  const server = createServer((socket) => void socket.resume());
  const { socket: at } = await fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);
  for (let i = 0; i < 40_000; i++) {
    const socket = await fabric.dial(client, { ip: pod.ip, port: 80 });
    socket.end();
    socket.resume();
    if (i % 1000 === 999) await until(() => fabric.flows.size === 0, "closed");
  }
  const { dialled, delivered, closed, live } = fabric.stats();
  t.same({ dialled, delivered, closed, live }, { dialled: 40_000, delivered: 40_000, closed: 40_000, live: 0 });
  t.equal(fabric.trace.recent().length, 100, "the trace is bounded");
  const ordinary = createServer((socket) => socket.end("ordinary"));
  await new Promise<void>((done) => ordinary.listen(0, "127.0.0.1", done));
  t.teardown(() => ordinary.close());
  const address = ordinary.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  t.equal(await readAll(connect({ host: "127.0.0.1", port })), "ordinary");
  const real = await connected(at);
  real.end();
});
