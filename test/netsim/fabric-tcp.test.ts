// Real connections through the fabric: pods, Services, masquerade, hand-over, drop, reject, kill, pipes, published ports.
import { createServer as createHttp, get, type Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { codeOf, connected, readAll, testFabric, type PodPeer, type TestFabric } from "./test-fabric.ts";
import { until } from "../support/until.ts";

const whoami = (): HttpServer =>
  createHttp((req, res) => {
    const { remoteAddress, localAddress, localPort } = req.socket;
    res.end(`${remoteAddress} at ${localAddress}:${localPort}`);
  });

const echo = (): Server =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.pipe(socket);
  });

function expose(made: TestFabric, pod: PodPeer, port: number, server: Server) {
  return made.fabric.expose({ ip: pod.ip, port }, "TCP", { type: "server", server }, pod);
}

function body(at: { ip: string; port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: at.ip, port: at.port, agent: false }, (res) => readAll(res).then(resolve, reject)).on("error", reject);
  });
}

t.test("a pod's own address", async (t) => {
  const made = await testFabric(t);
  const pod = made.pod("web", 5);
  const server = whoami();
  const listening = await expose(made, pod, 8080, server);
  t.same(listening.socket, { ip: pod.ip, port: 8080 });
  t.same(made.fabric.socketOf({ ip: pod.ip, port: 8080 }, "TCP"), listening.socket);
  t.same(server.address(), { address: pod.ip, port: 8080, family: "IPv4" });
  t.equal(await body(listening.socket), `127.0.0.1 at ${pod.ip}:8080`);
  t.equal(await codeOf(expose(made, pod, 8080, whoami())), "EADDRINUSE");
  t.equal(await codeOf(made.fabric.listenService({ ip: pod.ip, port: 8080 }, "TCP")), "EADDRINUSE");
  const other = await expose(made, pod, 8081, whoami());
  t.equal(await body(other.socket), `127.0.0.1 at ${pod.ip}:8081`, "another container of the pod");
  await listening.close();
  await listening.close();
  t.equal(server.listening, false);
  t.equal(await codeOf(body(listening.socket)), "ECONNREFUSED");
  const again = await expose(made, pod, 8080, whoami());
  t.equal(await body(again.socket), `127.0.0.1 at ${pod.ip}:8080`);
});

t.test("a Service: dnat, masquerade, reject, no endpoint", async (t) => {
  const made = await testFabric(t);
  const { fabric, plan } = made;
  const pod = made.pod("web", 5, 1);
  await expose(made, pod, 8080, whoami());
  const service = { ip: plan.services.at(30), port: 80 };
  const nodePort = { ip: plan.nodeIp(1), port: 30080 };
  let masquerade = false;
  let endpoint = { ip: pod.ip, port: 8080 };
  let reject = false;
  const nodes: string[] = [];
  fabric.hooks.verdict = (flow) => {
    if (flow.destination.ip === pod.ip) return { type: "pass", matched: [] };
    nodes.push(flow.node);
    return reject
      ? { type: "reject", matched: ["no endpoints"] }
      : { type: "dnat", endpoint, masquerade, service: "default/web:http", matched: ["cluster IP"] };
  };
  const [atService, atNode] = [await fabric.listenService(service, "TCP"), await fabric.listenService(nodePort, "TCP")];
  t.equal(await body(atService.socket), `127.0.0.1 at ${pod.ip}:8080`);
  masquerade = true;
  t.equal(await body(atService.socket), `${plan.nodeIp(0)} at ${pod.ip}:8080`, "masquerade shows the first node");
  t.equal(await body(atNode.socket), `${plan.nodeIp(1)} at ${pod.ip}:8080`, "the addressed node's rules");
  const published = await fabric.publish({ ip: "127.0.0.1", port: 0 }, nodePort, "TCP");
  t.equal(await body(published.socket), `${plan.nodeIp(1)} at ${pod.ip}:8080`, "published");
  t.same(nodes, ["node-0", "node-0", "node-1", "node-1"]);
  reject = true;
  t.equal(await codeOf(body(atService.socket)), "ECONNRESET", "the handshake is done: reject is a reset");
  reject = false;
  endpoint = { ip: pod.ip, port: 9 };
  t.equal(await codeOf(body(atService.socket)), "ECONNRESET", "no backend");
  t.same(
    fabric.trace
      .recent()
      .filter((hop) => hop.flow === 3)
      .map((hop) => `${hop.node} ${hop.hop} ${hop.decision.replace(/:\d+ →/, ":* →")} [${hop.matched}]`)
      .slice(0, 3),
    [
      `node-1 accept TCP 127.0.0.1:* → ${plan.nodeIp(1)}:30080 []`,
      `node-1 verdict dnat ${pod.ip}:8080 masquerade (default/web:http) [cluster IP]`,
      `node-1 deliver hand-over ${pod.ip}:8080 []`,
    ],
  );
  await until(() => fabric.stats().live === 0, "all flows closed");
  const { accepted, handedOver, rejected, noEndpoint, closed } = fabric.stats();
  t.same({ accepted, handedOver, rejected, noEndpoint, closed }, { accepted: 6, handedOver: 4, rejected: 1, noEndpoint: 1, closed: 6 });
});

t.test("a load balancer address picks nodes, seeded", async (t) => {
  const made = await testFabric(t);
  const { fabric, plan } = made;
  const address = { ip: plan.loadBalancers.at(1), port: 80 };
  const seen: string[] = [];
  fabric.hooks.verdict = (flow) => (seen.push(flow.node), { type: "reject", matched: [] });
  for (let i = 0; i < 12; i++) await codeOf(fabric.dial(made.host, address));
  t.same(new Set(seen), new Set(["node-0", "node-1"]));
  fabric.hooks.loadBalancerNodes = () => ["node-1"];
  seen.length = 0;
  for (let i = 0; i < 5; i++) await codeOf(fabric.dial(made.host, address));
  t.same(seen, Array(5).fill("node-1"));
});

t.test("hand-over keeps half-close, keep-alive and pipelining", async (t) => {
  const made = await testFabric(t);
  const pod = made.pod("web", 5);
  const server = whoami();
  const { socket: at } = await expose(made, pod, 8080, server);
  const half = await connected(at);
  half.end("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  t.equal((await readAll(half)).match(/200 OK/g)?.length, 2, "both answers after the client's FIN");
  const kept = await connected(at);
  let text = "";
  kept.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  for (let i = 1; i <= 3; i++) {
    kept.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => (text.match(/200 OK/g)?.length ?? 0) === i, `answer ${i}`);
  }
  t.equal(made.fabric.stats().accepted, 2);
  const gone = new Promise((done) => kept.once("close", done));
  server.closeAllConnections();
  kept.end();
  await gone;
  const { socket: echoAt } = await expose(made, pod, 7, echo());
  const echoed = await connected(echoAt);
  const all = readAll(echoed);
  echoed.end("x".repeat(300_000));
  t.equal((await all).length, 300_000);
});

t.test("a server drains as one that listens by itself", async (t) => {
  const made = await testFabric(t);
  const server = echo();
  const { socket: at } = await expose(made, made.pod("web", 5), 7000, server);
  const client = await connected(at);
  await until(() => made.fabric.flows.size === 1, "accepted");
  let closed = false;
  server.close(() => (closed = true));
  t.equal(await codeOf(connected(at)), "ECONNREFUSED", "its own close() closes the listener");
  t.equal(closed, false, "an established connection keeps it");
  const all = readAll(client);
  client.end("still here");
  t.equal(await all, "still here");
  await until(() => closed, "drained");
});

t.test("killing a pod destroys its sockets, and stop waits for none", async (t) => {
  const made = await testFabric(t);
  const pod = made.pod("web", 5);
  const listening = await expose(made, pod, 7000, echo());
  const clients = await Promise.all(Array.from({ length: 5 }, () => connected(listening.socket)));
  const inside = await made.fabric.dial(made.pod("client", 6), { ip: pod.ip, port: 7000 });
  await until(() => made.fabric.flows.size === 6, "accepted");
  await listening.close();
  const [first] = clients;
  if (first) {
    first.write("hello");
    t.equal(String(await new Promise((done) => first.once("data", done))), "hello", "lives on after its listener");
  }
  const ends = Promise.all([...clients, inside].map((client) => readAll(client)));
  t.equal(made.fabric.killPeer(pod.ip), 6);
  for (const client of clients) client.end();
  await ends;
  await until(() => made.fabric.flows.size === 0, "no flow left");
});

t.test("a drop is held until the client leaves, or as long as Linux would try", async (t) => {
  const clock = new VirtualClock();
  const { fabric, plan } = await testFabric(t, { clock });
  fabric.hooks.verdict = () => ({ type: "drop", matched: [] });
  const { socket: at } = await fabric.listenService({ ip: plan.services.at(9), port: 1234 }, "TCP");
  const [leaver, stayer] = [await connected(at), await connected(at)];
  leaver.write("anyone?");
  await until(() => fabric.flows.size === 2, "held");
  leaver.end();
  await until(() => fabric.flows.size === 1, "the leaver is let go");
  const failed = codeOf(readAll(stayer));
  await clock.advance(126_000);
  t.equal(fabric.flows.size, 1);
  await clock.advance(1000);
  t.equal(await failed, "ECONNRESET");
});

t.test("policy denies on the path, and a live flow can be stalled and reset", async (t) => {
  const made = await testFabric(t);
  const { fabric } = made;
  const pod = made.pod("web", 5);
  const { socket: at } = await expose(made, pod, 7000, echo());
  const client = await connected(at);
  let text = "";
  client.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  client.write("a");
  await until(() => text === "a", "echo");
  const [flow] = fabric.flows.list();
  flow?.stall(true);
  client.write("b");
  const other = await connected(at);
  const otherEcho = readAll(other);
  other.end("meanwhile");
  t.equal(await otherEcho, "meanwhile");
  t.equal(text, "a", "nothing passes while stalled");
  flow?.stall(false);
  await until(() => text === "ab", "what was stalled arrives");
  const failed = codeOf(readAll(client));
  flow?.reset();
  t.equal(await failed, "ECONNRESET");
  fabric.hooks.policy = (_flow, endpoint) => ({ allowed: endpoint.ip !== pod.ip, matched: ["default-deny"] });
  t.equal(await codeOf(fabric.dial(made.host, { ip: pod.ip, port: 7000 }, { timeoutMs: 5 })), "ETIMEDOUT");
  t.equal(fabric.stats().denied, 1);
});

t.test("a private socket gets its flows piped", async (t) => {
  const made = await testFabric(t);
  const pod = made.pod("worker", 5);
  const real = echo();
  await new Promise<void>((done) => real.listen(0, "127.0.0.1", done));
  t.teardown(() => real.close());
  const address = real.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const { socket: at } = await made.fabric.expose(
    { ip: pod.ip, port: 7000 },
    "TCP",
    { type: "socket", address: { ip: "127.0.0.1", port } },
    pod,
  );
  const client = await connected(at);
  const all = readAll(client);
  client.end("y".repeat(2_000_000));
  t.equal((await all).length, 2_000_000, "half-close and back-pressure");
  const inside = await made.fabric.dial(made.host, { ip: pod.ip, port: 7000 }, { allowHalfOpen: true });
  const echoed = readAll(inside);
  inside.end("inside");
  t.equal(await echoed, "inside");
  const aborted = await connected(at);
  const accepted = new Promise<string>((done) => real.once("connection", (socket) => socket.once("error", (error) => done(String(error)))));
  aborted.write("x");
  await until(() => made.fabric.flows.list().some((flow) => flow.far?.bytesRead === 1), "piped");
  aborted.resetAndDestroy();
  t.match(await accepted, /ECONNRESET/, "a reset passes through");
  real.close();
  t.equal(await codeOf(connected(at).then(readAll)), "ECONNRESET", "a dead backend resets");
  t.equal(await codeOf(made.fabric.dial(made.host, { ip: pod.ip, port: 7000 })), "ECONNREFUSED");
});

t.test("beyond the descriptor budget new flows are reset, told once, and it recovers", async (t) => {
  let told = 0;
  const made = await testFabric(t, { descriptorBudget: 10, onPressure: () => told++ });
  const { socket: at } = await expose(made, made.pod("web", 5), 7000, echo());
  const kept = await Promise.all(Array.from({ length: 10 }, () => connected(at)));
  await until(() => made.fabric.flows.size === 10, "accepted");
  for (let i = 0; i < 3; i++) t.equal(await codeOf(connected(at).then(readAll)), "ECONNRESET");
  t.same([told, made.fabric.stats().descriptors.refused], [1, 3]);
  for (const client of kept.splice(0, 5)) client.resetAndDestroy();
  await until(() => made.fabric.flows.size === 5, "closed");
  const client = await connected(at);
  const all = readAll(client);
  client.end("back");
  t.equal(await all, "back");
  for (const each of kept) each.destroy();
});

t.test("the mapped plan speaks cluster addresses all the same", async (t) => {
  const made = await testFabric(t, { kind: "mapped" });
  const pod = made.pod("web", 5);
  const listening = await expose(made, pod, 80, whoami());
  t.equal(listening.socket.ip, "127.0.0.1");
  t.same(listening.address, { ip: pod.ip, port: 80 });
  t.equal(await body(listening.socket), `127.0.0.1 at ${pod.ip}:80`);
});
