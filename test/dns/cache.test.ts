// cache on a clock that moves by hand: popular answers fetched anew, expired ones given while the source is asked.
import t from "tap";
import { isRcode } from "../../dns/message.ts";
import { nextTurn, VirtualClock } from "../../model/clock.ts";
import { webAndDb } from "./objects.ts";
import { answering, answerTo, queryOf, refuses, testChain } from "./plugin-harness.ts";
import type { Exchange } from "./plugin-harness.ts";

/** A name outside the cluster whose server does as it is told; answers as "rcode address ttl", "-" without an address. */
function outside(cache: string): {
  readonly clock: VirtualClock;
  says(what: string): void;
  ask(): Promise<string>;
  readonly asked: () => number;
} {
  const clock = new VirtualClock();
  let behaviour = "127.1.0.1";
  let asked = 0;
  const exchange: Exchange = async (_server, message) => {
    asked++;
    const present = behaviour;
    if (present === "slow") await new Promise<void>((resolve) => clock.after(1000, resolve));
    const query = queryOf(message);
    const { name } = query.question;
    const soa = {
      name: "x.",
      type: "SOA",
      ttl: 20,
      mname: "a.",
      rname: "b.",
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 20,
    } as const;
    if (!isRcode(present))
      return answerTo(query, { answers: [{ name, type: "A", ttl: 20, address: present === "slow" ? "127.1.0.9" : present }] });
    return answerTo(query, { rcode: present, authorities: present === "NXDOMAIN" || present === "NOERROR" ? [soa] : [] });
  };
  const { ask } = testChain(`.:53 {\n ${cache}\n forward . 127.9.0.1 {\n max_fails 0\n max_connect_attempts 1\n }\n}\n`, [], {
    clock,
    exchange,
  });
  return {
    clock,
    says: (what) => void (behaviour = what),
    ask: async () => {
      const reply = await ask("a.x.", "A");
      const [first] = reply.answers;
      return `${reply.rcode} ${first?.type === "A" ? `${first.address} ${first.ttl}` : "-"}`;
    },
    asked: () => asked,
  };
}

// Steps: "says X" changes the server, "+N" lets N seconds pass, "= X" is what a question is answered with, "asked N" how often the server was, so far.
const stories: readonly [what: string, cache: string, steps: readonly string[]][] = [
  [
    "kept for its TTL, then anew",
    "cache",
    ["= NOERROR 127.1.0.1 20", "+ 12", "= NOERROR 127.1.0.1 8", "asked 1", "+ 8", "= NOERROR 127.1.0.1 20", "asked 2"],
  ],
  ["keepttl", "cache {\n keepttl\n}", ["= NOERROR 127.1.0.1 20", "+ 12", "= NOERROR 127.1.0.1 20", "asked 1"]],
  [
    "SERVFAIL for five seconds",
    "cache",
    ["says SERVFAIL", "= SERVFAIL -", "+ 4", "= SERVFAIL -", "asked 1", "+ 1", "= SERVFAIL -", "asked 2"],
  ],
  ["SERVFAIL for as long as told", "cache {\n servfail 1m\n}", ["says SERVFAIL", "= SERVFAIL -", "+ 59", "= SERVFAIL -", "asked 1"]],
  ["SERVFAIL not at all", "cache {\n servfail 0\n}", ["says SERVFAIL", "= SERVFAIL -", "= SERVFAIL -", "asked 2"]],
  ["REFUSED is not kept", "cache", ["says REFUSED", "= REFUSED -", "= REFUSED -", "asked 2"]],
  ["NOTIMP is", "cache", ["says NOTIMP", "= NOTIMP -", "= NOTIMP -", "asked 1"]],
  [
    "a failing source does not push out an expired answer",
    "cache {\n serve_stale\n}",
    [
      "= NOERROR 127.1.0.1 20",
      "says SERVFAIL",
      "+ 30",
      "= NOERROR 127.1.0.1 0",
      "asked 2",
      "= NOERROR 127.1.0.1 0",
      "asked 3",
      "+ 3600",
      "= SERVFAIL -",
    ],
  ],
  [
    "stale answers with a TTL, and a pause after a failed refresh",
    "cache {\n serve_stale 1h immediate 30s 60s\n}",
    [
      "= NOERROR 127.1.0.1 20",
      "says SERVFAIL",
      "+ 30",
      "= NOERROR 127.1.0.1 30",
      "asked 2",
      "= NOERROR 127.1.0.1 30",
      "asked 2",
      "+ 60",
      "= NOERROR 127.1.0.1 30",
      "asked 3",
    ],
  ],
  [
    "keepttl shows the whole TTL of stale answers too",
    "cache {\n serve_stale\n keepttl\n}",
    ["= NOERROR 127.1.0.1 20", "+ 30", "= NOERROR 127.1.0.1 20"],
  ],
  ["serve_stale 0 is none", "cache {\n serve_stale 0\n}", ["= NOERROR 127.1.0.1 20", "says SERVFAIL", "+ 30", "= SERVFAIL -"]],
  [
    "verify asks first, and takes a denial for one",
    "cache {\n serve_stale 1h verify\n}",
    [
      "= NOERROR 127.1.0.1 20",
      "+ 30",
      "says 127.1.0.2",
      "= NOERROR 127.1.0.2 20",
      "+ 30",
      "says SERVFAIL",
      "= NOERROR 127.1.0.2 0",
      "says NXDOMAIN",
      "= NXDOMAIN -",
    ],
  ],
  [
    "prefer_positive gives the expired answer before a denial",
    "cache {\n serve_stale 1h\n serve_stale_policy prefer_positive\n}",
    [
      "= NOERROR 127.1.0.1 20",
      "says NXDOMAIN",
      "+ 30",
      "= NOERROR 127.1.0.1 0",
      "= NOERROR 127.1.0.1 0",
      "says 127.1.0.2",
      "= NOERROR 127.1.0.1 0",
      "= NOERROR 127.1.0.2 20",
    ],
  ],
];

t.test("the TTLs of what is not kept, and of delegations and transfers", async (t) => {
  const exchange = answering(({ question }) => {
    const [rcode = ""] = question.name.split(".");
    return { rcode: isRcode(rcode) ? rcode : "NOERROR", authorities: [{ name: "x.", type: "NS", ttl: 900, target: "ns.x." }] };
  });
  const { ask } = testChain(". {\ncache {\nsuccess 9984 300 20\ndenial 9984 200 30\n}\nforward . 127.9.0.1\n}", [], { exchange });
  const ttl = async (name: string): Promise<number | undefined> => (await ask(name, "A")).authorities[0]?.ttl;
  // Five seconds at first, raised to the least of the shelf.
  t.equal(await ttl("delegation.x."), 20);
  t.equal(await ttl("REFUSED.x."), 20);
  t.equal(await ttl("NXDOMAIN.x."), 200, "a denial without SOA is not kept, and lowered all the same");
  t.equal(await ttl("SERVFAIL.x."), 5);
  const transfer = testChain(". {\ncache\ntransfer {\nto *\n}\nkubernetes cluster.local {\nttl 30\n}\n}", webAndDb);
  const { answers } = await transfer.ask("cluster.local.", "AXFR", { transport: "tcp" });
  t.strictSame([...new Set(answers.map((record) => record.ttl))], [5]);
});

t.test("what is given when", async (t) => {
  for (const [what, cache, steps] of stories) {
    const world = outside(cache);
    for (const [index, step] of steps.entries()) {
      const [word = "", ...rest] = step.split(" ");
      const text = rest.join(" ");
      if (word === "says") world.says(text);
      else if (word === "+") await world.clock.advance(Number(text) * 1000);
      else if (word === "asked") {
        await nextTurn();
        t.equal(world.asked(), Number(text), `${what}: step ${index + 1}`);
      } else t.equal(await world.ask(), text, `${what}: step ${index + 1}`);
      await nextTurn();
    }
  }
});

t.test("a stale denial stays beside an answer that a client has waited for", async (t) => {
  const rows: readonly [cache: string, asked: number][] = [
    ["serve_stale 1h", 2],
    ["serve_stale 1h verify 1s", 2],
    ["serve_stale 1h verify", 4],
    ["serve_stale 1h verify\n serve_stale_policy prefer_positive", 2],
  ];
  for (const [options, expected] of rows) {
    const { clock, says, ask, asked } = outside(`cache {\n ${options}\n}`);
    says("NXDOMAIN");
    await ask();
    says("127.1.0.2");
    await clock.advance(30_000);
    for (let i = 0; i < 3; i++) {
      await ask();
      await nextTurn();
    }
    t.equal(asked(), expected, options);
    t.equal(await ask(), "NOERROR 127.1.0.2 20", options);
  }
});

t.test("verify waits no longer than told, and the late answer is kept", async (t) => {
  const { clock, says, ask } = outside("cache {\n serve_stale 1h verify 100ms\n}");
  await ask();
  await clock.advance(30_000);
  says("slow");
  const late = ask();
  await nextTurn();
  await clock.advance(100);
  t.equal(await late, "NOERROR 127.1.0.1 0");
  await clock.advance(900);
  t.equal(await ask(), "NOERROR 127.1.0.9 20");
});

t.test("another class is another question", async (t) => {
  const { ask } = testChain(".:53 {\n cache\n hosts {\n 127.0.0.7 a.x\n }\n forward other 127.9.0.1\n}\n", []);
  const plugin = async (cls: number): Promise<string | undefined> =>
    (await ask("a.x.", "A", { question: { name: "a.x.", type: 1, class: cls } })).why[0]?.plugin;
  t.strictSame([await plugin(1), await plugin(1), await plugin(3)], ["hosts", "cache", "hosts"]);
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["cache 0 example.nl", "cache TTL can not be zero or negative: 0"],
    ["cache -1 example.nl", "cache TTL can not be zero or negative: -1"],
    ["cache {\n success\n}", "Wrong argument count"],
    ["cache {\n success 15 aaa\n}", 'strconv.Atoi: parsing "aaa": invalid syntax'],
    ["cache {\n success 15 0\n}", "cache TTL can not be zero or negative: 0"],
    ["cache {\n denial aaa\n}", 'strconv.Atoi: parsing "aaa": invalid syntax'],
    ["cache {\n denial 15 60 -1\n}", "cache min TTL can not be negative: -1"],
    ["cache {\n prefetch\n}", "Wrong argument count"],
    ["cache {\n prefetch 0 blurp\n}", 'time: invalid duration "blurp"'],
    ["cache {\n prefetch -1\n}", "prefetch amount should be positive: -1"],
    ["cache {\n prefetch 5 1m 20\n}", "last character of percentage"],
    ["cache {\n prefetch 5 1m 95%\n}", "percentage should fall in range [10, 90]: 95"],
    ["cache {\n serve_stale 20\n}", "time: invalid duration"],
    ["cache {\n serve_stale -20m\n}", "invalid negative duration for serve_stale"],
    ["cache {\n serve_stale 1m nono\n}", "invalid value for serve_stale refresh mode: nono"],
    ["cache {\n serve_stale 1h immediate 100ms\n}", "must be a whole number of seconds"],
    ["cache {\n serve_stale 1h immediate 4294967296s\n}", "exceeds the DNS TTL range"],
    ["cache {\n serve_stale 1h immediate 30s 5m1s\n}", "cannot exceed 5 minutes"],
    ["cache {\n serve_stale 1h immediate 30s 30s extra\n}", "Wrong argument count"],
    ["cache {\n serve_stale 1h verify -1ms\n}", "invalid negative timeout for serve_stale verify"],
    ["cache {\n serve_stale 1h verify 100ms 30s 30s extra\n}", "Wrong argument count"],
    ["cache {\n serve_stale_policy prefer_positive\n}", "serve_stale_policy requires serve_stale"],
    ["cache {\n serve_stale\n serve_stale_policy\n}", "Wrong argument count"],
    ["cache {\n serve_stale\n serve_stale_policy other\n}", "invalid serve_stale_policy: other"],
    ["cache {\n serve_stale\n serve_stale_policy prefer_positive\n serve_stale_policy prefer_positive\n}", "can only be specified once"],
    ["cache {\n servfail\n}", "Wrong argument count"],
    ["cache {\n servfail 6m\n}", "caching SERVFAIL responses over 5 minutes is not permitted"],
    ["cache {\n servfail 20\n}", "time: invalid duration"],
    ["cache {\n servfail -1s\n}", "invalid negative ttl for servfail"],
    ["cache {\n servfail 1m invalid\n}", "Wrong argument count"],
    ["cache {\n disable invalid example.com\n}", 'cache type for disable must be "success" or "denial"'],
    ["cache {\n keepttl arg1\n}", "Wrong argument count"],
    ["cache {\n other x\n}", "Wrong argument count or unexpected line ending after 'other'"],
    ["cache {\n serve_stale 1h verify soon\n}", "invalid serve_stale verify timeout: time: invalid duration"],
    ["cache {\n serve_stale 1h immediate soon\n}", "invalid serve_stale response TTL: time: invalid duration"],
    ["cache {\n serve_stale 1h immediate 1s soon\n}", "invalid serve_stale failure recheck: time: invalid duration"],
  ]);
});

t.test("whoami is kept like anything else, as upstream does", async (t) => {
  const { ask } = testChain(". {\ncache\nwhoami\n}", []);
  const asked = async (port: number): Promise<unknown> =>
    (await ask("a.x.", "A", { client: { ip: "127.0.0.9", port } })).additionals.map((record) =>
      "port" in record ? record.port : record.ttl,
    );
  t.strictSame(await asked(4000), [5, 4000]);
  t.strictSame(await asked(4001), [5, 4000], "for five seconds everybody is the first");
});
