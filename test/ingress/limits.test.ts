// limit-connections beside limit-rpm: rates are asked first, and count what the connections refuse (order of nginx's preaccess handlers).
import { createServer, type ServerResponse } from "node:http";
import t from "tap";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start({ config: { "limit-conn-status-code": "429", "limit-req-status-code": "509" } });

await t.test("a request that finds no connection left has used up its rate", async (t) => {
  const waiting: ServerResponse[] = [];
  await world.service("slow", { server: () => createServer((_, response) => void waiting.push(response)) });
  const limits = { "limit-connections": "1", "limit-rpm": "1", "limit-burst-multiplier": "2" };
  await addIngress(world, ingress("a", "a.example", "slow", limits));
  const status = async (): Promise<number> => (await ask(world.socket(80), { host: "a.example" })).status;
  const first = status();
  await until(() => waiting.length === 1);
  t.strictSame([await status(), await status()], [429, 429]);
  waiting[0]?.end();
  t.equal(await first, 200);
  t.equal(await status(), 509, "one and a burst of two have been counted");
  t.equal(waiting.length, 1);
});
