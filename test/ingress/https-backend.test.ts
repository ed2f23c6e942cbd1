import t from "tap";
import { createServer } from "node:https";
import { createHarness } from "./harness.ts";
import { ask } from "./client.ts";
import { addIngress, ingress } from "./raw.ts";
import { pair } from "./case.ts";
const harness = await createHarness(t);
await using world = await harness.start();
await t.test("HTTPS backends are reached over TLS", async (t) => {
  await world.service("secure", {
    server: () =>
      createServer(pair("secure", "server"), (request, response) => response.end(`over ${"encrypted" in request.socket ? "TLS" : "TCP"}`)),
  });
  await addIngress(world, ingress("secure", "secure.example", "secure", { "backend-protocol": "HTTPS" }));
  const answer = await ask(world.socket(80), { host: "secure.example" });
  t.equal(answer.body.toString(), "over TLS");
});
