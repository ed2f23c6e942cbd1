// Balancing algorithms: pure, seedable, one file each. Adding one is one file and one line in `balancerKinds`.
import type { BalancerKind } from "./balancer.ts";
import { ewma } from "./ewma.ts";
import { ipvsSchedulers } from "./ipvs.ts";
import { leastConnections } from "./least-connections.ts";
import { maglev } from "./maglev.ts";
import { peakEwma } from "./peak-ewma.ts";
import { powerOfTwo, powerOfTwoWithReplacement } from "./power-of-choices.ts";
import { random } from "./random.ts";
import { rendezvous } from "./rendezvous.ts";
import { boundedRingHash, ringHash } from "./ring-hash.ts";
import { roundRobin } from "./round-robin.ts";
import { smoothWeightedRoundRobin } from "./smooth-weighted-round-robin.ts";

export { type Balancer, type BalancerKind, type BalancerOptions, type PickContext, type Target, eligible, weightOf } from "./balancer.ts";
export { ipvsSchedulers } from "./ipvs.ts";
export { maglevTable } from "./maglev.ts";

/** Every algorithm, in the order that help texts list them. */
export const balancerKinds: readonly BalancerKind[] = [
  random,
  roundRobin,
  smoothWeightedRoundRobin,
  leastConnections,
  powerOfTwo,
  powerOfTwoWithReplacement,
  peakEwma,
  ewma,
  ringHash,
  boundedRingHash,
  rendezvous,
  maglev,
  ...ipvsSchedulers,
];

/** The algorithm of this name, if there is one. */
export function balancerKind(name: string): BalancerKind | undefined {
  return balancerKinds.find((kind) => kind.name === name);
}
