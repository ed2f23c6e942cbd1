import t from "tap";
import {
  type Balancer,
  balancerKind,
  balancerKinds,
  type BalancerOptions,
  ipvsSchedulers,
  maglevTable,
  type Target,
} from "../../balancers/index.ts";
import { seededRandom } from "../../model/random.ts";

const targets = (...ids: readonly string[]): Target[] => ids.map((id) => ({ id }));
const make = (name: string, options: Partial<BalancerOptions> = {}): Balancer => {
  const kind = balancerKind(name);
  if (!kind) throw new Error(`no balancer ${name}`);
  return kind.create({ random: seededRandom("test"), ...options });
};
const sequence = (balancer: Balancer, list: readonly Target[], count: number, key = (i: number) => `127.0.0.${i}`): string[] =>
  Array.from({ length: count }, (_, i) => {
    const picked = balancer.pick(list, { key: key(i), nowMs: i });
    if (picked) balancer.opened(picked.id);
    return picked?.id ?? "-";
  });
const tally = (ids: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
};

for (const kind of balancerKinds) {
  t.test(`every balancer: ${kind.name}`, async (t) => {
    const fresh = (): Balancer => kind.create({ random: seededRandom("suite") });
    t.equal(fresh().pick([], { key: "a", nowMs: 0 }), undefined, "no target, no pick");
    t.equal(fresh().pick([{ id: "a", weight: 0 }], { key: "a", nowMs: 0 }), undefined, "only draining targets, no pick");
    t.same(new Set(sequence(fresh(), targets("only"), 20)), new Set(["only"]), "one target takes all");
    t.same(sequence(fresh(), targets("a", "b", "c"), 200), sequence(fresh(), targets("a", "b", "c"), 200), "equal seeds, equal picks");
    t.same(new Set(sequence(fresh(), targets("a", "b", "c"), 300)), new Set(["a", "b", "c"]), "each target gets flows");
    const balancer = fresh();
    sequence(balancer, targets("a", "b", "c"), 50);
    t.notOk(sequence(balancer, targets("a", "c"), 50).includes("b"), "a removed target gets none");
    t.notOk(sequence(fresh(), [{ id: "a", weight: 0 }, { id: "b" }, { id: "c" }], 50).includes("a"), "a draining target gets none");
    t.doesNotThrow(() => fresh().closed("never-opened", 1, 1), "closing what was not opened is harmless");
  });
}

t.test("sequences", async (t) => {
  const weighted = [
    { id: "a", weight: 5 },
    { id: "b", weight: 1 },
    { id: "c", weight: 1 },
  ];
  const rows: [string, readonly Target[], number, string][] = [
    ["smooth-weighted-round-robin", weighted, 14, "a a b a c a a a a b a c a a"], // nginx commit 52327e0
    ["round-robin", targets("a", "b", "c"), 7, "a b c a b c a"],
    ["rr", targets("a", "b", "c"), 4, "a b c a"],
    [
      "wrr",
      [
        { id: "a", weight: 4 },
        { id: "b", weight: 3 },
        { id: "c", weight: 2 },
      ],
      9,
      "a a b a b c a b c",
    ], // ip_vs_wrr, LVS documentation
    ["lc", targets("a", "b", "c"), 6, "a b c a b c"],
    [
      "wlc",
      [
        { id: "a", weight: 2 },
        { id: "b", weight: 1 },
      ],
      6,
      "a b a a b a",
    ],
    [
      "sed",
      [
        { id: "a", weight: 3 },
        { id: "b", weight: 1 },
      ],
      4,
      "a a a b",
    ],
    [
      "nq",
      [
        { id: "a", weight: 3 },
        { id: "b", weight: 1 },
      ],
      4,
      "a b a a",
    ],
  ];
  for (const [name, list, count, expected] of rows) t.equal(sequence(make(name), list, count).join(" "), expected, name);
});

t.test("round-robin neither skips nor repeats when targets change", async (t) => {
  const balancer = make("round-robin");
  const seen = [
    ...sequence(balancer, targets("a", "b", "c"), 2),
    ...sequence(balancer, targets("b", "c"), 2),
    ...sequence(balancer, targets("b", "c", "d"), 3),
    ...sequence(balancer, targets("b", "d"), 2),
  ];
  t.equal(seen.join(" "), "a b c b c d b d b");
});

t.test("random is uniform per flow (χ² with 9 degrees of freedom below its 99.9 % quantile 27.9)", async (t) => {
  const counts = tally(sequence(make("random"), targets(..."abcdefghij"), 10_000));
  const chi2 = Object.values(counts).reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  t.ok(chi2 < 27.9, `χ² = ${chi2}`);
});

t.test("balls into bins: two choices flatten the maximum (facts §4.2, n = 1000)", async (t) => {
  const bins = targets(...Array.from({ length: 1000 }, (_, i) => `b${i}`));
  const maxima = (name: string, options: Partial<BalancerOptions>): number => {
    let sum = 0;
    for (let run = 0; run < 10; run++) {
      const balancer = make(name, { random: seededRandom(`run${run}`), ...options });
      sum += Math.max(...Object.values(tally(sequence(balancer, bins, 1000))));
    }
    return sum / 10;
  };
  t.ok(Math.abs(maxima("random", {}) - 5.51) < 0.8);
  t.ok(Math.abs(maxima("power-of-two-with-replacement", {}) - 3.0) < 0.25);
  t.ok(Math.abs(maxima("power-of-two-with-replacement", { choices: 3 }) - 2.39) < 0.6);
  t.equal(maxima("least-connections", {}), 1);
});

t.test("power of two without replacement on two targets joins the shorter queue", async (t) => {
  const balancer = make("power-of-two");
  balancer.opened("a");
  t.same(new Set(Array.from({ length: 50 }, () => balancer.pick(targets("a", "b"), { key: "", nowMs: 0 })?.id)), new Set(["b"]));
});

t.test("least-connections follows opens and closes", async (t) => {
  const balancer = make("least-connections");
  for (const id of ["a", "a", "b", "c"]) balancer.opened(id);
  balancer.closed("c", 1, 1);
  t.equal(balancer.pick(targets("a", "b", "c"), { key: "", nowMs: 0 })?.id, "c");
});

t.test("peak-ewma rises at once and decays with its time constant", async (t) => {
  const balancer = make("peak-ewma", { decayMs: 10_000 });
  const pair = targets("slow", "fast");
  for (const id of ["slow", "fast"]) balancer.opened(id);
  balancer.closed("slow", 1000, 0);
  balancer.closed("fast", 10, 0);
  t.equal(balancer.pick(pair, { key: "", nowMs: 1 })?.id, "fast");
  for (let i = 0; i < 150; i++) balancer.opened("fast");
  t.equal(balancer.pick(pair, { key: "", nowMs: 1 })?.id, "slow", "151 × 10 ms costs more than 1 × 1000 ms");
  for (let i = 0; i < 75; i++) balancer.closed("fast", 10, 1);
  t.equal(balancer.pick(pair, { key: "", nowMs: 1 })?.id, "fast");
  balancer.opened("slow");
  balancer.closed("slow", 1, 60_000);
  balancer.closed("fast", 10, 60_000);
  t.equal(balancer.pick(pair, { key: "", nowMs: 60_000 })?.id, "slow", "one fast answer after six time constants");
});

t.test("ewma (ewma_test.lua)", async (t) => {
  const kept = Math.exp(-5 / 10);
  // What a target has to be quicker than, at `nowMs`, to be picked before `id`.
  const scoreOf = (balancer: Balancer, list: readonly Target[], id: string, nowMs: number): string => {
    const picks = Array.from({ length: 40 }, () => balancer.pick(list, { key: "", nowMs })?.id);
    return picks.every((picked) => picked === id) ? "least" : picks.includes(id) ? "shared" : "most";
  };
  const pair = targets("a", "b");
  const measured = (a: number, b: number, list: readonly Target[] = pair): Balancer => {
    const balancer = make("ewma");
    balancer.pick(list, { key: "", nowMs: 0 });
    balancer.closed("a", a, 0);
    balancer.closed("b", b, 0);
    return balancer;
  };
  // The latest answer moves the average by as much as time has gone by, up as down.
  const moved = 300 * kept + 120 * (1 - kept);
  for (const [other, expected] of [
    [moved - 0.01, "most"],
    [moved + 0.01, "least"],
  ] as const) {
    const balancer = measured(300, other);
    balancer.closed("a", 120, 5000);
    balancer.closed("b", other, 5000);
    t.equal(scoreOf(balancer, pair, "a", 5000), expected, `against ${other}`);
  }
  const decayed = measured(1200, 200);
  decayed.closed("b", 200, 19_000);
  t.equal(scoreOf(decayed, pair, "a", 20_000), "least", "1.2 s of 20 s ago weigh less than 0.2 s of 1 s ago");
  const busy = measured(100, 200);
  for (let i = 0; i < 100; i++) busy.opened("a");
  t.equal(scoreOf(busy, pair, "a", 1), "least", "open flows do not count");
  t.equal(busy.pick([{ id: "a", weight: 0 }, { id: "b" }], { key: "", nowMs: 1 })?.id, "b", "a tried one is not asked again");
  // b goes and c comes: it begins with the mean of those that stay, between them.
  const changed = measured(200, 300, targets("a", "b", "e"));
  changed.closed("e", 1200, 0);
  const without = (idle: string): Target[] => ["a", "c", "e"].map((id) => (id === idle ? { id, weight: 0 } : { id }));
  t.equal(scoreOf(changed, without("e"), "a", 0), "least");
  t.equal(scoreOf(changed, without("a"), "c", 0), "least");
  const fresh = make("ewma");
  fresh.pick(pair, { key: "", nowMs: 0 });
  t.equal(scoreOf(fresh, targets("a", "b", "c"), "c", 1), "shared", "without any measured they begin with nothing");
});

const keys = Array.from({ length: 5000 }, (_, i) => `127.244.${i >> 8}.${i & 255}`);
const placement = (name: string, list: readonly Target[]): string[] => {
  const balancer = make(name);
  return keys.map((key) => balancer.pick(list, { key, nowMs: 0 })?.id ?? "-");
};

t.test("rendezvous and ring hash: removing a target moves its keys only; order does not matter", async (t) => {
  const ten = targets(..."abcdefghij");
  for (const name of ["rendezvous", "ring-hash"]) {
    const before = placement(name, ten);
    const after = placement(
      name,
      ten.filter((target) => target.id !== "d"),
    );
    t.ok(
      before.every((id, i) => id === "d" || id === after[i]),
      `${name}: no other key moved`,
    );
    t.same(placement(name, ten.toReversed()), before, `${name}: independent of order`);
    const share = before.filter((id) => id === "d").length / keys.length;
    t.ok(Math.abs(share - 0.1) < 0.04, `${name}: about a tenth moved (${share})`);
  }
});

t.test("Maglev: near-perfect balance and small disruption (facts §4.5, M = 65537)", async (t) => {
  const rows: [number, number, number][] = [
    [10, 1.001, 0.1023],
    [100, 1.002, 0.0157],
  ];
  for (const [n, maxLoad, moved] of rows) {
    const list = targets(...Array.from({ length: n }, (_, i) => `backend-${i}`));
    const table = maglevTable(list);
    const counts = new Array<number>(n).fill(0);
    for (const index of table) counts[index] = (counts[index] ?? 0) + 1;
    t.ok(Math.max(...counts) / (65537 / n) <= maxLoad, `${n} targets: max load ${Math.max(...counts) / (65537 / n)}`);
    const without = list.slice(0, -1);
    const changed =
      maglevTable(without).reduce((sum, index, slot) => sum + (without[index]?.id === list[table[slot] ?? -1]?.id ? 0 : 1), 0) / 65537;
    t.ok(Math.abs(changed - moved) < moved * 0.5, `${n} targets: ${changed} of the slots changed`);
  }
  const heavy = maglevTable([
    { id: "a", weight: 3 },
    { id: "b", weight: 1 },
  ]);
  t.ok(Math.abs(heavy.filter((index) => index === 0).length / 65537 - 0.75) < 0.001, "weights");
});

t.test("ring hash with bounded loads never exceeds its cap", async (t) => {
  for (const loadFactor of [1.1, 1.25, 2]) {
    const balancer = make("ring-hash-bounded", { loadFactor });
    const counts: Record<string, number> = {};
    for (let i = 0; i < 2000; i++) {
      const id = balancer.pick(targets(..."abcdefg"), { key: `hot-${i % 3}`, nowMs: 0 })?.id ?? "-";
      balancer.opened(id);
      counts[id] = (counts[id] ?? 0) + 1;
      const cap = Math.ceil((loadFactor * (i + 1)) / 7);
      if ((counts[id] ?? 0) > cap) t.fail(`factor ${loadFactor}, flow ${i}: ${id} has ${counts[id]}, cap ${cap}`);
    }
    t.pass(`factor ${loadFactor}: ${JSON.stringify(counts)}`);
  }
});

t.test("the ipvs names are those of ipvsadm", async (t) => {
  t.equal(ipvsSchedulers.map((kind) => kind.name).join(" "), "rr wrr lc wlc sed nq sh dh lblc mh");
  t.equal(new Set(balancerKinds.map((kind) => kind.name)).size, balancerKinds.length, "names are unique");
});
