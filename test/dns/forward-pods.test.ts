// forward from a coredns pod to another DNS server of the cluster, over the fabric: connections are kept, and lost ones are not missed.
import t from "tap";
import { failureText } from "../../dns/forward/failure-text.ts";
import type { Failed } from "../../dns/forward/failure-text.ts";
import { DnsTcpServer } from "../../dns/tcp-server.ts";
import { realClock } from "../../model/clock.ts";
import type { ConfigMap } from "../../model/kinds/core-v1.ts";
import type { Peer, ResolvConf, SocketAddress } from "../../model/ports.ts";
import { dnsCluster } from "./cluster.ts";
import { namespace } from "./objects.ts";
import { answerTo, queryOf } from "./plugin-harness.ts";

t.test("a kept connection serves question after question, and is replaced when the server has gone", async (t) => {
  const cluster = await dnsCluster(t);
  const [upstream, server] = [cluster.podIp(3), cluster.podIp(2)];
  const asked: string[] = [];
  const answer = (transport: "udp" | "tcp", message: Uint8Array, { ip, port }: SocketAddress): Buffer => {
    asked.push(`${transport} ${ip}:${port}`);
    const query = queryOf(Buffer.from(message), transport, { ip, port });
    return answerTo(query, { answers: [{ name: query.question.name, type: "A", ttl: 0, address: "127.1.1.1" }] });
  };
  const peer: Peer = { kind: "pod", namespace: "default", name: "upstream", ip: upstream, node: "n" };
  const at = { ip: upstream, port: 53 };
  const start = async (): Promise<() => Promise<void>> => {
    const tcp = new DnsTcpServer({ clock: realClock, serve: (message, client, reply) => reply(answer("tcp", message, client)) });
    const registrations = [
      await cluster.fabric.expose(
        at,
        "UDP",
        { type: "datagram", handler: (message, from, reply) => reply(answer("udp", message, from)) },
        peer,
      ),
      await cluster.fabric.expose(at, "TCP", { type: "server", server: tcp }, peer),
    ];
    return async () => {
      tcp.closeConnections();
      for (const registration of registrations) await registration.close();
    };
  };
  let stop = await start();
  const corefile: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "coredns", namespace: "kube-system" },
    data: { Corefile: `.:53 {\n forward . ${upstream}\n}\n` },
  };
  await cluster.put(namespace("kube-system"), corefile);
  const coredns = await cluster.runCoredns(server);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [server], searches: [], options: [] };
  const ask = async (tcp: boolean): Promise<string | undefined> =>
    (await cluster.resolve.query(from, conf, "a.example.", "A", { tcp })).at(-1)?.answers[0]?.data;
  for (const tcp of [false, false, false, true, true, true]) t.equal(await ask(tcp), "127.1.1.1");
  t.equal(asked.length, 6);
  t.equal(new Set(asked).size, 2, "one connection for each transport");
  t.ok(
    asked.every((text) => text.includes(` ${server}:`)),
    "from the pod's own address",
  );
  await stop();
  stop = await start();
  for (const tcp of [true, false]) t.equal(await ask(tcp), "127.1.1.1", "a new server answers the next question");
  t.equal(await coredns.stop(), 0);
  await stop();
});

t.test("errors tells what went wrong with a server as Go does", async (t) => {
  const cluster = await dnsCluster(t);
  const [gone, server] = [cluster.podIp(3), cluster.podIp(2)];
  const corefile: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "coredns", namespace: "kube-system" },
    data: { Corefile: `.:53 {\n errors\n forward . ${gone} {\n max_fails 0\n max_connect_attempts 1\n }\n}\n` },
  };
  await cluster.put(namespace("kube-system"), corefile);
  const coredns = await cluster.runCoredns(server);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [server], searches: [], options: ["attempts:1"] };
  for (const tcp of [false, true]) await cluster.resolve.query(from, conf, "a.example.", "A", { tcp });
  const lines = coredns.log
    .join("")
    .split("\n")
    .filter((line) => line.includes("plugin/errors"));
  const escaped = gone.replaceAll(".", "\\.");
  t.equal(lines.length, 2);
  t.match(
    lines[0],
    new RegExp(`a\\.example\\. A: read udp ${server.replaceAll(".", "\\.")}:\\d+->${escaped}:53: read: connection refused$`),
  );
  t.match(lines[1], new RegExp(`a\\.example\\. A: dial tcp ${escaped}:53: connect: connection refused$`));
  t.equal(await coredns.stop(), 0);
});

t.test("failures by their code", (t) => {
  const server = { ip: "127.9.0.1", port: 53 };
  const local = { ip: "fd00::2", port: 4000 };
  const code = (name: string): Error => Object.assign(new Error(name), { code: name });
  const rows: readonly [error: unknown, where: Omit<Failed, "server">, expected: string][] = [
    [code("ETIMEDOUT"), { proto: "udp", during: "read", local }, "read udp [fd00::2]:4000->127.9.0.1:53: i/o timeout"],
    [code("ETIMEDOUT"), { proto: "tcp", during: "read" }, "read tcp 127.9.0.1:53: i/o timeout"],
    [code("ETIMEDOUT"), { proto: "tcp", during: "dial" }, "dial tcp 127.9.0.1:53: i/o timeout"],
    [code("ECONNRESET"), { proto: "tcp", during: "read" }, "read tcp 127.9.0.1:53: read: connection reset by peer"],
    [code("ECONNRESET"), { proto: "tcp", during: "read", ended: true }, "EOF"],
    [code("ENETUNREACH"), { proto: "udp", during: "read", local }, "dial udp 127.9.0.1:53: connect: network is unreachable"],
    [code("EHOSTUNREACH"), { proto: "tcp", during: "dial" }, "dial tcp 127.9.0.1:53: connect: no route to host"],
    [new Error("odd"), { proto: "udp", during: "read" }, "odd"],
  ];
  for (const [error, where, expected] of rows) t.equal(failureText(error, { ...where, server }), expected);
  t.end();
});
