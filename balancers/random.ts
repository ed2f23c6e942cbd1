// Uniform random choice per flow: kube-proxy's iptables and nftables modes.
// Upstream: `-m statistic --mode random`, `numgen random mod N`. Weights other than 0 are ignored, as there.
import { type BalancerKind, eligible, loadBlind } from "./balancer.ts";

export const random: BalancerKind = {
  name: "random",
  summary: "each flow to a uniformly random target",
  create: (options) => ({
    ...loadBlind,
    pick(targets) {
      const open = eligible(targets);
      return open[options.random.int(open.length)];
    },
  }),
};
