// What every part of a cluster stands on: its name, time and chance, its addresses and nodes, and the store.
import { type Clock, realClock } from "../model/clock.ts";
import { createIds, type Ids } from "../model/ids.ts";
import { type Random, seededRandom } from "../model/random.ts";
import { type AddressPlan, claimClusterIndex, createAddressPlan } from "../netsim/index.ts";
import { createStore, type Store } from "../store/index.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type ClusterNode, nodesOf } from "./nodes.ts";
import type { ClusterOptions } from "./options.ts";

export const CLUSTER_DOMAIN = "cluster.local";
export const DEFAULT_NAME = "loopkube";

export interface Foundation {
  readonly name: string;
  readonly clock: Clock;
  readonly seed: string | number;
  readonly random: Random;
  readonly ids: Ids;
  /** How late nodes, DNS and ingress see the store. */
  readonly delayMs: number;
  readonly plan: AddressPlan;
  /** The first is the control plane. */
  readonly nodes: readonly ClusterNode[];
  readonly controlPlane: ClusterNode;
  readonly store: Store;
}

/** Claims an index of this machine and opens the store; both are given back when `life` stops. */
export async function createFoundation(options: ClusterOptions, life: Lifecycle): Promise<Foundation> {
  const name = options.name ?? DEFAULT_NAME;
  const clock = options.clock ?? realClock;
  const seed = options.seed ?? realClock.now() % 1_000_000;
  const random = seededRandom(seed);
  const ids = createIds(random.fork("ids"));
  const claim = await claimClusterIndex();
  life.onStop(() => claim.release());
  const plan = createPlan(options, claim.index);
  const nodes = nodesOf(name, options.nodes ?? 3, plan);
  const [controlPlane] = nodes;
  if (!controlPlane) throw new RangeError("a cluster has at least one node");
  const store = await createStore({ clock, ids });
  life.onStop(() => store.close());
  return { name, clock, seed, random, ids, delayMs: options.propagationDelayMs ?? 0, plan, nodes, controlPlane, store };
}

function createPlan(options: ClusterOptions, index: number): AddressPlan {
  const { ipFamilies } = options;
  const mappedOnly = process.platform === "darwin" || (ipFamilies?.length ?? 1) > 1;
  return createAddressPlan({
    kind: options.addressPlan ?? (mappedOnly ? "mapped" : "direct"),
    index,
    ...(ipFamilies && { ipFamilies }),
    ...(options.podCidr === undefined ? {} : { podCidr: options.podCidr }),
    ...(options.serviceCidr === undefined ? {} : { serviceCidr: options.serviceCidr }),
  });
}

/** Blocks of these names, of the first family and then of the second. */
export function blocksOf(plan: AddressPlan, ...names: readonly ("pods" | "services" | "nodes" | "loadBalancers")[]): readonly string[] {
  return [plan, plan.secondary].flatMap((family) => (family ? names.map((name) => String(family[name])) : []));
}
