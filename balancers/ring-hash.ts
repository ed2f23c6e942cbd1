// Consistent hashing on a ring (Karger 1997; ketama, Envoy RING_HASH), and its variant with bounded loads
// (Mirrokni, Thorup, Zadimoghaddam 2016; HAProxy hash-balance-factor): a full target passes the flow on clockwise.
import { type Balancer, type BalancerKind, type BalancerOptions, eligible, loadBlind, type Target, weightOf } from "./balancer.ts";
import { InFlight } from "./in-flight.ts";
import { hash32 } from "../model/random.ts";

interface Ring {
  readonly points: Uint32Array;
  /** Target index of each point. */
  readonly owners: Uint32Array;
}

function buildRing(targets: readonly Target[], pointsPerWeight: number): Ring {
  const pairs: { readonly point: number; readonly owner: number; readonly id: string }[] = [];
  targets.forEach((target, owner) => {
    const count = Math.max(1, Math.round(pointsPerWeight * weightOf(target)));
    for (let i = 0; i < count; i++) pairs.push({ point: hash32(`${target.id}#${i}`), owner, id: target.id });
  });
  pairs.sort((a, b) => a.point - b.point || (a.id < b.id ? -1 : 1));
  return { points: Uint32Array.from(pairs, (pair) => pair.point), owners: Uint32Array.from(pairs, (pair) => pair.owner) };
}

/** Index of the first point at or after `hash`, wrapping. */
function firstPoint(ring: Ring, hash: number): number {
  let low = 0;
  let high = ring.points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ring.points[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return low % ring.points.length;
}

/** Remembers the ring of the last list of targets. */
function ringOf(pointsPerWeight: number): (targets: readonly Target[]) => Ring {
  let last: readonly Target[] = [];
  let signature = "";
  let ring = buildRing([], pointsPerWeight);
  return (targets) => {
    if (targets === last) return ring;
    const now = targets.map((target) => `${target.id}*${weightOf(target)}`).join();
    if (now !== signature) ring = buildRing(targets, pointsPerWeight);
    [last, signature] = [targets, now];
    return ring;
  };
}

export const ringHash: BalancerKind = {
  name: "ring-hash",
  summary: "consistent hashing of the key on a ring",
  create({ points = 100 }: BalancerOptions): Balancer {
    const ringFor = ringOf(points);
    return {
      ...loadBlind,
      pick(targets, { key }) {
        const open = eligible(targets);
        if (open.length === 0) return undefined;
        const ring = ringFor(open);
        return open[ring.owners[firstPoint(ring, hash32(key))] ?? 0];
      },
    };
  },
};

export const boundedRingHash: BalancerKind = {
  name: "ring-hash-bounded",
  summary: "consistent hashing in which no target exceeds ⌈loadFactor × mean⌉ open flows",
  create({ points = 100, loadFactor = 1.25 }: BalancerOptions): Balancer {
    const ringFor = ringOf(points);
    const load = new InFlight();
    return {
      pick(targets, { key }) {
        const open = eligible(targets);
        if (open.length === 0) return undefined;
        const ring = ringFor(open);
        const totalWeight = open.reduce((sum, target) => sum + weightOf(target), 0);
        const total = open.reduce((sum, target) => sum + load.of(target.id), 0) + 1;
        const start = firstPoint(ring, hash32(key));
        for (let step = 0; step < ring.owners.length; step++) {
          const target = open[ring.owners[(start + step) % ring.owners.length] ?? 0];
          if (!target) continue;
          const cap = Math.ceil((loadFactor * total * weightOf(target)) / totalWeight);
          if (load.of(target.id) < cap) return target;
        }
        return open[0];
      },
      opened: (id) => load.opened(id),
      closed: (id) => load.closed(id),
    };
  },
};
