// The statistics against tables that others have computed.
import t from "tap";
import {
  binomial,
  binomialBand,
  chiSquareTail,
  chiSquareTest,
  coefficientOfVariation,
  jainIndex,
  LatencyHistogram,
  maxOverMean,
  randomUnused,
  randomVariation,
} from "../../../lab/statistics/index.ts";

t.test("χ² tail: the critical values of every textbook's table", (t) => {
  const rows: readonly (readonly [statistic: number, degrees: number, tail: number])[] = [
    [3.841459, 1, 0.05],
    [6.634897, 1, 0.01],
    [5.991465, 2, 0.05],
    [9.21034, 2, 0.01],
    [0.102587, 2, 0.95],
    [16.918978, 9, 0.05],
    [14.683657, 9, 0.1],
    [123.225221, 99, 0.05],
    [0, 3, 1],
  ];
  for (const [statistic, degrees, tail] of rows)
    t.ok(Math.abs(chiSquareTail(statistic, degrees) - tail) < 1e-6, `${statistic}, ${degrees}`);
  t.ok(Math.abs(chiSquareTail(0.5, 3) - 0.9188914116546758) < 1e-12, "scipy.stats.chi2.sf(0.5, 3)");
  t.end();
});

t.test("χ² test of counts", (t) => {
  const even = chiSquareTest([30, 30, 30]);
  t.match(even, { statistic: 0, degreesOfFreedom: 2, pValue: 1, reliable: true });
  const dice = chiSquareTest([5, 8, 9, 8, 10, 20]);
  t.equal(dice.statistic.toFixed(2), "13.40", "Wikipedia, Pearson's chi-squared test: a die thrown 60 times");
  t.ok(dice.pValue < 0.025 && dice.pValue > 0.01);
  t.equal(chiSquareTest([50, 25, 25], [2, 1, 1]).statistic, 0, "weighted shares");
  t.equal(chiSquareTest([4, 5, 4]).reliable, false, "too few for each cell");
  t.match(chiSquareTest([9]), { degreesOfFreedom: 0, pValue: 1 });
  t.match(chiSquareTest([0, 0]), { pValue: 1, reliable: false });
  t.end();
});

t.test("binomial: exact values and bands", (t) => {
  t.equal(binomial(2, 4, 0.5).toFixed(6), "0.375000");
  t.equal(binomial(0, 3, 1 / 3).toFixed(6), (8 / 27).toFixed(6));
  t.strictSame([binomial(5, 4, 0.5), binomial(0, 4, 0), binomial(4, 4, 1)], [0, 1, 1]);
  // scipy.stats.binom.ppf([tail, 1 - tail], draws, p)
  const rows: readonly (readonly [draws: number, p: number, confidence: number, low: number, high: number])[] = [
    [100, 0.5, 0.95, 40, 60],
    [20, 0.5, 0.95, 6, 14],
    [300, 1 / 3, 0.99, 79, 121],
    [3, 1 / 3, 0.99, 0, 3],
    [1_000_000, 0.01, 0.99, 9745, 10257],
    [0, 0.5, 0.99, 0, 0],
    [7, 1, 0.99, 7, 7],
  ];
  for (const [draws, p, confidence, low, high] of rows) t.strictSame(binomialBand(draws, p, confidence), { low, high }, `${draws} × ${p}`);
  t.end();
});

t.test("spread of random draws: k connections on n pods", (t) => {
  const rows: readonly (readonly [pods: number, draws: number, variation: string, unused: string])[] = [
    [3, 3, "0.816", "0.889"],
    [3, 10, "0.447", "0.052"],
    [3, 100, "0.141", "0.000"],
    [10, 10, "0.949", "3.487"],
    [10, 100, "0.300", "0.000"],
    [10, 1000, "0.095", "0.000"],
    [100, 100, "0.995", "36.603"],
  ];
  for (const [pods, draws, variation, unused] of rows) {
    t.strictSame([randomVariation(pods, draws).toFixed(3), randomUnused(pods, draws).toFixed(3)], [variation, unused], `${pods}, ${draws}`);
  }
  t.end();
});

t.test("spread of counts", (t) => {
  const rows: readonly (readonly [counts: readonly number[], variation: string, jain: string, max: string])[] = [
    [[10, 10, 10], "0.000", "1.000", "1.000"],
    [[30, 0, 0], "1.414", "0.333", "3.000"],
    [[2, 4, 4, 4, 5, 5, 7, 9], "0.400", "0.862", "1.800"],
    [[0, 0], "0.000", "1.000", "1.000"],
  ];
  for (const [counts, variation, jain, max] of rows) {
    const found = [coefficientOfVariation(counts), jainIndex(counts), maxOverMean(counts)].map((value) => value.toFixed(3));
    t.strictSame(found, [variation, jain, max], counts.join());
  }
  t.end();
});

t.test("latency percentiles: within 0.1 %", (t) => {
  const histogram = new LatencyHistogram();
  t.equal(histogram.summary(), undefined);
  for (let ms = 1; ms <= 1000; ms++) histogram.record(ms);
  const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) <= wanted * 0.001;
  const { p50 = 0, p95 = 0, p99 = 0, max = 0, mean = 0 } = histogram.summary() ?? {};
  t.ok(near(p50, 500) && near(p95, 950) && near(p99, 990) && near(max, 1000) && near(mean, 500.5), `${p50} ${p95} ${p99} ${max} ${mean}`);
  t.equal(histogram.count, 1000);
  histogram.record(0);
  histogram.record(1e12);
  t.equal(histogram.count, 1002, "what is out of range counts at its end");
  t.end();
});
