import t from "tap";
import { request } from "node:http";
import { Services } from "../../model/resources.ts";
import { endpoint, proxyWorld } from "./proxy-world.ts";

const names = (answers: readonly string[]): string => [...new Set(answers.map((answer) => answer.split(" ")[0]))].sort().join(" ");
const repeat = async (times: number, ask: () => Promise<string>): Promise<string[]> => {
  const answers: string[] = [];
  for (let i = 0; i < times; i++) answers.push(await ask());
  return answers;
};

t.test("a ClusterIP: refused without endpoints, balanced with them, refused again", async (t) => {
  const world = await proxyWorld(t);
  const [a, b, client] = [world.pod("a", 10), world.pod("b", 11, 1), world.pod("client", 20)];
  await Promise.all([a, b].map((pod) => world.serve(pod, 80)));
  const vip = { ip: world.plan.services.at(5), port: 80 };
  await world.service("web", 5);
  await world.store.settle();
  t.equal(await world.ask(vip), "ECONNREFUSED", "from this machine");
  t.equal(await world.askAs(client, vip), "ECONNREFUSED", "from a pod");
  await world.endpoints("web", [endpoint(a), endpoint(b)]);
  t.equal(names(await repeat(30, () => world.ask(vip))), "a b");
  t.equal(names(await repeat(30, () => world.askAs(client, vip))), "a b");
  t.equal((await world.askAs(client, vip)).split(" ")[1], client.ip, "a pod's source is kept");
  t.equal((await world.ask(vip)).split(" ")[1], world.plan.nodeIp(0), "this machine is masqueraded as the node");
  t.equal(await world.askAs(client, { ip: vip.ip, port: 81 }), "ETIMEDOUT", "iptables has no rule for another port: the packet is lost");
  await world.endpoints("web", [endpoint(b)]);
  t.equal(names(await repeat(5, () => world.ask(vip))), "b");
  await world.endpoints("web", []);
  t.equal(await world.ask(vip), "ECONNREFUSED");
  await world.endpoints("web", [endpoint(a, { ready: false, serving: true, terminating: true })]);
  t.equal(names(await repeat(3, () => world.ask(vip))), "a", "only terminating ones are left: they still serve");
  await world.store.delete(Services, "default", "web");
  await world.store.settle();
  t.equal(await world.ask(vip), "ECONNREFUSED");
});

t.test("hairpin: a pod that reaches itself sees its node", async (t) => {
  const world = await proxyWorld(t);
  const a = world.pod("a", 10);
  await world.serve(a, 80);
  await world.service("web", 5);
  await world.endpoints("web", [endpoint(a)]);
  t.equal(await world.askAs(a, { ip: world.plan.services.at(5), port: 80 }), `a ${world.plan.nodeIp(0)}`);
});

t.test("NodePorts on every node; externalTrafficPolicy Local keeps the source and drops without a local endpoint", async (t) => {
  const world = await proxyWorld(t);
  const [a, b] = [world.pod("a", 10), world.pod("b", 11)];
  await Promise.all([a, b].map((pod) => world.serve(pod, 80)));
  const ports = [{ port: 80, nodePort: 30_080 }];
  await world.service("web", 5, { type: "NodePort", ports });
  await world.endpoints("web", [endpoint(a), endpoint(b)]);
  for (const i of [0, 1]) t.equal(names(await repeat(20, () => world.ask({ ip: world.plan.nodeIp(i), port: 30_080 }))), "a b", `node ${i}`);
  t.equal((await world.ask({ ip: world.plan.nodeIp(1), port: 30_080 })).split(" ")[1], world.plan.nodeIp(1));
  await world.store.mutate(Services, "default", "web", (draft) => void Object.assign(draft.spec ?? {}, { externalTrafficPolicy: "Local" }));
  await world.store.settle();
  t.equal((await world.askAs(world.host, { ip: world.plan.nodeIp(0), port: 30_080 })).split(" ")[1], "127.0.0.1", "source kept");
  t.equal(await world.askAs(world.host, { ip: world.plan.nodeIp(1), port: 30_080 }), "ETIMEDOUT", "no local endpoint: dropped");
  t.equal(
    names([await world.askAs(world.pod("client", 20, 1), { ip: world.plan.nodeIp(1), port: 30_080 })]).length,
    1,
    "a pod is short-circuited",
  );
});

t.test("load balancer addresses, source ranges and the health check port", async (t) => {
  const world = await proxyWorld(t);
  const a = world.pod("a", 10, 1);
  await world.serve(a, 80);
  const ip = world.plan.loadBalancers.at(1);
  const spec = {
    type: "LoadBalancer" as const,
    ports: [{ port: 80, nodePort: 30_080 }],
    externalTrafficPolicy: "Local" as const,
    healthCheckNodePort: 31_000,
  };
  await world.service("web", 5, spec);
  await world.store.mutate(Services, "default", "web", (draft) => void (draft.status = { loadBalancer: { ingress: [{ ip }] } }), {
    subresource: "status",
  });
  await world.endpoints("web", [endpoint(a)]);
  t.same(world.proxy.loadBalancerNodes({ ip, port: 80 }, "TCP"), ["node-1"]);
  t.same(names(await repeat(10, () => world.ask({ ip, port: 80 }))), "a", "always through the node that has it");
  const health = (node: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = request({ host: world.plan.nodeIp(node), port: 31_000, agent: false }, (response) => {
        let body = "";
        response
          .setEncoding("utf8")
          .on("data", (text: string) => (body += text))
          .on("end", () => resolve(`${response.statusCode} ${JSON.stringify(JSON.parse(body))}`));
      });
      socket.once("error", reject).end();
    });
  t.equal(await health(0), '503 {"service":{"namespace":"default","name":"web"},"localEndpoints":0,"serviceProxyHealthy":true}');
  t.equal(await health(1), '200 {"service":{"namespace":"default","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}');
  await world.store.mutate(
    Services,
    "default",
    "web",
    (draft) => void Object.assign(draft.spec ?? {}, { loadBalancerSourceRanges: ["10.0.0.0/8"] }),
  );
  await world.store.settle();
  t.equal(await world.askAs(world.host, { ip, port: 80 }), "ETIMEDOUT", "outside the source ranges");
});

t.test("UDP: entries are cleared when their endpoint goes, zero endpoints included; off, the client black-holes", async (t) => {
  for (const cleanUpUdp of [true, false]) {
    const world = await proxyWorld(t, { cleanUpUdp });
    const [a, b, client] = [world.pod("a", 10), world.pod("b", 11), world.pod("client", 20)];
    const first = await world.serve(a, 53, "UDP");
    await world.serve(b, 53, "UDP");
    await world.service("dns", 5, { ports: [{ port: 53, protocol: "UDP" }] });
    const ports = [{ name: "", protocol: "UDP" as const, port: 53 }];
    await world.endpoints("dns", [endpoint(a)], ports);
    const answers: string[] = [];
    const socket = world.fabric.openDatagram(client, (message) => void answers.push(Buffer.from(message).toString().split(" ")[0] ?? ""));
    t.teardown(async () => socket.close());
    const send = async (): Promise<void> => {
      const before = answers.length;
      socket.send(Buffer.from("?"), { ip: world.plan.services.at(5), port: 53 });
      for (let i = 0; i < 50 && answers.length === before; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    socket.onError = () => void answers.push("refused");
    await send();
    await first.close();
    await world.endpoints("dns", [], ports);
    t.equal(world.fabric.udpFlows.size, cleanUpUdp ? 0 : 1, `clean-up ${cleanUpUdp}`);
    await world.endpoints("dns", [endpoint(b)], ports);
    await send();
    t.equal(answers[0], "a");
    if (cleanUpUdp) t.equal(answers.at(-1), "b");
    else t.notOk(answers.includes("b"), "still sent to the pod that is gone");
  }
});

t.test("session affinity, per mode behaviour, explain, dump, status", async (t) => {
  const world = await proxyWorld(t, { mode: "nftables" });
  const [a, b, client] = [world.pod("a", 10), world.pod("b", 11, 1), world.pod("client", 20)];
  await Promise.all([a, b].map((pod) => world.serve(pod, 80)));
  const vip = { ip: world.plan.services.at(5), port: 80 };
  await world.service("web", 5, { sessionAffinity: "ClientIP" });
  await world.endpoints("web", [endpoint(a), endpoint(b), endpoint(world.pod("c", 12), { ready: false })]);
  t.equal(names(await repeat(20, () => world.askAs(client, vip))).length, 1, "one pod for one client");
  t.equal(await world.askAs(client, { ip: vip.ip, port: 81 }), "ECONNREFUSED", "nftables rejects an unknown port of a ClusterIP");
  t.equal(await world.askAs(client, { ip: world.plan.services.at(9), port: 80 }), "ETIMEDOUT", "and drops an unallocated one");
  const answer = await world.proxy.explain?.({ from: client, to: "web", host: "web", port: 80, protocol: "TCP", ip: vip.ip });
  t.equal(answer?.title, "kube-proxy (nftables) on node-0");
  t.same(answer?.lines, [
    `ClusterIP ${vip.ip}:80/TCP is default/web`,
    "internalTrafficPolicy Cluster: 2 of 3 endpoints",
    `+ ${a.ip}:80  default/a on node-0  ready`,
    `- ${world.pod("c", 12).ip}:80  default/c on node-0  not ready`,
    `+ ${b.ip}:80  default/b on node-1  ready`,
    "verdict: DNAT to one of 2 endpoints, random, then the same for 10800 s (ClientIP affinity), source kept",
  ]);
  t.match(world.proxy.status?.(), { mode: "nftables", services: 1, endpoints: 3, listeners: 1, failedListeners: [], affinityClients: 1 });
  t.equal(
    world.proxy.dump?.({ node: "node-1" }),
    `# kube-proxy nftables, node node-1 in zone b: 1 Services

default/web TCP: ClusterIP ${vip.ip}:80
  random; ClientIP affinity for 10800 s
  ${a.ip}:80  ready      node-0  default/a  used (cluster)
  ${world.pod("c", 12).ip}:80  not ready  node-0  default/c  not used
  ${b.ip}:80  ready      node-1  default/b  used (cluster)
`,
  );
});
