// The less costly of two random targets, cost = latency estimate × (open flows + 1). The estimate jumps up at once with a slow answer
// and decays towards faster ones with time constant `decayMs`. Upstream: Finagle's and Linkerd's peak EWMA.
import { type BalancerKind, eligible, type Target, weightOf } from "./balancer.ts";
import { InFlight } from "./in-flight.ts";

interface Estimate {
  readonly latencyMs: number;
  readonly atMs: number;
}

export const peakEwma: BalancerKind = {
  name: "peak-ewma",
  summary: "the less costly of two random targets, by recent latency and open flows",
  create({ random, decayMs = 10_000 }) {
    const load = new InFlight();
    const estimates = new Map<string, Estimate>();
    const decayed = (id: string, nowMs: number): number => {
      const estimate = estimates.get(id);
      return estimate ? estimate.latencyMs * Math.exp(-Math.max(0, nowMs - estimate.atMs) / decayMs) : 0;
    };
    return {
      pick<T extends Target>(targets: readonly T[], { nowMs }: { readonly nowMs: number }): T | undefined {
        const open = eligible(targets);
        const first = open[random.int(open.length)];
        if (!first || open.length === 1) return first;
        const rest = open.filter((target) => target !== first);
        const second = rest[random.int(rest.length)] ?? first;
        // A target never measured still counts its open flows.
        const cost = (target: T): number => ((decayed(target.id, nowMs) + 1e-3) * (load.of(target.id) + 1)) / weightOf(target);
        return cost(second) < cost(first) ? second : first;
      },
      opened: (id) => load.opened(id),
      closed(id, latencyMs, nowMs) {
        load.closed(id);
        const before = estimates.get(id);
        if (!before || latencyMs >= decayed(id, nowMs)) {
          estimates.set(id, { latencyMs, atMs: nowMs });
          return;
        }
        const keep = Math.exp(-Math.max(0, nowMs - before.atMs) / decayMs);
        estimates.set(id, { latencyMs: before.latencyMs * keep + latencyMs * (1 - keep), atMs: nowMs });
      },
    };
  },
};
