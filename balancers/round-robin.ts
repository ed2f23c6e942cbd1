// Each target in turn: ipvs rr (kube-proxy's default there) and the old userspace proxy.
// The turn is remembered by target, so that adding or removing others does not skip or repeat anyone.
import { type BalancerKind, eligible, loadBlind } from "./balancer.ts";

export const roundRobin: BalancerKind = {
  name: "round-robin",
  summary: "each target in turn",
  create() {
    let position = -1;
    let last: string | undefined;
    return {
      ...loadBlind,
      pick(targets) {
        const open = eligible(targets);
        if (open.length === 0) return undefined;
        const moved = last !== undefined && open[position]?.id !== last;
        const at = moved ? open.findIndex((target) => target.id === last) : position;
        // The last one is gone: whoever slid into its place is next.
        position = moved && at < 0 ? position % open.length : (at + 1) % open.length;
        const picked = open[position];
        last = picked?.id;
        return picked;
      },
    };
  },
};
