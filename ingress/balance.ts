// Which peer of an upstream gets a request: the state of one controller pod, kept per upstream while its algorithm stays.
// Upstream: rootfs/etc/nginx/lua/balancer.lua; state is per worker there, and there is one worker here.
import { type Balancer, balancerKind, type PickContext } from "../balancers/index.ts";
import { assertNever } from "../model/errors.ts";
import type { Random } from "../model/random.ts";
import { stickiness, stickyPeer } from "./annotations/affinity.ts";
import type { Settings } from "./annotations/index.ts";
import type { Exchange } from "./exchange.ts";
import type { Peer } from "./upstreams.ts";
import { expand } from "./variables.ts";

interface State {
  readonly algorithm: string;
  readonly balancer: Balancer;
}

/** Why there is no further try. */
export const NO_PEER = "no peer is left that has not failed";

export class Balance {
  readonly #random: Random;
  readonly #states = new Map<string, State>();

  constructor(random: Random) {
    this.#random = random;
  }
  /** Where the next try goes; `upstream` is the peers' name. Undefined: a sticky upstream has none that has not failed. */
  pick(upstream: string, peers: readonly Peer[], settings: Settings, exchange: Exchange, tried: ReadonlySet<string>): Peer | undefined {
    // Of --default-backend-service nobody says how.
    if (upstream === exchange.table.defaultBackend?.upstream)
      return this.#balancer(upstream, "round_robin").pick(peers, { key: "", nowMs: 0 });
    const affinity = stickiness(exchange);
    const sticky = settings === exchange.location.settings || settings.affinity.canaryBehavior === "sticky";
    if (affinity && sticky) return stickyPeer(affinity, exchange, upstream, peers, tried);
    const { upstreamHashBy, loadBalance } = exchange.table.policies.get(upstream) ?? settings;
    const { expression: hashBy, subset, subsetSize } = upstreamHashBy;
    const key = hashBy === "" ? "" : expand(exchange, hashBy);
    const context = { key, nowMs: exchange.world.clock.monotonic() };
    if (hashBy !== "" && subset) return this.#fromSubset(upstream, context, peers, subsetSize);
    const algorithm = hashBy === "" ? loadBalance : "hash";
    const balancer = this.#balancer(upstream, algorithm);
    // Only ewma asks who has failed: the others take their turn, or lead to the same peer again.
    if (algorithm !== "ewma" || tried.size === 0) return balancer.pick(peers, context);
    const left = peers.map((peer) => (tried.has(peer.id) ? { ...peer, weight: 0 } : peer));
    return balancer.pick(left, context) ?? balancer.pick(peers, context);
  }
  /** The last try of a request is over. */
  closed(upstream: string, peer: Peer, latencyMs: number, nowMs: number): void {
    this.#states.get(upstream)?.balancer.closed(peer.id, latencyMs, nowMs);
  }
  /** The key chooses a subset of neighbours, chance one of them; the last subset is filled up with the first peers. */
  #fromSubset(upstream: string, context: PickContext, peers: readonly Peer[], size: number): Peer | undefined {
    const sets = Array.from({ length: Math.ceil(peers.length / size) }, (_, i) => ({ id: `set${i + 1}`, start: i * size }));
    const { start = 0 } = this.#balancer(upstream, "hash").pick(sets, context) ?? {};
    return peers[(start + this.#random.int(size)) % peers.length];
  }
  #balancer(upstream: string, algorithm: "round_robin" | "ewma" | "hash"): Balancer {
    const state = this.#states.get(upstream);
    if (state?.algorithm === algorithm) return state.balancer;
    const kind = balancerKind(kindOf(algorithm));
    if (!kind) throw new Error(`no balancer ${algorithm}`);
    const balancer = kind.create({ random: this.#random.fork(upstream), decayMs: 10_000 });
    this.#states.set(upstream, { algorithm, balancer });
    return balancer;
  }
}

function kindOf(algorithm: "round_robin" | "ewma" | "hash"): string {
  switch (algorithm) {
    case "round_robin":
      return "round-robin";
    case "ewma":
      return "ewma";
    case "hash":
      return "ring-hash";
    default:
      return assertNever(algorithm);
  }
}
