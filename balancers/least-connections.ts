// The target with the fewest open flows per weight; ties are broken at random, so that equal targets share evenly.
// Upstream: nginx least_conn, HAProxy leastconn. The ipvs variants (first of equals wins) are in ipvs.ts.
import { type BalancerKind, eligible, type Target, weightOf } from "./balancer.ts";
import { InFlight } from "./in-flight.ts";

export const leastConnections: BalancerKind = {
  name: "least-connections",
  summary: "the target with the fewest open flows per weight",
  create(options) {
    const load = new InFlight();
    return {
      pick<T extends Target>(targets: readonly T[]): T | undefined {
        let best: T[] = [];
        let least = Infinity;
        for (const target of eligible(targets)) {
          const cost = load.of(target.id) / weightOf(target);
          if (cost < least) [best, least] = [[target], cost];
          else if (cost === least) best.push(target);
        }
        return best.length > 1 ? best[options.random.int(best.length)] : best[0];
      },
      opened: (id) => load.opened(id),
      closed: (id) => load.closed(id),
    };
  },
};
