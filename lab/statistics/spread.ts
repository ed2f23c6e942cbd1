// How even a set of counts is, and how even random draws would make it.

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Coefficient of variation: standard deviation (of the population) over the mean; 0 when all are equal or nothing was counted. */
export function coefficientOfVariation(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  if (!(mean > 0)) return 0;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length) / mean;
}

/** Jain's fairness index (Σx)²/(nΣx²): 1 when all are equal, 1/n when one has everything. */
export function jainIndex(values: readonly number[]): number {
  const squares = sum(values.map((value) => value * value));
  return squares > 0 ? sum(values) ** 2 / (values.length * squares) : 1;
}

/** Largest over mean. */
export function maxOverMean(values: readonly number[]): number {
  const total = sum(values);
  return total > 0 ? (Math.max(...values) * values.length) / total : 1;
}

/** √((n−1)/k): the coefficient of variation to expect of k random draws on n pods. */
export function randomVariation(pods: number, draws: number): number {
  return Math.sqrt((pods - 1) / draws);
}

/** n(1−1/n)^k: how many of n pods get none of k random draws, on average. */
export function randomUnused(pods: number, draws: number): number {
  return pods * (1 - 1 / pods) ** draws;
}
