// The ipvs schedulers by their ipvsadm names. The first of equals wins, as in the kernel; weight 0 is draining.
// Upstream: net/netfilter/ipvs/ip_vs_{rr,wrr,lc,wlc,sed,nq,sh,dh,lblc,mh}.c. Inactive connections (lc counts active × 256 + inactive)
// are not tracked here; dh and lblc key on what the caller hashes (upstream: the destination address).
import { type Balancer, type BalancerKind, eligible, loadBlind, type Target, weightOf } from "./balancer.ts";
import { InFlight } from "./in-flight.ts";
import { maglev } from "./maglev.ts";
import { roundRobin } from "./round-robin.ts";
import { hash32 } from "../model/random.ts";

/** The target of least cost; the first of equals. */
function cheapest<T extends Target>(targets: readonly T[], cost: (target: T) => number): T | undefined {
  let best: T | undefined;
  let least = Infinity;
  for (const target of eligible(targets)) {
    const value = cost(target);
    if (value < least) [best, least] = [target, value];
  }
  return best;
}

const byLoad = (name: string, summary: string, cost: (open: number, weight: number) => number): BalancerKind => ({
  name,
  summary,
  create() {
    const load = new InFlight();
    return {
      pick: (targets) => cheapest(targets, (target) => cost(load.of(target.id), weightOf(target))),
      opened: (id) => load.opened(id),
      closed: (id) => load.closed(id),
    };
  },
});

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Interleaved by weight levels: weights 4,3,2 give a a b a b c a b c. */
const wrr: BalancerKind = {
  name: "wrr",
  summary: "ipvs weighted round-robin",
  create() {
    let index = -1;
    let level = 0;
    return {
      ...loadBlind,
      pick(targets) {
        const open = eligible(targets);
        if (open.length === 0) return undefined;
        const highest = Math.max(...open.map(weightOf));
        const step = open.map(weightOf).reduce(gcd);
        for (;;) {
          index = (index + 1) % open.length;
          if (index === 0) level = level - step > 0 ? level - step : highest;
          const target = open[index];
          if (target && weightOf(target) >= level) return target;
        }
      },
    };
  },
};

/** A static table over the key: sh hashes the source, dh the destination. */
const hashed = (name: string, summary: string): BalancerKind => ({
  name,
  summary,
  create: () => ({
    ...loadBlind,
    pick(targets, { key }) {
      const target = targets[hash32(key) % targets.length];
      // A draining slot refuses upstream; here the flow goes to the next one that takes any.
      return target && weightOf(target) > 0 ? target : eligible(targets)[hash32(key) % Math.max(1, eligible(targets).length)];
    },
  }),
});

/** Locality: a key stays with its target until that is overloaded (twice its weight open while another has less than half). */
const lblc: BalancerKind = {
  name: "lblc",
  summary: "ipvs locality-based least connections",
  create(): Balancer {
    const load = new InFlight();
    const homes = new Map<string, string>();
    return {
      pick<T extends Target>(targets: readonly T[], { key }: { readonly key: string }): T | undefined {
        const home = eligible(targets).find((target) => target.id === homes.get(key));
        const overloaded =
          home !== undefined &&
          load.of(home.id) > weightOf(home) &&
          eligible(targets).some((target) => load.of(target.id) * 2 < weightOf(target));
        if (home && !overloaded) return home;
        const picked = cheapest(targets, (target) => load.of(target.id) / weightOf(target));
        if (picked) homes.set(key, picked.id);
        return picked;
      },
      opened: (id) => load.opened(id),
      closed: (id) => load.closed(id),
    };
  },
};

/** Never queue: an idle target first, else as sed. */
const nq = byLoad("nq", "ipvs never queue", (open, weight) => (open === 0 ? 0 : (open + 1) / weight));

export const ipvsSchedulers: readonly BalancerKind[] = [
  { ...roundRobin, name: "rr", summary: "ipvs round-robin" },
  wrr,
  byLoad("lc", "ipvs least connections", (open) => open),
  byLoad("wlc", "ipvs weighted least connections", (open, weight) => open / weight),
  byLoad("sed", "ipvs shortest expected delay", (open, weight) => (open + 1) / weight),
  nq,
  hashed("sh", "ipvs source hashing"),
  hashed("dh", "ipvs destination hashing"),
  lblc,
  { ...maglev, name: "mh", summary: "ipvs Maglev hashing" },
];
