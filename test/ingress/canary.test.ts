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
