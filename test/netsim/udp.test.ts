// Datagrams: real clients and in-process ones, Services, conntrack's timeouts on the clock, deletion, piped backends.
import { createSocket, type Socket } from "node:dgram";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import type { DatagramHandler, SocketAddress } from "../../model/ports.ts";
import { testFabric, type PodPeer, type TestFabric } from "./test-fabric.ts";
import { until } from "../support/until.ts";

const named =
  (name: string): DatagramHandler =>
  (message, source, reply) =>
    reply(Buffer.from(`${name} got ${Buffer.from(message)} from ${source.ip}`));

function expose(made: TestFabric, pod: PodPeer) {
  return made.fabric.expose({ ip: pod.ip, port: 53 }, "UDP", { type: "datagram", handler: named(pod.name) }, pod);
}

/** A real client whose answers are kept with their sender. */
async function client(t: {
  teardown(callback: () => void): void;
}): Promise<{ socket: Socket; answers: string[]; ask(to: SocketAddress, text: string): Promise<string> }> {
  const socket = createSocket("udp4");
  const answers: string[] = [];
  socket.on("message", (message, { address, port }) => answers.push(`${message} (${address}:${port})`));
  await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
  t.teardown(() => socket.close());
  const ask = async (to: SocketAddress, text: string): Promise<string> => {
    const before = answers.length;
    socket.send(text, to.port, to.ip);
    await until(() => answers.length > before, `an answer to ${text}`);
    return answers.at(-1) ?? "";
  };
  return { socket, answers, ask };
}

async function service(t: Parameters<typeof testFabric>[0]) {
  const clock = new VirtualClock();
  const made = await testFabric(t, { clock });
  const { fabric, plan, pod } = made;
  const pods = [pod("a", 5), pod("b", 6, 1)];
  for (const each of pods) await expose(made, each);
  const address = { ip: plan.dnsIp, port: 53 };
  let turn = 0;
  const mode = { verdict: "dnat", masquerade: false };
  fabric.hooks.verdict = ({ destination }) => {
    if (destination.ip !== address.ip) return { type: "pass", matched: [] };
    if (mode.verdict === "reject") return { type: "reject", matched: [] };
    if (mode.verdict === "drop") return { type: "drop", matched: [] };
    return {
      type: "dnat",
      endpoint: { ip: pods[turn++ % 2]?.ip ?? "", port: 53 },
      masquerade: mode.masquerade,
      service: "kube-system/kube-dns:dns",
      matched: [],
    };
  };
  const { socket: at } = await fabric.listenService(address, "UDP");
  return { ...made, clock, pods, address, at, mode };
}

t.test("a 4-tuple keeps its endpoint as long as its entry lives", async (t) => {
  const { fabric, clock, at, pods, address } = await service(t);
  const { ask, socket } = await client(t);
  const [a, b] = ["a got x from 127.0.0.1", "b got x from 127.0.0.1"].map((text) => `${text} (${at.ip}:${at.port})`);
  t.equal(await ask(at, "x"), a, "answered from the address that was asked");
  t.equal(await ask(at, "x"), a);
  t.match(fabric.udpFlows.list(), [
    {
      source: { ip: "127.0.0.1", port: socket.address().port },
      destination: address,
      endpoint: { ip: pods[0]?.ip },
      service: "kube-system/kube-dns:dns",
      replied: true,
      node: "node-0",
    },
  ]);
  await clock.advance(119_999);
  t.equal(await ask(at, "x"), a, "a stream lives 120 s after its last datagram");
  await clock.advance(120_000);
  t.same(fabric.udpFlows.list(), []);
  t.equal(await ask(at, "x"), b, "a new entry, a new decision");
  t.equal(
    fabric.udpFlows.deleteWhere((flow) => flow.endpoint.ip === pods[1]?.ip),
    1,
  );
  t.equal(await ask(at, "x"), a, "deleted: decided anew");
  const second = await client(t);
  t.equal(await second.ask(at, "x"), b, "another port is another entry");
});

t.test("unreplied entries live 30 s", async (t) => {
  const clock = new VirtualClock();
  const made = await testFabric(t, { clock });
  const pod = made.pod("sink", 5);
  let received = 0;
  await made.fabric.expose({ ip: pod.ip, port: 9 }, "UDP", { type: "datagram", handler: () => received++ }, pod);
  const socket = made.fabric.openDatagram(made.host, () => {});
  socket.send(Buffer.from("x"), { ip: pod.ip, port: 9 });
  await until(() => received === 1, "received");
  await clock.advance(29_999);
  t.equal(made.fabric.udpFlows.list().length, 1);
  await clock.advance(1);
  t.equal(made.fabric.udpFlows.list().length, 0);
  await clock.advance(10_000);
  t.equal(made.fabric.udpFlows.size, 0, "swept");
});

t.test("in-process senders", async (t) => {
  const made = await service(t);
  const { fabric, address, mode, pods, plan } = made;
  const [pod] = pods;
  if (!pod) return;
  const answers: string[] = [];
  const errors: string[] = [];
  const socket = fabric.openDatagram(pod, (message, source) => answers.push(`${Buffer.from(message)} (${source.ip}:${source.port})`));
  socket.onError = (error) => errors.push(error.message);
  const ask = async (to: SocketAddress, text: string): Promise<string> => {
    const before = answers.length + errors.length;
    socket.send(Buffer.from(text), to);
    await until(() => answers.length + errors.length > before, text);
    return answers.pop() ?? errors.pop() ?? "";
  };
  t.equal(await ask(address, "x"), `a got x from ${pod.ip} (${address.ip}:53)`);
  t.equal(await ask({ ip: "127.0.0.1", port: 53 }, "x"), `a got x from ${pod.ip} (127.0.0.1:53)`, "its own loopback");
  t.equal(await ask({ ip: pod.ip, port: 54 }, "x"), `send ECONNREFUSED ${pod.ip}:54`);
  t.equal(await ask({ ip: "192.0.2.1", port: 53 }, "x"), "send ENETUNREACH 192.0.2.1:53");
  t.equal(await ask(address, "x".repeat(70_000)), `send EMSGSIZE ${address.ip}:53`);
  fabric.udpFlows.deleteWhere(() => true);
  mode.verdict = "reject";
  t.equal(await ask(address, "x"), `send ECONNREFUSED ${address.ip}:53`);
  mode.verdict = "drop";
  socket.send(Buffer.from("x"), address);
  await until(() => fabric.stats().dropped === 1, "dropped");
  t.same(
    [answers, errors, fabric.udpFlows.list().filter((flow) => flow.destination.ip === address.ip)],
    [[], [], []],
    "silence, and no entry",
  );
  mode.verdict = "dnat";
  mode.masquerade = true;
  t.equal(await ask(address, "y"), `b got y from ${plan.nodeIp(0)} (${address.ip}:53)`);
  socket.close();
});

t.test("a private socket gets datagrams piped, one socket an entry", async (t) => {
  const made = await testFabric(t);
  const pod = made.pod("process", 5);
  const real = createSocket("udp4", (message, { port, address }) => real.send(`process got ${message}`, port, address));
  await new Promise<void>((done) => real.bind(0, "127.0.0.1", done));
  t.teardown(() => real.close());
  const { socket: at } = await made.fabric.expose(
    { ip: pod.ip, port: 53 },
    "UDP",
    { type: "socket", address: { ip: "127.0.0.1", port: real.address().port } },
    pod,
  );
  const { ask } = await client(t);
  t.equal(await ask(at, "x"), `process got x (${at.ip}:${at.port})`);
  t.equal(await ask(at, "y"), `process got y (${at.ip}:${at.port})`);
  t.equal(made.fabric.stats().descriptors.open, 1);
  t.equal(made.fabric.killPeer(pod.ip), 1);
  t.equal(made.fabric.stats().descriptors.open, 0);
});

t.test("garbage datagrams and a taken port", async (t) => {
  const made = await service(t);
  const { ask } = await client(t);
  t.match(await ask(made.at, ""), /^a got  from/);
  t.equal(
    await made.fabric.listenService(made.address, "UDP").then(
      () => "",
      (error: Error) => error.message,
    ),
    `listen EADDRINUSE ${made.address.ip}:53`,
  );
});
