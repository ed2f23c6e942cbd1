// How often one pod is drawn in k independent draws: exact binomial probabilities, and the band that holds most of them.
import { logGamma } from "./gamma.ts";

/** Inclusive. */
export interface Band {
  readonly low: number;
  readonly high: number;
}

/** P(X = hits) of `draws` draws that each hit with probability `p`. */
export function binomial(hits: number, draws: number, p: number): number {
  if (hits < 0 || hits > draws) return 0;
  if (p <= 0) return hits === 0 ? 1 : 0;
  if (p >= 1) return hits === draws ? 1 : 0;
  const ways = logGamma(draws + 1) - logGamma(hits + 1) - logGamma(draws - hits + 1);
  return Math.exp(ways + hits * Math.log(p) + (draws - hits) * Math.log1p(-p));
}

/** The narrowest band with at most (1 − confidence)/2 of the probability below it and as much above. */
export function binomialBand(draws: number, p: number, confidence: number): Band {
  const tail = (1 - confidence) / 2;
  return { low: lowest(draws, p, tail), high: draws - lowest(draws, 1 - p, tail) };
}

/** The least hits whose strictly lower values have at most `tail` probability. */
function lowest(draws: number, p: number, tail: number): number {
  const farBelow = Math.floor(draws * p - 12 * Math.sqrt(draws * p * (1 - p)) - 1);
  let below = 0;
  for (let hits = Math.max(0, farBelow); hits <= draws; hits++) {
    below += binomial(hits, draws, p);
    if (below > tail) return hits;
  }
  return draws;
}
