// Bodies, expectations, upgrades, mirrors and lengths, byte by byte. The answers are those of nginx 1.27.1, which is upstream's, with the lines that
// the template writes.
import t from "tap";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";
import { readWireCases, WIRE_LOG, wireLog, wirePod, wireTalk, wireText } from "./wire.ts";

const harness = await createHarness(t);
const only = process.env["CASE"];

for (const { id, annotations, config, pods, sends, client, got, log, notes } of readWireCases()) {
  if (only !== undefined && !new RegExp(only).test(id)) continue;
  await t.test(id, async (t) => {
    await using world = await harness.start({ config: { "log-format-upstream": WIRE_LOG, ...config } });
    const seen: Record<string, string[]> = {};
    for (const [name, answers] of Object.entries({ web: undefined, ...pods })) {
      const requests: string[] = (seen[name] = []);
      await world.service(name, { server: () => wirePod(answers, requests) });
    }
    await addIngress(world, ingress("a", "h.example", "web", annotations));
    t.equal(wireText(await wireTalk(world.socket(80), sends)), client, notes ?? "client");
    const lines = (): readonly string[] => wireLog(world.log.join(""));
    await until(() => lines().length >= log.length);
    t.strictSame(lines(), log, "access log");
    for (const [name, requests] of Object.entries(got)) {
      await until(() => (seen[name]?.length ?? 0) >= requests.length);
      t.strictSame(seen[name]?.map(wireText), requests, `pods of ${name}`);
    }
  });
}
