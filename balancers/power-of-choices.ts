// Samples d targets and takes the less loaded one: nearly the balance of least-connections at the cost of d looks.
// Azar et al. 1994, Mitzenmacher 1996; nginx `random two`, HAProxy `random(2)`, Envoy LEAST_REQUEST. Ties go to the first drawn.
import { type BalancerKind, type BalancerOptions, eligible, type Target, weightOf } from "./balancer.ts";
import { InFlight } from "./in-flight.ts";
import type { Random } from "../model/random.ts";

/** Indexes of `count` draws out of `size`; distinct unless `replacement`. */
function draw(random: Random, size: number, count: number, replacement: boolean): readonly number[] {
  if (replacement) return Array.from({ length: count }, () => random.int(size));
  const drawn: number[] = [];
  while (drawn.length < Math.min(count, size)) {
    let index = random.int(size - drawn.length);
    for (const earlier of [...drawn].sort((a, b) => a - b)) if (index >= earlier) index++;
    drawn.push(index);
  }
  return drawn;
}

const create = (options: BalancerOptions) => {
  const load = new InFlight();
  const { random, choices = 2, replacement = false } = options;
  return {
    pick<T extends Target>(targets: readonly T[]): T | undefined {
      const open = eligible(targets);
      if (open.length === 0) return undefined;
      let best: T | undefined;
      let least = Infinity;
      for (const index of draw(random, open.length, choices, replacement)) {
        const target = open[index];
        if (!target) continue;
        const cost = load.of(target.id) / weightOf(target);
        if (cost < least) [best, least] = [target, cost];
      }
      return best;
    },
    opened: (id: string) => load.opened(id),
    closed: (id: string) => load.closed(id),
  };
};

export const powerOfTwo: BalancerKind = {
  name: "power-of-two",
  summary: "the less loaded of two (or `choices`) distinct random targets",
  create,
};

export const powerOfTwoWithReplacement: BalancerKind = {
  name: "power-of-two-with-replacement",
  summary: "the less loaded of two random draws, which may be the same target",
  create: (options) => create({ ...options, replacement: true }),
};
