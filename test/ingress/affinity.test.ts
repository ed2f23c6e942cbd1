// Session affinity beyond upstream's own tests: the pod of a cookie that fails, and the cookie's SameSite (lua/balancer/sticky.lua,
// lua-resty-cookie, lua/util/same_site.lua).
import { createServer, type Server } from "node:http";
import t from "tap";
import { ask, type Got } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

const cookieOf = ({ headers }: Got): string => [headers["set-cookie"] ?? []].flat()[0] ?? "";

await t.test("a client's pod that fails is asked again, unless session-cookie-change-on-failure", async (t) => {
  let failing = "";
  const calls: string[] = [];
  const server = (pod: string): Server =>
    createServer((request, response) => {
      calls.push(pod);
      if (pod === failing) request.socket.destroy();
      else response.setHeader("x-pod", pod).end();
    });
  // Settings of a cookie are the Service's: one for each.
  for (const mode of ["balanced", "persistent"])
    for (const change of ["false", "true"]) {
      const name = `${mode}-${change}`;
      failing = "";
      await world.service(name, { replicas: 3, server });
      const more = { "affinity-mode": mode, "session-cookie-change-on-failure": change };
      await addIngress(world, ingress(name, `own-${name}.example`, name, { affinity: "cookie", ...more }));
      const first = await ask(world.socket(80), { host: `own-${name}.example` });
      failing = String(first.headers["x-pod"]);
      calls.length = 0;
      const headers = { Cookie: cookieOf(first).split(";")[0] ?? "" };
      const again = await ask(world.socket(80), { host: `own-${name}.example`, headers });
      if (change === "true") {
        t.equal(again.status, 200, name);
        t.not(again.headers["x-pod"], failing, name);
        t.match(cookieOf(again), "INGRESSCOOKIE=", name);
      } else {
        t.equal(again.status, 502, name);
        t.strictSame([...new Set(calls)], [failing], `${name}: no other pod is asked`);
        t.equal(cookieOf(again), "", name);
      }
    }
});

await t.test("SameSite", async (t) => {
  const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605 (KHTML, like Gecko) Version/12 Safari/605";
  const rows: readonly (readonly [sameSite: string, agent: string, attribute: string | undefined])[] = [
    ["Strict", "", "Strict"],
    ["Lax", "", "Lax"],
    ["None", "", "None"],
    ["lax", "", undefined],
    ["NONE", "", undefined],
    ["Strict", "Chrome/50.0", "Strict"],
    ["None", "Chrome/40.0", undefined],
    ["None", "Chrome/50.0", undefined],
    ["None", "Chrome/67.0", undefined],
    ["None", "Chrome/70.0", "None"],
    ["None", "Mozilla/5.0 (iPhone; CPU iPhone OS 12_1 like Mac OS X)", undefined],
    ["None", "Mozilla/5.0 (iPad; CPU OS 12_1 like Mac OS X)", undefined],
    ["None", "Mozilla/5.0 (iPhone; CPU iPhone OS 13_1 like Mac OS X)", "None"],
    ["None", mac, undefined],
    ["None", mac.replace("10_14", "10_15"), "None"],
    ["None", `${mac} Chrome/80.0`, "None"],
  ];
  for (const [i, [sameSite, agent, attribute]] of rows.entries()) {
    const name = `site-${i}`;
    await world.service(name);
    const more = { "session-cookie-samesite": sameSite, "session-cookie-conditional-samesite-none": "true" };
    await addIngress(world, ingress(name, `${name}.example`, name, { affinity: "cookie", ...more }));
    const answer = await ask(world.socket(80), { host: `${name}.example`, headers: { "User-Agent": agent } });
    t.equal(/SameSite=(\w+)/.exec(cookieOf(answer))?.[1], attribute, `${sameSite} ${agent}`);
  }
});

await t.test(
  "under which names the cookie is set: hosts and aliases as written, or with * for the first label (should_set_cookie)",
  async (t) => {
    await world.service("named");
    const aliases = String.raw`www.named.example, *.deep.example, start.*, .dotted.example, ~^re\d+\.example$, plain.example`;
    await addIngress(
      world,
      ingress("named", "named.example", "named", { affinity: "cookie", "server-alias": aliases }),
      ingress("named-wild", "*.wild.example", "named", { affinity: "cookie" }),
      // Another path has another Ingress, which does not ask for the cookie.
      ingress("plain", "plain.example", "named"),
      ingress("all", "", "named", { affinity: "cookie" }),
      // Its own paths count, and not those of *.wild.example.
      ingress("own", "own.wild.example", "named"),
      ingress("own-x", "own.wild.example", "named", { affinity: "cookie" }, "/x"),
    );
    const rows: readonly (readonly [name: string, sets: boolean, path?: string])[] = [
      ["named.example", true],
      ["www.named.example", true],
      ["a.deep.example", true],
      ["a.b.deep.example", false],
      ["start.com", false],
      ["dotted.example", false],
      ["x.dotted.example", false],
      ["re1.example", false],
      ["a.wild.example", true],
      ["own.wild.example", false],
      ["own.wild.example", true, "/x"],
      ["plain.example", false],
      ["nowhere.example", true],
    ];
    for (const [name, sets, path = "/"] of rows) {
      const got = await ask(world.socket(80), { host: name, path });
      t.strictSame([got.status, cookieOf(got) !== ""], [200, sets], name + path);
    }
  },
);

await t.test(
  "a new client whose pods all fail: the next try goes nowhere, and each try has set a cookie (sticky.lua balance)",
  async (t) => {
    const calls: string[] = [];
    const server = (pod: string): Server =>
      createServer((request) => {
        calls.push(pod);
        request.socket.destroy();
      });
    for (const mode of ["balanced", "persistent"]) {
      const name = `failing-${mode}`;
      await world.service(name, { replicas: 2, server });
      await addIngress(world, ingress(name, `${name}.example`, name, { affinity: "cookie", "affinity-mode": mode }));
      calls.length = 0;
      const got = await ask(world.socket(80), { host: `${name}.example` });
      t.strictSame([got.status, calls.toSorted()], [502, [`${name}-0`, `${name}-1`]], name);
      t.equal(new Set(got.headers["set-cookie"]).size, 2, name);
    }
  },
);
