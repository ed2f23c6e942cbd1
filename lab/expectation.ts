// What a Service's algorithm makes of k connections on n endpoints, and whether the counts look like it.
// Sources: k8s pkg/proxy/iptables (statistic mode random: 1/n each), Linux ip_vs schedulers.
import { assertNever } from "../model/errors.ts";
import type { BalanceAnswer } from "../model/ports.ts";
import { type Band, binomialBand, chiSquareTest, type ChiSquareTest, randomUnused, randomVariation } from "./statistics/index.ts";

/** How an algorithm spreads the connections of one client over equal endpoints that stay the same. */
export type Spread =
  /** Each is drawn by itself with chance 1/n. */
  | "random"
  /** In turn: counts differ by one at most. */
  | "even"
  /** All to one endpoint. */
  | "one"
  /** It depends on load or on time: any counts may be right. */
  | "any";

const SPREADS: Readonly<Record<string, Spread>> = {
  random: "random",
  "round-robin": "even",
  "smooth-weighted-round-robin": "even",
  round_robin: "even",
  rr: "even",
  wrr: "even",
  "ring-hash": "one",
  rendezvous: "one",
  maglev: "one",
  sh: "one",
  dh: "one",
  mh: "one",
};

/** Chance that the band of a pod holds its count when the algorithm works. */
export const CONFIDENCE = 0.99;
/** Below this p the counts do not look like the algorithm's. */
const SIGNIFICANCE = 0.01;

export interface Judgement {
  readonly spread: Spread;
  /** Connections that each endpoint should have; undefined where any number may be right. */
  readonly band: Band | undefined;
  /** For random choice over two endpoints or more. */
  readonly chiSquare: ChiSquareTest | undefined;
  /** "unknown": nothing can be said, `why` tells why. */
  readonly verdict: "as expected" | "not as expected" | "unknown";
  /** One or two sentences for people. */
  readonly why: string;
}

/** Session affinity makes one endpoint of any algorithm's choice. */
export function spreadOf({ algorithm, affinitySeconds, endpoints }: BalanceAnswer): Spread {
  if (affinitySeconds > 0 || endpoints.length === 1) return "one";
  return SPREADS[algorithm] ?? "any";
}

/** Judges the connections (or requests, as the choice says) that each endpoint got, in the order of the choice. */
export function judge(choice: BalanceAnswer, counts: readonly number[]): Judgement {
  const spread = spreadOf(choice);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const pods = counts.length;
  const unknown = (band: Band | undefined, why: string): Judgement => ({ spread, band, chiSquare: undefined, verdict: "unknown", why });
  if (total === 0) return unknown(undefined, `no ${choice.per ?? "connection"} reached an endpoint`);
  const used = counts.filter((count) => count > 0).length;
  switch (spread) {
    case "any":
      return unknown(undefined, `it looks at load or time, so no share is given beforehand`);
    case "one": {
      const how =
        choice.affinitySeconds > 0
          ? `ClientIP affinity keeps a client on one pod for ${choice.affinitySeconds} s`
          : pods === 1
            ? "there is one endpoint"
            : "one client is given one pod";
      return {
        spread,
        band: { low: 0, high: total },
        chiSquare: undefined,
        ...outcome(used === 1, `${how}; ${used} had ${choice.per ?? "connection"}s`),
      };
    }
    case "even": {
      const band = { low: Math.floor(total / pods), high: Math.ceil(total / pods) };
      const gap = Math.max(...counts) - Math.min(...counts);
      return {
        spread,
        band,
        chiSquare: undefined,
        ...outcome(gap <= 1, `pods take turns, so counts differ by 1 at most; they differ by ${gap}`),
      };
    }
    case "random":
      return judgeRandom(counts, total, pods, unknown);
    default:
      return assertNever(spread);
  }
}

function judgeRandom(counts: readonly number[], total: number, pods: number, unknown: (band: Band, why: string) => Judgement): Judgement {
  const band = binomialBand(total, 1 / pods, CONFIDENCE);
  if (total === 1) return unknown(band, "one connection is one draw: it stays on one pod, whatever it carries");
  const chiSquare = chiSquareTest(counts);
  const { statistic, degreesOfFreedom, pValue, reliable } = chiSquare;
  const variation = `${total} random connections on ${pods} pods vary by ±${(100 * randomVariation(pods, total)).toFixed(0)} % around the mean`;
  const unused = randomUnused(pods, total);
  const idle = unused >= 0.05 ? ` and leave ${unused.toFixed(1)} pods unused on average` : "";
  if (!reliable) return { ...unknown(band, `${variation}${idle}: too few for a χ² test (5 a pod)`), chiSquare };
  const freedom = `${degreesOfFreedom} degree${degreesOfFreedom === 1 ? "" : "s"} of freedom`;
  const figures = `χ² = ${statistic.toFixed(2)}, ${freedom}, p = ${pValue.toFixed(pValue < 0.001 ? 6 : 3)}`;
  return { spread: "random", band, chiSquare, ...outcome(pValue >= SIGNIFICANCE, `${figures}; ${variation}${idle}`) };
}

const outcome = (right: boolean, why: string): Pick<Judgement, "verdict" | "why"> => ({
  verdict: right ? "as expected" : "not as expected",
  why,
});
