// What each algorithm should make of a run, and how counts are judged: choice and counts in, verdict and band out.
import t from "tap";
import { judge, spreadOf } from "../../lab/index.ts";
import { balancerKinds } from "../../balancers/index.ts";
import { seededRandom } from "../../model/random.ts";
import type { BalanceAnswer } from "../../model/ports.ts";

const choice = (algorithm: string, pods: number, affinitySeconds = 0): BalanceAnswer => ({
  service: "default/web",
  algorithm,
  affinitySeconds,
  endpoints: Array.from({ length: pods }, (_, i) => ({ address: `127.244.1.${i + 1}:80`, pod: `default/web-${i}`, node: "n" })),
});

t.test("judgements", (t) => {
  const rows: readonly (readonly [
    algorithm: string,
    affinity: number,
    counts: readonly number[],
    band: string,
    verdict: string,
    why: RegExp,
  ])[] = [
    [
      "random",
      0,
      [98, 88, 114],
      "79-121",
      "as expected",
      /^χ² = 3\.44, 2 degrees of freedom, p = 0\.179; 300 random connections on 3 pods vary by ±8 %/,
    ],
    ["random", 0, [100, 100, 100], "79-121", "as expected", /p = 1\.000/],
    ["random", 0, [150, 75, 75], "79-121", "not as expected", /p = 0\.000000/],
    ["random", 0, [60, 40], "37-63", "as expected", /1 degree of freedom, p = 0\.046/],
    ["random", 0, [4, 0, 0], "0-4", "unknown", /vary by ±71 % .* leave 0\.6 pods unused on average: too few/],
    ["random", 0, [0, 1, 0], "0-1", "unknown", /one connection is one draw/],
    ["random", 0, [50], "0-50", "as expected", /there is one endpoint; 1 had connections/],
    ["random", 0, [0, 0], "", "unknown", /no connection reached/],
    ["rr", 0, [34, 33, 33], "33-34", "as expected", /they differ by 1/],
    ["rr", 0, [35, 33, 32], "33-34", "not as expected", /they differ by 3/],
    ["round-robin", 0, [5, 5], "5-5", "as expected", /they differ by 0/],
    ["random", 10800, [0, 40, 0], "0-40", "as expected", /ClientIP affinity keeps a client on one pod for 10800 s; 1 had/],
    ["rr", 60, [20, 20, 0], "0-40", "not as expected", /2 had connections/],
    ["sh", 0, [0, 9], "0-9", "as expected", /one client is given one pod/],
    ["least-connections", 0, [9, 1], "", "unknown", /looks at load or time/],
  ];
  for (const [algorithm, affinity, counts, band, verdict, why] of rows) {
    const judgement = judge(choice(algorithm, counts.length, affinity), counts);
    const found = judgement.band ? `${judgement.band.low}-${judgement.band.high}` : "";
    t.strictSame([found, judgement.verdict], [band, verdict], `${algorithm} ${counts.join()}`);
    t.match(judgement.why, why);
  }
  t.end();
});

t.test("every algorithm has a spread that its own picks keep to", (t) => {
  const clients = Array.from({ length: 60 }, () => "127.0.0.1");
  for (const kind of balancerKinds) {
    const of = choice(kind.name, 3);
    const spread = spreadOf(of);
    const balancer = kind.create({ random: seededRandom(kind.name) });
    const targets = of.endpoints.map(({ address }) => ({ id: address }));
    const counts = targets.map(() => 0);
    for (const key of clients) {
      const picked = balancer.pick(targets, { key, nowMs: 0 })?.id;
      const index = targets.findIndex(({ id }) => id === picked);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    const { verdict, why } = judge(of, counts);
    t.equal(verdict, spread === "any" ? "unknown" : "as expected", `${kind.name}: ${spread}, ${counts.join()}: ${why}`);
  }
  t.end();
});
