// Of two random targets the one whose average of past answers is lower by now. Averages decay with time constant `decayMs`, open flows do
// not count, and a target that joins others begins with their mean. Upstream: ingress-nginx rootfs/etc/nginx/lua/balancer/ewma.lua.
import { type BalancerKind, eligible, type Target } from "./balancer.ts";

interface Average {
  readonly latencyMs: number;
  readonly atMs: number;
}

export const ewma: BalancerKind = {
  name: "ewma",
  summary: "the quicker of two random targets, by the decaying average of past answers",
  create({ random, decayMs = 10_000 }) {
    const averages = new Map<string, Average>();
    let last: readonly Target[] = [];
    let known: ReadonlySet<string> = new Set();
    const kept = (atMs: number, nowMs: number): number => Math.exp(-Math.max(0, nowMs - atMs) / decayMs);
    const score = (id: string, nowMs: number): number => {
      const average = averages.get(id);
      return average ? average.latencyMs * kept(average.atMs, nowMs) : 0;
    };
    const follow = (targets: readonly Target[], nowMs: number): void => {
      if (targets === last) return;
      last = targets;
      const before = known;
      known = new Set(targets.map(({ id }) => id));
      for (const id of averages.keys()) if (!known.has(id)) averages.delete(id);
      if (averages.size === 0) return;
      const mean = [...averages.values()].reduce((sum, { latencyMs }) => sum + latencyMs, 0) / averages.size;
      for (const id of known) if (!before.has(id)) averages.set(id, { latencyMs: mean, atMs: nowMs });
    };
    return {
      pick<T extends Target>(targets: readonly T[], { nowMs }: { readonly nowMs: number }): T | undefined {
        follow(targets, nowMs);
        const open = eligible(targets);
        const at = random.int(open.length);
        const first = open[at];
        if (!first || open.length === 1) return first;
        const second = open[(at + 1 + random.int(open.length - 1)) % open.length] ?? first;
        return score(second.id, nowMs) < score(first.id, nowMs) ? second : first;
      },
      opened: () => undefined,
      closed(id, latencyMs, nowMs) {
        if (!known.has(id)) return;
        const before = averages.get(id);
        const keep = before ? kept(before.atMs, nowMs) : 0;
        averages.set(id, { latencyMs: (before?.latencyMs ?? 0) * keep + latencyMs * (1 - keep), atMs: nowMs });
      },
    };
  },
};
