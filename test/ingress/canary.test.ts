// Canaries beyond upstream's own tests: cookies as nginx reads them, and whose sticky cookie counts (lua/balancer.lua).
import t from "tap";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

await t.test("canary-by-cookie: letters do not count, and the first of several does", async (t) => {
  for (const name of ["main", "next"]) await world.service(name);
  await addIngress(
    world,
    ingress("cookie", "cookie.example", "main"),
    ingress("cookie-canary", "cookie.example", "next", { canary: "true", "canary-by-cookie": "Choose-Next" }),
  );
  for (const [cookie, service] of [
    ["Choose-Next=always", "next"],
    ["CHOOSE-next=always", "next"],
    ["Choose-Next=always; Choose-Next=never", "next"],
    ["choose-next=never; Choose-Next=always", "main"],
    ["Choose-Next=Always", "main"],
    ["XChoose-Next=always", "main"],
  ] as const) {
    const answer = await ask(world.socket(80), { host: "cookie.example", headers: { Cookie: cookie } });
    t.equal(answer.headers["x-service"], service, cookie);
  }
});

await t.test("who has been with the main Service stays, also with a legacy canary", async (t) => {
  for (const behavior of ["sticky", "legacy"]) {
    const host = `${behavior}.example`;
    for (const name of ["main", "next"]) await world.service(`${behavior}-${name}`);
    await addIngress(world, ingress(behavior, host, `${behavior}-main`, { affinity: "cookie" }));
    const first = await ask(world.socket(80), { host });
    const cookie = [first.headers["set-cookie"] ?? []].flat()[0]?.split(";")[0] ?? "";
    const more = { canary: "true", "canary-weight": "100", "affinity-canary-behavior": behavior };
    await addIngress(world, ingress(`${behavior}-canary`, host, `${behavior}-next`, more));
    const asked = async (headers: Readonly<Record<string, string>>): Promise<unknown> =>
      (await ask(world.socket(80), { host, headers })).headers["x-service"];
    t.equal(await asked({ Cookie: cookie }), `${behavior}-main`, behavior);
    t.equal(await asked({}), `${behavior}-next`, `${behavior}, a new client`);
    // lua-resty-cookie reads the last of several.
    t.equal(await asked({ Cookie: `INGRESSCOOKIE=a|b; ${cookie}` }), `${behavior}-main`, `${behavior}, two cookies`);
  }
});

await t.test("canary-by-header: `_` in its name is `-`, and an empty one is one that was sent", async (t) => {
  for (const name of ["main", "next"]) await world.service(`header-${name}`);
  const canary = { canary: "true", "canary-by-header": "X_Choose", "canary-by-header-pattern": "^(yes)?$" };
  await addIngress(
    world,
    ingress("header", "header.example", "header-main"),
    ingress("header-canary", "header.example", "header-next", canary),
  );
  for (const [name, value, service] of [
    ["X-Choose", "yes", "next"],
    ["X-Choose", "", "next"],
    ["X-Choose", "no", "main"],
    // nginx leaves such a header out.
    ["X_Choose", "yes", "main"],
    ["X-Other", "yes", "main"],
  ] as const) {
    const answer = await ask(world.socket(80), { host: "header.example", headers: { [name]: value } });
    t.equal(answer.headers["x-service"], `header-${service}`, `${name}: ${value}`);
  }
});

await t.test("empty parts of a sticky cookie do not count (split_test.lua)", async (t) => {
  await world.service("parts", { replicas: 5 });
  await addIngress(world, ingress("parts", "parts.example", "parts", { affinity: "cookie" }));
  const pod = async (cookie: string): Promise<unknown> => {
    const { headers } = await ask(world.socket(80), { host: "parts.example", headers: { Cookie: `INGRESSCOOKIE=${cookie}` } });
    return headers["set-cookie"] === undefined ? headers["x-pod"] : "a new one";
  };
  t.equal(await pod("|key"), await pod("key"));
  t.equal(await pod("||key||x"), await pod("key|x"));
  t.equal(await pod("||"), "a new one");
});
