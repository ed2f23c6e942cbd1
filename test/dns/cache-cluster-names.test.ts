// cache before kubernetes, on a clock that moves by hand: names of the cluster that change while they are remembered.
import t from "tap";
import type { Reply } from "../../dns/message.ts";
import { namespace, service, slice, WEB, webAndDb } from "./objects.ts";
import { answerData, testChain } from "./plugin-harness.ts";

const NAME = "db.default.svc.cluster.local.";
const addresses = (reply: Reply): readonly string[] =>
  reply.answers.map((record) => (record.type === "A" ? `${record.address} ${record.ttl}` : record.type));
const corefile = (cache: string): string => `.:53 {\n kubernetes cluster.local {\n  ttl 20\n }\n ${cache}\n}\n`;

/** The headless db behind this cache, and a roll-out of its only pod. */
function rolling(cache: string) {
  const pod = (ip: string) => slice("default/db", [ip], { name: "sql", port: 5432 });
  const objects = [namespace("default"), service("default/db", "None", "sql:5432/TCP"), pod("127.244.1.1")];
  const { ask, zone, clock } = testChain(corefile(cache), objects);
  return {
    clock,
    ask: async () => addresses(await ask(NAME, "A")),
    rollTo: (ip: string): void => {
      const changed = pod(ip);
      zone.apply({ type: changed, key: "default/db-slice", object: changed }, clock.now());
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
  const count = 1300;
  const objects = [
    namespace("default"),
    ...Array.from({ length: count }, (_, i) => service(`default/s${i}`, `127.96.${i >> 8}.${i & 255}`, "80/TCP")),
  ];
  const { ask, metrics } = testChain(corefile("cache {\n  success 3\n }"), objects);
  const why = async (i: number): Promise<string> => (await ask(`s${i}.default.svc.cluster.local.`, "A")).why[0]?.plugin ?? "";
  for (let i = 0; i < count; i++) t.equal(await why(i), "kubernetes");
  t.strictSame([await why(count - 1), await why(count - 1000)], ["cache", "cache"], "1024 is the least capacity");
  t.equal(await why(0), "kubernetes", "the oldest went first");
  t.match(metrics.text(), /coredns_cache_evictions_total\{server="dns:\/\/:53",zones="\.",view="",type="success"\} [1-9]/);
});

t.test("a headless answer is kept past a roll-out, for its TTL", async (t) => {
  const { ask, zone, clock } = testChain(". {\nkubernetes cluster.local {\n ttl 30\n}\ncache 30\n}", webAndDb);
  t.equal(answerData(await ask(NAME, "A")), "NOERROR A 127.244.1.2, A 127.244.1.3");
  const after = slice("default/db", ["127.244.1.8"], { name: "sql", port: 5432 });
  zone.apply({ type: after, key: "default/db-slice", object: after }, clock.now());
  await clock.advance(29_000);
  const stale = await ask(NAME, "A");
  t.equal(answerData(stale), "NOERROR A 127.244.1.2, A 127.244.1.3", "stale");
  t.equal(stale.answers[0]?.ttl, 1);
  await clock.advance(1000);
  t.equal(answerData(await ask(NAME, "A")), "NOERROR A 127.244.1.8", "and then not");
  t.equal((await ask("new.default.svc.cluster.local.", "A")).rcode, "NXDOMAIN");
  const created = service("default/new", "127.96.0.77", "80");
  zone.apply({ type: created, key: "default/new", object: created }, clock.now());
  t.equal((await ask("new.default.svc.cluster.local.", "A")).rcode, "NXDOMAIN", "denials are kept too");
  t.equal(
    answerData(await ask("new.default.svc.cluster.local.", "A", { checkingDisabled: true })),
    "NOERROR A 127.96.0.77",
    "CD asks past them",
  );
  await clock.advance(30_000);
  t.equal(answerData(await ask("new.default.svc.cluster.local.", "A")), "NOERROR A 127.96.0.77");
});

t.test("a long TTL is lowered, a short one lifted", async (t) => {
  const ttlOf = async (lines: string, name: string, type: string): Promise<number | undefined> =>
    (await testChain(`. {\n${lines}\n}`, webAndDb).ask(name, type)).answers[0]?.ttl;
  t.equal(await ttlOf("kubernetes cluster.local", "dns-version.cluster.local.", "TXT"), 28_800);
  t.equal(await ttlOf("kubernetes cluster.local\ncache 30", "dns-version.cluster.local.", "TXT"), 30);
  t.equal(await ttlOf("kubernetes cluster.local {\n ttl 0\n}\ncache", WEB, "A"), 5);
});

t.test("nothing is kept for zones it is disabled for", async (t) => {
  const after = slice("default/db", ["127.244.1.8"], { name: "sql", port: 5432 });
  const created = service("default/new", "127.96.0.77", "80");
  for (const [kind, expected] of [
    ["success", "NOERROR A 127.244.1.8 NXDOMAIN"],
    ["denial", "NOERROR A 127.244.1.2, A 127.244.1.3 NOERROR A 127.96.0.77"],
  ] as const) {
    const { ask, zone } = testChain(`. {\nkubernetes cluster.local\ncache {\n disable ${kind} default.svc.cluster.local\n}\n}`, webAndDb);
    const names = [NAME, "new.default.svc.cluster.local."];
    for (const name of names) await ask(name, "A");
    zone.apply({ type: after, key: "default/db-slice", object: after }, 0);
    zone.apply({ type: created, key: "default/new", object: created }, 0);
    t.equal((await Promise.all(names.map((name) => ask(name, "A")))).map(answerData).join(" "), expected, kind);
  }
});
