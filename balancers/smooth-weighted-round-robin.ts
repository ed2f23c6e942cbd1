// Weighted round-robin that interleaves: weights 5,1,1 give a a b a c a a, not a a a a a b c.
// Upstream: nginx commit 52327e0. Each pick adds every weight to its current value, takes the largest, and subtracts the total from it.
import { type BalancerKind, eligible, loadBlind, weightOf } from "./balancer.ts";

export const smoothWeightedRoundRobin: BalancerKind = {
  name: "smooth-weighted-round-robin",
  summary: "targets in turn by weight, evenly interleaved",
  create() {
    let current = new Map<string, number>();
    return {
      ...loadBlind,
      pick(targets) {
        const open = eligible(targets);
        const next = new Map<string, number>();
        let total = 0;
        let best: (typeof open)[number] | undefined;
        let bestValue = -Infinity;
        for (const target of open) {
          const value = (current.get(target.id) ?? 0) + weightOf(target);
          total += weightOf(target);
          next.set(target.id, value);
          if (value > bestValue) [best, bestValue] = [target, value];
        }
        if (best) next.set(best.id, bestValue - total);
        current = next;
        return best;
      },
    };
  },
};
