// Which peer of an upstream gets a request: the state of one controller pod, kept per upstream while its algorithm stays.
// Upstream: rootfs/etc/nginx/lua/balancer.lua; state is per worker there, and there is one worker here.
import { type Balancer, balancerKind, type PickContext } from "../../balancers/index.ts";
import { assertNever } from "../../model/errors.ts";
import type { Random } from "../../model/random.ts";
import { type Affinity, stickiness, stickyPeer } from "../annotations/affinity.ts";
import type { Settings } from "../annotations/index.ts";
import type { Exchange } from "./exchange.ts";
import type { Peer } from "../routes/upstreams.ts";
import { expand } from "./variables.ts";

interface State {
  readonly algorithm: string;
  readonly balancer: Balancer;
}

/** Why there is no further try. */
export const NO_PEER = "no peer is left that has not failed";

/** How an upstream's peer is chosen. */
export type Choice =
  | { readonly type: "round_robin" | "ewma" }
  /** `subsetSize`: the key leads to so many neighbours, and chance to one of them. */
  | { readonly type: "hash"; readonly expression: string; readonly subsetSize: number | undefined }
  | { readonly type: "cookie"; readonly affinity: Affinity };

export function choiceOf(upstream: string, settings: Settings, exchange: Exchange): Choice {
  const { defaultBackend, policies } = exchange.table;
  // Of --default-backend-service nobody says how.
  if (upstream === defaultBackend?.upstream) return { type: "round_robin" };
  const affinity = stickiness(exchange);
  const sticky = settings === exchange.location.settings || settings.affinity.canaryBehavior === "sticky";
  if (affinity && sticky) return { type: "cookie", affinity };
  const { upstreamHashBy, loadBalance } = policies.get(upstream) ?? settings;
  const { expression, subset, subsetSize } = upstreamHashBy;
  return expression === "" ? { type: loadBalance } : { type: "hash", expression, subsetSize: subset ? subsetSize : undefined };
}

export class Balance {
  readonly #random: Random;
  readonly #states = new Map<string, State>();

  constructor(random: Random) {
    this.#random = random;
  }
  /** Where the next try goes; `upstream` is the peers' name. Undefined: a sticky upstream has none that has not failed. */
  pick(upstream: string, peers: readonly Peer[], settings: Settings, exchange: Exchange, tried: ReadonlySet<string>): Peer | undefined {
    const choice = choiceOf(upstream, settings, exchange);
    if (choice.type === "cookie") return stickyPeer(choice.affinity, exchange, upstream, peers, tried);
    const key = choice.type === "hash" ? expand(exchange, choice.expression) : "";
    const context = { key, nowMs: exchange.world.clock.monotonic() };
    if (choice.type === "hash" && choice.subsetSize !== undefined) return this.#fromSubset(upstream, context, peers, choice.subsetSize);
    const algorithm = choice.type;
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
