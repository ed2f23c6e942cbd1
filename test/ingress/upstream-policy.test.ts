// One upstream for each Service and port: what the first Ingress says holds for all that use it (controller.go createUpstreams, sticky.lua).
import { createServer } from "node:http";
import t from "tap";
import { createHarness } from "./harness.ts";
import { ask } from "./client.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");

await t.test("one upstream for each Service: the first Ingress that names it decides how it is balanced", async (t) => {
  await world.scale("web", 4);
  await addIngress(world, ingress("first", "one.example", "web", { "upstream-hash-by": "$arg_user" }));
  await world.clock.advance(2000);
  await addIngress(world, ingress("second", "two.example", "web"));
  const pods = async (host: string): Promise<number> => {
    const seen = new Set<unknown>();
    for (let i = 0; i < 8; i++) seen.add((await ask(world.socket(80), { host: host, path: "/?user=ann" })).headers["x-pod"]);
    return seen.size;
  };
  t.strictSame([await pods("one.example"), await pods("two.example")], [1, 1]);
});

await t.test("affinity is the upstream's: other locations heed the cookie and do not set it", async (t) => {
  await world.service("sessions", { replicas: 5 });
  await addIngress(
    world,
    ingress("sticky", "sticky-one.example", "sessions", { affinity: "cookie" }),
    ingress("plain", "sticky-two.example", "sessions"),
  );
  const first = await ask(world.socket(80), { host: "sticky-one.example" });
  const cookie = [first.headers["set-cookie"]].flat()[0]?.split(";")[0] ?? "";
  t.match(cookie, /^INGRESSCOOKIE=\d+\.\d+\.\d+\.\d+\|[0-9a-f]{32}$/);
  const other = await ask(world.socket(80), { host: "sticky-two.example" });
  t.equal(other.headers["set-cookie"], undefined);
  for (let i = 0; i < 6; i++)
    t.equal(
      (await ask(world.socket(80), { host: "sticky-two.example", path: "/", headers: { Cookie: cookie } })).headers["x-pod"],
      first.headers["x-pod"],
    );
  const foreign = await ask(world.socket(80), { host: "sticky-one.example", path: "/", headers: { Cookie: "INGRESSCOOKIE=a|b" } });
  t.equal(foreign.headers["set-cookie"], undefined, "the key of another upstream is kept (sticky.lua balance)");
});

await t.test("the first Ingress that has a mode gives it, one without affinity too", async (t) => {
  await world.service("modes", { replicas: 3 });
  await addIngress(
    world,
    ingress("modes-3", "modes-one.example", "modes", { affinity: "cookie" }),
    ingress("modes-2", "modes-two.example", "modes", { "affinity-mode": "persistent" }),
    ingress("modes-1", "modes-three.example", "modes", { affinity: "cookie", "affinity-mode": "balanced" }),
  );
  const { headers } = await ask(world.socket(80), { host: "modes-one.example" });
  t.match([headers["set-cookie"]].flat()[0], /^INGRESSCOOKIE=[0-9a-f]{32}\|/);
});

await t.test("a canary does not take away those whom the main upstream gave its cookie, a legacy one neither", async (t) => {
  const canary = { canary: "true", "canary-by-header": "X-Canary" };
  for (const behavior of ["sticky", "legacy"]) {
    const host = `${behavior}.example`;
    await world.service(`main-${behavior}`, { replicas: 2 });
    await world.service(`canary-${behavior}`);
    await addIngress(
      world,
      ingress(`${behavior}-main`, host, `main-${behavior}`, { affinity: "cookie" }),
      ingress(`${behavior}-canary`, host, `canary-${behavior}`, { ...canary, "affinity-canary-behavior": behavior }),
    );
    const { headers } = await ask(world.socket(80), { host });
    const cookie = [headers["set-cookie"]].flat()[0]?.split(";")[0] ?? "";
    const again = await ask(world.socket(80), { host, headers: { Cookie: cookie, "X-Canary": "always" } });
    t.equal(again.headers["x-pod"], headers["x-pod"], behavior);
    const first = await ask(world.socket(80), { host, headers: { "X-Canary": "always" } });
    t.match(first.headers["x-pod"], /^canary-/);
    t.equal(first.headers["set-cookie"] !== undefined, behavior === "sticky", "and gives out cookies of its own or none");
  }
});

await t.test("a name that DNS does not know is an upstream without peers", async (t) => {
  await world.service("outside", { spec: { type: "ExternalName", externalName: "nowhere.invalid" } });
  await addIngress(world, ingress("outside", "outside.example", "outside"));
  t.equal((await ask(world.socket(80), { host: "outside.example" })).status, 503);
});

await t.test("an ExternalName Service whose target port is a name leads nowhere (controller.go externalNamePorts)", async (t) => {
  const ports = [{ name: "http", port: 80, targetPort: "web" }];
  await world.service("nobody", { spec: { clusterIP: harness.ip(), ports: [{ port: 80 }] } });
  await world.service("by-name", { spec: { type: "ExternalName", externalName: "nobody.default", ports } });
  await addIngress(world, ingress("by-name", "by-name.example", "by-name"));
  t.equal((await ask(world.socket(80), { host: "by-name.example" })).status, 502);
});

await t.test("a retry takes the next turn of round robin, as any request (round_robin.lua)", async (t) => {
  const calls: string[] = [];
  await world.service("turns", {
    replicas: 2,
    server: (pod) =>
      createServer((request, response) => {
        calls.push(pod);
        if (pod === "turns-0") request.socket.destroy();
        else response.end();
      }),
  });
  await addIngress(world, ingress("turns", "turns.example", "turns"));
  for (let i = 0; i < 3; i++) await ask(world.socket(80), { host: "turns.example" });
  t.equal(calls.join(" "), "turns-0 turns-1 turns-0 turns-1 turns-0 turns-1");
});

await t.test("upstream-hash-by-subset: another subset takes keys from all, and moves no others (chashsubset.lua)", async (t) => {
  await world.service("subsets", { replicas: 6 });
  const hash = { "upstream-hash-by": "$arg_user", "upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "1" };
  await addIngress(world, ingress("subsets", "subsets.example", "subsets", hash));
  const users = Array.from({ length: 60 }, (_, i) => `/?user=${i}`);
  const pods = (): Promise<unknown[]> =>
    Promise.all(users.map(async (path) => (await ask(world.socket(80), { host: "subsets.example", path })).headers["x-pod"]));
  const before = await pods();
  t.equal(new Set(before).size, 6);
  await world.scale("subsets", 7);
  await world.settle();
  const after = await pods();
  t.strictSame([...new Set(after.filter((pod, i) => pod !== before[i]))], ["subsets-6"]);
});
