// Load-aware algorithms on live flows: they see flows begin and end, whatever way the fabric carries them.
import t from "tap";
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import { ipvsSchedulers } from "../../balancers/index.ts";
import { IPVS_SCHEDULERS } from "../../cluster/options.ts";
import type { Peer, SocketAddress } from "../../model/ports.ts";
import { connected, type PodPeer } from "../netsim/test-fabric.ts";
import { until } from "../support/until.ts";
import { endpoint, proxyWorld, type World } from "./proxy-world.ts";

type Teardown = Parameters<typeof proxyWorld>[0];
interface Conversation {
  readonly pod: string;
  end(): Promise<void>;
}

/** Pods a and b keep each connection open after telling their name. */
async function heldWorld(
  t: Teardown,
  options: Parameters<typeof proxyWorld>[1],
  balancer: string,
): Promise<World & { readonly vip: SocketAddress; readonly client: PodPeer }> {
  const world = await proxyWorld(t, options);
  const pods = [world.pod("a", 10), world.pod("b", 11)];
  for (const pod of pods) {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(pod.name);
    });
    await world.fabric.expose({ ip: pod.ip, port: 80 }, "TCP", { type: "server", server }, pod);
  }
  await world.service("web", 5, {}, { "loopkube.dev/balancer": balancer });
  await world.endpoints(
    "web",
    pods.map((pod) => endpoint(pod)),
  );
  return { ...world, vip: { ip: world.plan.services.at(5), port: 80 }, client: world.pod("client", 20) };
}

async function talk(open: () => Promise<Duplex>, world: World): Promise<Conversation> {
  const socket = await open();
  const pod = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data))));
  const end = async (): Promise<void> => {
    const live = world.fabric.flows.size;
    socket.destroy();
    await until(() => world.fabric.flows.size < live, "the flow to end");
  };
  return { pod, end };
}

for (const how of ["real sockets", "in memory"] as const) {
  t.test(`least-connections over ${how}`, async (t) => {
    const world = await heldWorld(t, { mode: "userspace" }, "least-connections");
    const from: Peer = world.client;
    const open = (): Promise<Conversation> =>
      talk(
        () =>
          how === "in memory" ? world.fabric.dial(from, world.vip) : connected(world.fabric.socketOf(world.vip, "TCP") ?? world.vip, false),
        world,
      );
    const first = [await open(), await open(), await open(), await open()];
    t.same(first.map(({ pod }) => pod).sort(), ["a", "a", "b", "b"], "spread evenly");
    for (const conversation of first) if (conversation.pod === "a") await conversation.end();
    t.same([(await open()).pod, (await open()).pod], ["a", "a"], "a has none open now");
    for (const conversation of first) if (conversation.pod === "b") await conversation.end();
  });
}

t.test("flows that policy drops are not open", async (t) => {
  const world = await heldWorld(t, { mode: "userspace" }, "least-connections");
  world.fabric.hooks.policy = (flow) => ({ allowed: flow.from.kind === "pod", matched: [] });
  const denied = [1, 2, 3].map(() => world.fabric.dial(world.host, world.vip, { timeoutMs: 1 }).catch(() => undefined));
  await Promise.all(denied);
  const two = [
    await talk(() => world.fabric.dial(world.client, world.vip), world),
    await talk(() => world.fabric.dial(world.client, world.vip), world),
  ];
  t.same(two.map(({ pod }) => pod).sort(), ["a", "b"]);
});

t.test("ipvs: the cluster's scheduler, the annotation's, and draining in the dump", async (t) => {
  const world = await heldWorld(t, { mode: "ipvs", scheduler: "lc" }, "wlc");
  const held = [
    await talk(() => world.fabric.dial(world.client, world.vip), world),
    await talk(() => world.fabric.dial(world.client, world.vip), world),
  ];
  t.same(held.map(({ pod }) => pod).sort(), ["a", "b"]);
  const b = world.pod("b", 11);
  await world.endpoints("web", [endpoint(b)]);
  const dump = world.proxy.dump?.({ as: "ipvs", node: "node-0" }) ?? "";
  t.match(dump, `TCP  ${world.vip.ip}:80 wlc\n`);
  t.match(dump, new RegExp(`-> ${b.ip}:80 +Masq +1 +1 +0`));
  t.match(dump, new RegExp(`-> ${world.pod("a", 10).ip}:80 +Masq +0 +1 +0`), "a drains: weight 0, one flow open");
  await Promise.all(held.map((conversation) => conversation.end()));
  t.notMatch(world.proxy.dump?.({ as: "ipvs" }) ?? "", world.pod("a", 10).ip, "drained");
});

t.test("the command offers every scheduler", async (t) => {
  t.same([...IPVS_SCHEDULERS].sort(), ipvsSchedulers.map(({ name }) => name).sort());
});

t.test("mistakes", async (t) => {
  await t.rejects(proxyWorld(t, { mode: "ipvs", scheduler: "best" }), {
    message: /^unknown ipvs scheduler "best"; there is: rr, wrr, lc, /,
  });
  const world = await proxyWorld(t);
  t.throws(() => world.proxy.dump?.({ as: "pf" }), { message: 'rules cannot be printed as "pf"; there is: nft, iptables, ipvs' });
  t.throws(() => world.proxy.dump?.({ node: "elsewhere" }), { message: 'nodes "elsewhere" not found' });
});
