// What the proxy tells: Events for annotations without effect, explain for Services without endpoints, dump of one Service.
import t from "tap";
import { Events, Services } from "../../model/resources.ts";
import { balancerProblem } from "../../proxy/balancer-annotation.ts";
import type { ProxyMode } from "../../proxy/index.ts";
import { endpoint, proxyWorld } from "./proxy-world.ts";

const PROBLEMS: readonly (readonly [balancer: string, modes: readonly ProxyMode[], expected: string | undefined])[] = [
  ["", ["iptables"], undefined],
  ["round-robin", ["userspace"], undefined],
  ["round-robin", ["iptables", "userspace"], undefined],
  ["wlc", ["ipvs"], undefined],
  [
    "round-robin",
    ["iptables"],
    "loopkube.dev/balancer: round-robin has no effect: proxy mode iptables does not choose by it, userspace does",
  ],
  ["maglev", ["ipvs"], "loopkube.dev/balancer: maglev has no effect: proxy mode ipvs does not choose by it, userspace does"],
  [
    "wlc",
    ["iptables", "nftables"],
    "loopkube.dev/balancer: wlc has no effect: proxy mode iptables and nftables does not choose by it, ipvs and userspace do",
  ],
];
for (const [balancer, modes, expected] of PROBLEMS) t.equal(balancerProblem(balancer, modes), expected, `${balancer} in ${modes.join()}`);
t.match(balancerProblem("bogus", ["userspace"]), /^loopkube\.dev\/balancer: bogus is not known; there is: random, round-robin, /);

t.test("an annotation without effect is told once", async (t) => {
  const world = await proxyWorld(t);
  const told = (): readonly string[] =>
    world.store.list(Events).flatMap(({ reason, message = "" }) => (reason === "BalancerIgnored" ? [message] : []));
  await world.service("web", 5, {}, { "loopkube.dev/balancer": "round-robin" });
  await world.store.settle();
  t.equal(told().length, 1);
  await world.endpoints("web", [endpoint(world.pod("a", 10))]);
  t.equal(told().length, 1);
  await world.store.mutate(Services, "default", "web", (draft) => void (draft.metadata.annotations = { "loopkube.dev/balancer": "rr" }));
  await world.store.settle();
  t.match(told().at(-1), "loopkube.dev/balancer: rr has no effect");
});

t.test("explain says where to look when a Service has no endpoints", async (t) => {
  const world = await proxyWorld(t);
  const lines = async (host: number): Promise<readonly string[]> => {
    const ip = world.plan.services.at(host);
    return (await world.proxy.explain?.({ from: world.host, to: "web", host: "web", port: 80, protocol: "TCP", ip }))?.lines ?? [];
  };
  await world.service("web", 5, { selector: { app: "wbe", tier: "front" } });
  await world.service("named", 6, { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }] });
  await world.service("bare", 7);
  await world.service("unready", 8, { selector: { app: "web" } });
  await world.endpoints("unready", [endpoint(world.pod("a", 10), { ready: false })]);
  t.same((await lines(5)).slice(-3), [
    "default/web has no endpoints",
    "no running pod in namespace default has the labels app=wbe,tier=front",
    "verdict: reject (connection refused)",
  ]);
  t.equal((await lines(6)).at(-2), "no running pod in namespace default has the labels app=web and a TCP port named http");
  t.equal((await lines(7)).at(-2), "the Service has no selector: nobody has made an EndpointSlice or Endpoints with this port");
  t.match((await lines(8)).at(-2), /^- .*:80 {2}default\/a on node-0 {2}not ready$/);
});

t.test("explain says which ports there are at an address that has not the one asked for", async (t) => {
  for (const [mode, verdict] of [
    ["iptables", "verdict: drop (the client times out)"],
    ["nftables", "verdict: reject (connection refused)"],
  ] as const) {
    const world = await proxyWorld(t, { mode });
    await world.service("web", 5, { ports: [{ port: 80 }, { name: "admin", port: 9000 }] });
    await world.store.settle();
    const ip = world.plan.services.at(5);
    const answer = await world.proxy.explain?.({ from: world.host, to: `${ip}:81`, host: ip, port: 81, protocol: "TCP", ip });
    t.same(answer?.lines.slice(1), [`${ip} is Service default/web, which has 80/TCP, 9000/TCP (admin)`, verdict], mode);
  }
});

t.test("dump of one Service, and of one that there is not", async (t) => {
  const world = await proxyWorld(t);
  await world.service("web", 5);
  await world.service("other", 6);
  await world.store.settle();
  t.notMatch(world.proxy.dump?.({ service: "default/web" }), "default/other");
  t.match(world.proxy.dump?.({ service: "default/web", as: "iptables" }), "default/web");
  t.throws(() => world.proxy.dump?.({ service: "default/nobody" }), { message: 'services "default/nobody" not found' });
});
