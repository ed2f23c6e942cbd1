// NetworkPolicies in force: new and open flows, in memory on the virtual clock and over real sockets.
import type { Duplex } from "node:stream";
import t from "tap";
import { nextTurn } from "../../model/clock.ts";
import { codeOf, connected } from "../netsim/test-fabric.ts";
import { until } from "../support/until.ts";
import { realWorld, virtualWorld } from "./policy-world.ts";

const ONLY_CLIENT =
  "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: http}]}]}";
const DENY_ALL = "{podSelector: {}, policyTypes: [Ingress]}";

function received(stream: Duplex): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

t.test("a blocked dial times out as a drop does, on the virtual clock", async (t) => {
  const { pod, echo, networkPolicy, remove, fabric, clock } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const [client, other] = [await pod("client", 6, { app: "client" }), await pod("other", 7, { app: "other" })];
  const address = await echo(web, 80);
  t.equal(fabric.hooks.policy, undefined, "no policy costs nothing");
  await networkPolicy("only-client", ONLY_CLIENT);
  t.equal(await codeOf(fabric.dial(client, address)), "resolved");
  const start = clock.now();
  const blocked = codeOf(fabric.dial(other, address));
  await clock.advance(126_999);
  t.equal(await Promise.race([blocked, nextTurn().then(() => "waits")]), "waits");
  await clock.advance(1);
  t.equal(await blocked, "ETIMEDOUT");
  t.equal(clock.now() - start, 127_000);
  t.equal(fabric.stats().denied, 1);
  const hops = fabric.trace.recent().filter((hop) => hop.hop === "policy");
  t.strictSame(
    hops.map((hop) => [hop.decision, hop.matched[1]]),
    [
      ["allow", "ingress: default/only-client spec.ingress[0]: from podSelector app=client; ports TCP/http"],
      ["deny", `ingress: default/only-client selects pod default/web, it does not allow TCP/80 from pod default/other (${other.ip})`],
    ],
  );
  await remove("only-client");
  t.equal(await codeOf(fabric.dial(other, address)), "resolved");
  t.equal(fabric.hooks.policy, undefined);
});

t.test("labels that change let in, or shut out", async (t) => {
  const { store, pod, echo, networkPolicy, fabric } = await virtualWorld(t);
  const { Namespaces, Pods } = await import("../../model/resources.ts");
  const web = await pod("web", 5, { app: "web" });
  const other = await pod("other", 7, { app: "other" }, "shop");
  const address = await echo(web, 80);
  await networkPolicy(
    "from-shop",
    "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {open: 'yes'}}}]}]}",
  );
  const verdict = (): boolean | undefined =>
    fabric.hooks.policy?.(
      { id: 1, protocol: "TCP", from: other, source: { ip: other.ip, port: 1 }, destination: address, node: "node-0" },
      address,
    ).allowed;
  t.equal(verdict(), false);
  await store.mutate(Namespaces, "", "shop", (namespace) => void (namespace.metadata.labels = { open: "yes" }));
  await store.settle();
  t.equal(verdict(), true, "the namespace's label");
  await store.mutate(Namespaces, "", "shop", (namespace) => void (namespace.metadata.labels = {}));
  await store.settle();
  t.equal(verdict(), false);
  await store.mutate(Pods, "default", "web", (draft) => void (draft.metadata.labels = { app: "free" }));
  await store.settle();
  t.equal(verdict(), true, "the pod is no longer selected");
});

t.test("an open flow stands still under a new deny and goes on without it", async (t) => {
  const { pod, echo, networkPolicy, remove, fabric, pass } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const client = await pod("client", 6, { app: "client" });
  const socket = await fabric.dial(client, await echo(web, 80));
  const text = received(socket);
  socket.write("one ");
  await pass(1);
  t.equal(text(), "one ");
  await networkPolicy("deny", DENY_ALL);
  socket.write("two ");
  await pass(50);
  t.equal(text(), "one ");
  await remove("deny");
  await pass(1);
  t.equal(text(), "one two ");
});

t.test("UDP: a new deny silences an open flow, both ways", async (t) => {
  const { pod, echo, networkPolicy, remove, fabric, pass } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const client = await pod("client", 6, { app: "client" });
  const address = await echo(web, 53);
  const answers: string[] = [];
  const socket = fabric.openDatagram(client, (message) => answers.push(Buffer.from(message).toString()));
  const ask = async (text: string): Promise<string> => {
    socket.send(Buffer.from(text), address);
    await pass(1);
    return answers.join(" ");
  };
  t.equal(await ask("a"), "a");
  await networkPolicy("deny", DENY_ALL);
  t.equal(await ask("b"), "a");
  await remove("deny");
  t.equal(await ask("c"), "a c");
});

t.test("real sockets: a blocked one is held unanswered, an open one stands still", async (t) => {
  const { pod, echo, networkPolicy, remove, fabric } = await realWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const address = await echo(web, 80);
  const open = await connected(fabric.socketOf(address, "TCP") ?? address);
  t.teardown(() => open.destroy());
  const text = received(open);
  open.write("one ");
  await until(() => text() === "one ", "the echo");
  await networkPolicy("deny", DENY_ALL);
  open.write("two ");
  const blocked = await connected(fabric.socketOf(address, "TCP") ?? address);
  t.teardown(() => blocked.destroy());
  const nothing = received(blocked);
  blocked.write("hello");
  await until(() => fabric.stats().denied === 1, "the deny");
  for (let i = 0; i < 50; i++) await nextTurn();
  t.strictSame([text(), nothing(), blocked.destroyed], ["one ", "", false]);
  await remove("deny");
  await until(() => text() === "one two ", "the held bytes arrive");
  await until(() => nothing() === "hello", "the blocked one is let in, as with the next SYN");
});

t.test("a dial that a policy or a partition holds back goes through when it is gone", async (t) => {
  const { pod, echo, networkPolicy, remove, fault, removeFault, fabric, clock } = await virtualWorld(t);
  const [web, client] = [await pod("web", 5, { app: "web" }), await pod("client", 6, { app: "client" })];
  const address = await echo(web, 80);
  const hold: readonly (readonly [string, () => Promise<void>, () => Promise<void>])[] = [
    ["policy", () => networkPolicy("hold", DENY_ALL), () => remove("hold")],
    ["partition", () => fault("hold", { to: { pod: "web" }, partition: true }), () => removeFault("hold")],
    ["the first flow of each client", () => fault("hold", { to: { pod: "web" }, partition: true, first: 1 }), () => removeFault("hold")],
  ];
  for (const [name, add, end] of hold) {
    await add();
    let state = "waits";
    const dialled = fabric.dial(client, address).then((socket) => {
      state = "connected";
      return socket;
    });
    await clock.advance(60_000);
    await networkPolicy("unrelated", "{ podSelector: { matchLabels: { app: client } }, policyTypes: [Ingress] }");
    t.equal(state, "waits", `${name}: whatever else changes`);
    await end();
    (await dialled).destroy();
    t.equal(state, "connected", name);
    await remove("unrelated");
  }
});

t.test("explain names policy and rule, or that none selects the pod", async (t) => {
  const { pod, echo, networkPolicy, explain } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const [client, other] = [await pod("client", 6, { app: "client" }), await pod("other", 7, { app: "other" })];
  const address = await echo(web, 80);
  t.strictSame(await explain(client, address), ["NetworkPolicy: allowed", "  there is no NetworkPolicy"]);
  await networkPolicy("only-client", ONLY_CLIENT);
  t.strictSame(await explain(client, address), [
    "NetworkPolicy: allowed",
    "  egress: no policy selects pod default/client",
    "  ingress: default/only-client spec.ingress[0]: from podSelector app=client; ports TCP/http",
  ]);
  t.strictSame(await explain(other, address), [
    "NetworkPolicy: denied (the client times out)",
    "  egress: no policy selects pod default/other",
    `  ingress: default/only-client selects pod default/web, it does not allow TCP/80 from pod default/other (${other.ip})`,
  ]);
  t.strictSame((await explain(web, { ip: client.ip, port: 1 })).slice(1), [
    "  egress: no policy selects pod default/web",
    "  ingress: no policy selects pod default/client",
  ]);
});
