// Rendezvous (highest random weight) hashing: every target scores the key, the best score wins. Removing a target moves its keys only.
// Thaler and Ravishankar 1998; weights by −weight / ln(score).
import { type BalancerKind, eligible, loadBlind, type PickContext, type Target, weightOf } from "./balancer.ts";
import { hash32 } from "../model/random.ts";

export const rendezvous: BalancerKind = {
  name: "rendezvous",
  summary: "the target whose hash with the key scores highest",
  create: () => ({
    ...loadBlind,
    pick<T extends Target>(targets: readonly T[], context: PickContext): T | undefined {
      let best: T | undefined;
      let bestScore = -Infinity;
      const seed = hash32(context.key);
      for (const target of eligible(targets)) {
        const unit = (hash32(target.id, seed) + 0.5) / 4294967296;
        const score = -weightOf(target) / Math.log(unit);
        if (score > bestScore || (score === bestScore && best !== undefined && target.id < best.id)) [best, bestScore] = [target, score];
      }
      return best;
    },
  }),
};
