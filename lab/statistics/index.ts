// Pure statistics of counts and durations.
export { type Band, binomial, binomialBand } from "./binomial.ts";
export { chiSquareTail, chiSquareTest, type ChiSquareTest } from "./chi-square.ts";
export { LatencyHistogram, type LatencySummary } from "./latency.ts";
export { coefficientOfVariation, jainIndex, maxOverMean, randomUnused, randomVariation } from "./spread.ts";
