// Pearson's χ² test: do these counts look like draws with these probabilities?
import { upperGamma } from "./gamma.ts";

export interface ChiSquareTest {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  /** Chance of a statistic at least as large when the hypothesis holds. */
  readonly pValue: number;
  /** Each cell expects at least five: below that the approximation is not to be trusted. */
  readonly reliable: boolean;
}

const LEAST_EXPECTED = 5;

/** P(X ≥ statistic) for a χ² variable. */
export function chiSquareTail(statistic: number, degreesOfFreedom: number): number {
  return upperGamma(degreesOfFreedom / 2, statistic / 2);
}

/** Tests counts against equal shares, or against `shares` (which are scaled to sum 1). Fewer than two cells, or no count: p is 1. */
export function chiSquareTest(counts: readonly number[], shares: readonly number[] = counts.map(() => 1)): ChiSquareTest {
  const total = sum(counts);
  const whole = sum(shares);
  const expected = shares.map((share) => (total * share) / whole);
  const degreesOfFreedom = Math.max(0, counts.length - 1);
  if (degreesOfFreedom === 0 || total === 0) return { statistic: 0, degreesOfFreedom, pValue: 1, reliable: false };
  const statistic = sum(counts.map((count, i) => (count - (expected[i] ?? 0)) ** 2 / (expected[i] ?? 0)));
  return {
    statistic,
    degreesOfFreedom,
    pValue: chiSquareTail(statistic, degreesOfFreedom),
    reliable: expected.every((each) => each >= LEAST_EXPECTED),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
