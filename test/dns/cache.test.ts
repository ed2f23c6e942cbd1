// cache on a clock that moves by hand: popular answers fetched anew, expired ones given while the source is asked.
import t from "tap";
import type { Reply } from "../../dns/message.ts";
import { VirtualClock } from "../../model/clock.ts";
import { namespace, service, slice, testChain } from "./support.ts";
import type { TestChain } from "./support.ts";

const NAME = "db.default.svc.cluster.local.";
const zoneOf = (ip: string) => [
  namespace("default"),
  service("default/db", "None", "sql:5432/TCP"),
  slice("default/db", [ip], { name: "sql", port: 5432 }),
];
const addresses = (reply: Reply): readonly string[] =>
  reply.answers.map((record) => (record.type === "A" ? `${record.address} ${record.ttl}` : record.type));
const corefile = (cache: string): string => `.:53 {\n kubernetes cluster.local {\n  ttl 20\n }\n ${cache}\n}\n`;

function rolling(cache: string): {
  readonly clock: VirtualClock;
  readonly test: TestChain;
  ask(): Promise<readonly string[]>;
  rollTo(ip: string): void;
} {
  const clock = new VirtualClock();
  const test = testChain(corefile(cache), zoneOf("127.244.1.1"), { clock });
  return {
    clock,
    test,
    ask: async () => addresses(await test.ask(NAME, "A")),
    rollTo: (ip) => {
      const changed = slice("default/db", [ip], { name: "sql", port: 5432 });
      test.zone.apply({ type: changed, key: "default/db-slice", object: changed }, clock.now());
    },
  };
}

t.test("prefetch: a popular name is fetched before it expires", async (t) => {
  const { clock, ask, rollTo } = rolling("cache {\n  prefetch 2 1m 10%\n }");
  for (let i = 0; i < 3; i++) await ask();
  rollTo("127.244.1.2");
  await clock.advance(18_000);
  t.strictSame(await ask(), ["127.244.1.1 2"], "this one is still served from memory");
  t.strictSame(await ask(), ["127.244.1.2 20"], "and the next is already new");
});

t.test("serve_stale: an expired answer is given with TTL 0 while the source is asked", async (t) => {
  const { clock, ask, rollTo } = rolling("cache {\n  serve_stale 1h\n }");
  await ask();
  rollTo("127.244.1.2");
  await clock.advance(60_000);
  t.strictSame(await ask(), ["127.244.1.1 0"]);
  t.strictSame(await ask(), ["127.244.1.2 20"]);
  const verified = rolling("cache {\n  serve_stale 1h verify\n }");
  await verified.ask();
  verified.rollTo("127.244.1.2");
  await verified.clock.advance(60_000);
  t.strictSame(await verified.ask(), ["127.244.1.2 20"], "verify asks the source first");
});

t.test("more names than fit", async (t) => {
  const objects = [namespace("default"), ...Array.from({ length: 5 }, (_, i) => service(`default/s${i}`, `127.96.0.${i + 1}`, "80/TCP"))];
  const { ask } = testChain(corefile("cache {\n  success 3\n }"), objects);
  const why = async (i: number): Promise<string> => (await ask(`s${i}.default.svc.cluster.local.`, "A")).why[0]?.plugin ?? "";
  for (let i = 0; i < 5; i++) t.equal(await why(i), "kubernetes");
  t.strictSame([await why(4), await why(3), await why(2)], ["cache", "cache", "cache"]);
  t.equal(await why(0), "kubernetes", "the oldest went first");
});
