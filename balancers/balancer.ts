// The interface of a balancing algorithm: given the targets of now, which one gets the next flow.
// Upstream counterparts: ipvs schedulers, nginx upstream methods, Envoy load balancing policies.
import type { Random } from "../model/random.ts";

/** Something that can be picked. `id` is stable over time; weight defaults to 1, and 0 means draining: never picked. */
export interface Target {
  readonly id: string;
  readonly weight?: number;
}

/** What is known of the flow to place. */
export interface PickContext {
  /** What hashing algorithms hash: usually the client's address. */
  readonly key: string;
  /** Clock milliseconds, for algorithms with memory of time. */
  readonly nowMs: number;
}

/**
 * One balancer's state for one set of targets that may change between picks. `pick` gives undefined only when no target has a weight.
 * Callers that know when flows begin and end tell it through `opened` and `closed`; algorithms that do not look at load ignore them.
 */
export interface Balancer {
  pick<T extends Target>(targets: readonly T[], context: PickContext): T | undefined;
  opened(id: string): void;
  /** `latencyMs` is the flow's (or request's) duration. */
  closed(id: string, latencyMs: number, nowMs: number): void;
}

export interface BalancerOptions {
  readonly random: Random;
  /** Power of choices: how many are sampled. Default 2. */
  readonly choices?: number;
  /** Power of choices: the same target may be drawn twice. Default false. */
  readonly replacement?: boolean;
  /** Peak EWMA: time constant. Default 10 s. */
  readonly decayMs?: number;
  /** Ring hash: points per unit of weight. Default 100. */
  readonly points?: number;
  /** Bounded loads: a target takes at most ⌈factor × mean⌉ flows. Default 1.25. */
  readonly loadFactor?: number;
  /** Maglev: prime table size. Default 65537. */
  readonly tableSize?: number;
}

/** An algorithm by its name, as `--scheduler`, the annotation `loopkube.dev/balancer` and the lab spell it. */
export interface BalancerKind {
  readonly name: string;
  readonly summary: string;
  create(options: BalancerOptions): Balancer;
}

/** Weight with its default. */
export function weightOf(target: Target): number {
  return target.weight ?? 1;
}

/** Targets that are not draining; the same array when none is. */
export function eligible<T extends Target>(targets: readonly T[]): readonly T[] {
  return targets.every((target) => weightOf(target) > 0) ? targets : targets.filter((target) => weightOf(target) > 0);
}

/** `opened` and `closed` for algorithms that ignore load. */
export const loadBlind = { opened: (): void => undefined, closed: (): void => undefined };
