// Faults as objects: whom they concern, what they do to open flows, what they report, and that two runs are equal.
import type { Duplex } from "node:stream";
import t from "tap";
import type { FaultPeer, FaultSpec } from "../../model/kinds/loopkube-v1alpha1.ts";
import { parseFaultPeer } from "../../model/fault-text.ts";
import type { ContainerPort, ServicePort } from "../../model/kinds/core-v1.ts";
import { draft } from "../../model/object.ts";
import { Faults, Pods, Services } from "../../model/resources.ts";
import { compileFault, FaultTable, type Party } from "../../policy/index.ts";
import { seededRandom } from "../../model/random.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { codeOf, connected } from "../netsim/test-fabric.ts";
import { until } from "../support/until.ts";
import { party } from "./policy-rows.ts";
import { realWorld, virtualWorld } from "./policy-world.ts";

const SELECTORS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "default/web": { app: "web" },
  "default/db": { app: "db" },
};

const tableOf = (spec: FaultSpec): FaultTable =>
  new FaultTable([
    compileFault(
      { apiVersion: "loopkube.dev/v1alpha1", kind: "Fault", metadata: { name: "f" }, spec },
      seededRandom(1),
      (namespace, name) => SELECTORS[`${namespace}/${name}`],
    ),
  ]);

t.test("from and to", async (t) => {
  const rows = `
    app=client                 any              default/client default/web          yes
    app=client                 any              default/db     default/web          no
    app=client                 any              host           default/web          no
    app=client,app!=x          any              shop/client    default/web          yes
    app!=client                any              default/db     default/web          yes
    !v                         any              default/web2   default/db           no
    any                        app=web          default/client default/web          yes
    any                        app=web          default/web    default/client       no
    ns/shop                    any              shop/client    default/web          yes
    ns/shop                    any              default/client default/web          no
    ns/shop+app=client         any              shop/client    default/web          yes
    ns/shop+app=client         any              shop/cart      default/web          no
    pod/client                 any              default/client default/web          yes
    pod/client                 any              shop/client    default/web          no
    pod/shop/client            any              shop/client    default/web          yes
    node/n1                    any              node/n1        default/web          yes
    node/n1                    any              default/web    default/db           yes
    node/n1                    any              default/db     default/web          no
    host                       any              host           default/web          yes
    host                       any              default/db     default/web          no
    127.244.2.0/24             any              default/db     default/web          yes
    127.244.1.2                any              default/web    default/db           yes
    127.244.1.2                any              default/web2   default/db           no
    any                        svc/web          host           default/web@default/web:http  yes
    any                        svc/web          host           default/web          no
    any                        svc/web+pod/web2 host           default/web@default/web:http  no
    any                        svc/shop/web     host           default/web@default/web:http  no
    svc/db                     any              default/db     default/web          yes
    svc/db                     any              default/client default/web          no
    svc/none                   any              default/client default/web          no`;
  for (const row of rows.trim().split("\n")) {
    const [from = "", to = "", client = "", target = "", expected = ""] = row.trim().split(/\s+/);
    const peer = (text: string): FaultPeer | undefined => parseFaultPeer(text.replaceAll("+", " "));
    const spec: FaultSpec = { refuse: true, ...{ from: peer(from) ?? {}, to: peer(to) ?? {} } };
    const [pod = "", service] = target.split("@");
    const question: { from: Party; to: Party; service: string | undefined } = { from: party(client), to: party(pod), service };
    t.equal(tableOf(spec).matching(question).length === 1 ? "yes" : "no", expected, row.trim());
  }
});

t.test("a partition concerns a flow whoever opened it", async (t) => {
  const table = tableOf({
    from: { podSelector: { matchLabels: { app: "client" } } },
    to: { podSelector: { matchLabels: { app: "web" } } },
    partition: true,
  });
  for (const [from, to, expected] of [
    ["default/client", "default/web", true],
    ["default/web", "default/client", true],
    ["default/web", "default/db", false],
  ] as const)
    t.equal(table.stalls({ from: party(from), to: party(to), service: undefined }), expected, `${from} → ${to}`);
});

function received(stream: Duplex): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  stream.on("error", (error: NodeJS.ErrnoException) => (text += `[${error.code}]`));
  return () => text;
}

t.test("open flows: partitioned ones stand still, refused ones are reset, shaping leaves them and says how many", async (t) => {
  const { pod, echo, fault, removeFault, fabric, pass, store } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const client = await pod("client", 6, { app: "client" });
  const address = await echo(web, 80);
  const socket = await fabric.dial(client, address);
  const text = received(socket);
  const toWeb = { podSelector: { matchLabels: { app: "web" } } };

  await fault("slow", { to: toWeb, latency: "50ms" });
  t.strictSame(store.get(Faults, "", "slow")?.status, { observedGeneration: 1, liveFlows: 1, unshapedFlows: 1 });
  socket.write("a");
  await pass(1);
  t.equal(text(), "a", "it goes on unshaped");
  await removeFault("slow");

  await fault("cut", { to: toWeb, partition: true });
  t.strictSame(store.get(Faults, "", "cut")?.status, { observedGeneration: 1, liveFlows: 1, unshapedFlows: 0 });
  socket.write("b");
  await pass(20);
  t.equal(text(), "a");
  const fresh = codeOf(fabric.dial(client, address, { timeoutMs: 10 }));
  await pass(10);
  t.equal(await fresh, "ETIMEDOUT");
  await removeFault("cut");
  await pass(1);
  t.equal(text(), "ab");
  t.equal(await codeOf(fabric.dial(client, address)), "resolved");

  await fault("down", { to: toWeb, first: 1 });
  socket.write("c");
  await pass(1);
  t.equal(text(), "abc", "none of the first flows is open already");
  await removeFault("down");
  await fault("down", { to: toWeb, refuse: true });
  await pass(1);
  t.equal(text(), "abc[ECONNRESET]");
  t.equal(await codeOf(fabric.dial(client, address)), "ECONNREFUSED");
  await removeFault("down");
  t.equal(fabric.hooks.fault, undefined, "no fault costs nothing");
});

t.test("a pod's own loopback knows no faults", async (t) => {
  const { pod, echo, fault, fabric, pass } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  await echo(web, 80);
  const socket = await fabric.dial(web, { ip: "127.0.0.1", port: 80 });
  const text = received(socket);
  await fault("cut", { partition: true });
  socket.write("a");
  await pass(1);
  t.equal(text(), "a");
  t.equal(await codeOf(fabric.dial(web, { ip: "127.0.0.1", port: 80 })), "resolved");
});

t.test("UDP flows that are open meet a new fault, and are free of it when it is gone", async (t) => {
  const { pod, echo, fault, removeFault, fabric, pass } = await virtualWorld(t);
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
  await fault("lossy", { loss: "100%" });
  t.equal(await ask("b"), "a");
  await removeFault("lossy");
  t.equal(await ask("c"), "a c");
  await fault("cut", { partition: true });
  t.equal(await ask("d"), "a c");
  await removeFault("cut");
  t.equal(await ask("e"), "a c e");
});

t.test("an edited fault starts anew, an untouched one keeps counting", async (t) => {
  const { pod, echo, fault, store, fabric } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const client = await pod("client", 6, { app: "client" });
  const address = await echo(web, 80);
  await fault("first", { first: 1 });
  t.equal(await codeOf(fabric.dial(client, address)), "ECONNREFUSED");
  await store.mutate(Faults, "", "first", (draft) => void (draft.metadata.labels = { a: "b" }));
  await store.settle();
  t.equal(await codeOf(fabric.dial(client, address)), "resolved");
  await store.mutate(Faults, "", "first", (draft) => void (draft.spec = { first: 2 }));
  await store.settle();
  t.equal(store.get(Faults, "", "first")?.status?.observedGeneration, 2);
  t.equal(await codeOf(fabric.dial(client, address)), "ECONNREFUSED");
});

t.test("same seed, same trace", async (t) => {
  const run = async (seed: string): Promise<string> => {
    const { pod, echo, fault, removeFault, fabric, pass, clock } = await virtualWorld(t, seed);
    const web = await pod("web", 5, { app: "web" });
    const clients = [await pod("a", 6, {}), await pod("b", 7, {})];
    const address = await echo(web, 80);
    await fault("slow", { latency: "20ms", jitter: "15ms", rate: "1Mbit" });
    await fault("broken", { reset: "20%", from: { pod: "a" } });
    await fault("flaky", { loss: "20%", duplicate: "20%", reorder: "20%" });
    const log: string[] = [];
    for (let i = 0; i < 12; i++) {
      const from = clients[i % 2];
      if (!from) continue;
      const at = clock.now();
      fabric.dial(from, address).then(
        (socket) => {
          const text = received(socket);
          socket.on("data", () => log.push(`${clock.now() - at} ${i} ${text()}`));
          socket.write(`m${i}`);
        },
        (error: NodeJS.ErrnoException) => log.push(`${clock.now() - at} ${i} ${error.code}`),
      );
      const datagrams = fabric.openDatagram(from, (message) => log.push(`${clock.now() - at} udp ${Buffer.from(message).toString()}`));
      for (let n = 0; n < 3; n++) datagrams.send(Buffer.from(`${i}.${n}`), address);
      await pass(7);
      if (i === 8) await removeFault("slow");
    }
    await pass(100);
    return [...log, ...fabric.trace.recent().map((hop) => JSON.stringify(hop))].join("\n");
  };
  const [one, again, other] = [await run("1"), await run("1"), await run("2")];
  t.equal(one, again);
  t.not(one, other);
  t.match(one, /"hop":"fault","decision":"shape","matched":\["fault\/slow","fault\/flaky"\]/);
  t.match(one, /"hop":"fault","decision":"reset"/);
});

/** The error with which a connection ends, during or after the handshake. */
async function resetOf(at: SocketAddress): Promise<string> {
  try {
    const socket = await connected(at);
    const text = received(socket);
    await until(() => text() !== "", "an error");
    return text();
  } catch (error) {
    return `[${error instanceof Error && "code" in error ? String(error.code) : String(error)}]`;
  }
}

t.test("real sockets: shaped, partitioned, reset", async (t) => {
  const { pod, echo, fault, removeFault, fabric } = await realWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const address = await echo(web, 80);
  const at = fabric.socketOf(address, "TCP") ?? address;
  await fault("slow", { from: { host: true }, latency: "30ms" });
  const slow = await connected(at);
  const slowText = received(slow);
  const started = performance.now();
  slow.write("hello");
  await until(() => slowText() === "hello", "the echo");
  t.ok(performance.now() - started >= 59, "30 ms there and 30 ms back");
  slow.end();
  await until(() => slow.readableEnded, "its end passes");
  t.equal(fabric.stats().shaped, 1);
  await removeFault("slow");
  const open = await connected(at);
  const text = received(open);
  open.write("a");
  await until(() => text() === "a", "the echo");
  await fault("cut", { partition: true });
  open.write("b");
  await fault("down", { refuse: true });
  await until(() => text() === "a[ECONNRESET]", "the reset");
  await removeFault("cut");
  t.equal(await resetOf(at), "[ECONNRESET]", "its handshake is done when it is refused");
  for (const socket of [slow, open]) socket.destroy();
});

t.test("what a fault is, and does, in words", async (t) => {
  const { pod, echo, fault, explain, policy } = await virtualWorld(t);
  const web = await pod("web", 5, { app: "web" });
  const client = await pod("client", 6, { app: "client" });
  const address = await echo(web, 80);
  await fault("slow", {
    from: { podSelector: { matchLabels: { app: "client" } } },
    latency: "50ms",
    dns: { rcode: "SERVFAIL", share: "10%" },
  });
  t.strictSame((await explain(client, address)).slice(2), [
    "Faults",
    "  fault/slow from app=client to any: latency=50ms dns=SERVFAIL,10% (0 flows so far)",
  ]);
  t.strictSame((await explain(web, address)).slice(2), ["Faults: none", "  none of 1 concerns this flow"]);
  t.equal(policy.diagnostics[1]?.dump?.({}), "fault/slow from app=client to any: latency=50ms dns=SERVFAIL,10%\n");
});

t.test("admission says all that is wrong at once", async (t) => {
  const { fault } = await virtualWorld(t);
  const spec: unknown = { latency: "5", direction: "up", to: { cidr: "10.0.0.0" }, dns: { rcode: "X" } };
  const refusal = await fault("bad", spec as FaultSpec).catch((error: Error) => error.message);
  t.equal(
    refusal,
    'Fault.loopkube.dev "bad" is invalid: [spec.dns.rcode: Invalid value: "X": must be one of FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, ' +
      'spec.latency: Invalid value: "5": must be a duration such as 50ms, 1.5s or 2m, ' +
      'spec.to.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64), ' +
      'spec.direction: Unsupported value: "up": supported values: "Both", "Forward", "Back"]',
  );
});

t.test("a dns fault towards a pod whose ports are not for DNS is refused", async (t) => {
  const { store, fault } = await virtualWorld(t);
  const pod = (name: string, namespace: string, ...ports: readonly ContainerPort[]): Promise<unknown> =>
    store.create(Pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace, labels: { app: name } },
      spec: { containers: [{ name: "c", image: "x", ports }] },
    });
  await pod("plain", "default", { containerPort: 80 });
  await pod("names", "default", { containerPort: 80 }, { containerPort: 5353, protocol: "UDP" });
  await pod("silent", "default");
  await pod("plain", "shop", { name: "dns-tcp", containerPort: 5300 });
  const refusal = (to: FaultPeer): Promise<string> =>
    fault(`f${seen++}`, { to, dns: { rcode: "SERVFAIL" } }).then(
      () => "",
      (error: Error) => error.message.replace(/^.* is invalid: /, ""),
    );
  let seen = 0;
  const detail = "is asked no DNS questions: for the questions that it asks, name it in spec.from";
  t.equal(await refusal({ pod: "plain", namespace: "default" }), `spec.to.pod: Invalid value: "plain": Pod plain ${detail}`);
  t.equal(
    await refusal({ podSelector: { matchLabels: { app: "plain" } }, namespace: "default" }),
    `spec.to.podSelector: Invalid value: {"matchLabels":{"app":"plain"}}: a pod like this ${detail}`,
  );
  for (const to of [
    { pod: "plain" },
    { pod: "names" },
    { pod: "silent" },
    { pod: "later" },
    { pod: "plain", namespace: "shop" },
    { namespace: "default" },
    { podSelector: {} },
  ])
    t.equal(await refusal(to), "", JSON.stringify(to));
});

t.test("a dns fault towards a Service that answers no DNS is refused, towards one that may it is not", async (t) => {
  const { store, fault } = await virtualWorld(t);
  const service = (name: string, port: ServicePort): Promise<unknown> =>
    store.create(Services, { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default" }, spec: { ports: [port] } });
  await service("web", { name: "http", port: 80, protocol: "TCP" });
  await service("names", { name: "x", port: 5300, targetPort: 53, protocol: "TCP" });
  await service("udp", { name: "x", port: 5353, protocol: "UDP" });
  const to = (name: string): FaultSpec => ({ to: { service: name, namespace: "default" }, dns: { rcode: "SERVFAIL" } });
  const refusal = await fault("deaf", to("web")).catch((error: Error) => error.message);
  t.equal(
    refusal,
    'Fault.loopkube.dev "deaf" is invalid: spec.to.service: Invalid value: "web": Service web is asked no DNS questions: ' +
      "for questions about it, leave spec.to out and set spec.dns.name to web.default.svc.cluster.local",
  );
  for (const name of ["names", "udp", "later"]) t.ok(await fault(name, to(name)).then(() => true), name);
  await service("later", { name: "http", port: 80, protocol: "TCP" });
  const found = store.get(Faults, "", "later");
  if (!found) return void t.fail("is there");
  const made = draft(found);
  made.metadata.labels = { seen: "yes" };
  t.ok(await store.update(Faults, made), "what has not changed is not refused");
});
