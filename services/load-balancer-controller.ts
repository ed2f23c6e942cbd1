// Gives each Service of type LoadBalancer an address of the cluster's pool, one for each of its families, and announces them in status.
// Upstream: cloud-provider controllers/service (with MetalLB or cloud-provider-kind as the provider).
import type { Clock } from "../model/clock.ts";
import { Cidr, ipFamily } from "../model/ip.ts";
import type { LoadBalancerIngress, Service } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey, splitKey } from "../model/object.ts";
import type { Component } from "../model/ports.ts";
import { Services } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createController, on } from "../store/controller.ts";
import { createEventRecorder } from "../store/event-recorder.ts";

export interface LoadBalancerControllerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Blocks that addresses come from, one per family; their first and last addresses are not used. */
  readonly pools: readonly string[];
}

const RETRY_FULL_MS = 30_000;

export function createLoadBalancerController({ store, clock, pools }: LoadBalancerControllerOptions): Component {
  const blocks = pools.map((pool) => new Cidr(pool));
  const recorder = createEventRecorder({ store, clock, component: "service-controller" });

  const holders = (except: ObjectKey): ReadonlySet<string> => {
    const held = new Set<string>();
    for (const service of store.list(Services)) {
      if (service.spec?.type !== "LoadBalancer" || keyOf(service) === except) continue;
      for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) held.add(ingress.ip);
    }
    return held;
  };
  /** One block per family of the Service, in its order. */
  const blocksOf = ({ spec }: Service): readonly Cidr[] => {
    const found = (spec?.ipFamilies ?? []).flatMap((family) => blocks.filter((block) => block.family === family));
    return found.length > 0 ? found : blocks.slice(0, 1);
  };
  const wantedIn = ({ spec }: Service, { family }: Cidr): string | undefined => {
    const wanted = spec?.loadBalancerIP || undefined;
    return blocks.length === 1 || ipFamily(wanted ?? "") === family ? wanted : undefined;
  };
  const choose = (block: Cidr, wanted: string | undefined, key: ObjectKey): string | undefined => {
    const held = holders(key);
    if (wanted) return block.contains(wanted) && !held.has(wanted) ? wanted : undefined;
    const count = Number(block.size) - 1;
    for (let i = 1; i < count; i++) if (!held.has(block.at(i))) return block.at(i);
    return undefined;
  };
  const announce = (service: Service, ingress: readonly LoadBalancerIngress[]): Promise<Service> => {
    const loadBalancer = ingress.length > 0 ? { ingress } : {};
    return store.update(Services, { ...service, status: { ...service.status, loadBalancer } }, { subresource: "status" });
  };

  const reconcile = async (key: ObjectKey): Promise<{ requeueAfterMs: number } | void> => {
    const { namespace, name } = splitKey(key);
    const service = store.get(Services, namespace, name);
    if (!service || service.metadata.deletionTimestamp !== undefined) return;
    const current = service.status?.loadBalancer?.ingress ?? [];
    if (service.spec?.type !== "LoadBalancer") {
      if (current.length > 0) await announce(service, []);
      return;
    }
    // A Service with a class is some other controller's.
    if (service.spec.loadBalancerClass !== undefined) return;
    const given = blocksOf(service).map((block) => {
      const wanted = wantedIn(service, block);
      const kept = current.find(({ ip }) => ip && block.contains(ip) && (!wanted || ip === wanted));
      return { block, wanted, kept };
    });
    const surplus = current.some(
      ({ ip }) => ip && blocks.some((block) => block.contains(ip)) && !given.some(({ kept }) => kept?.ip === ip),
    );
    if (!surplus && given.every(({ kept }) => kept)) return;
    recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer");
    const ingress: LoadBalancerIngress[] = [];
    for (const { block, wanted, kept } of given) {
      const ip = kept?.ip ?? choose(block, wanted, key);
      if (ip) ingress.push(kept ?? { ip, ipMode: "VIP" });
      else {
        const why = wanted ? `requested IP ${wanted} is not free in ${block}` : `no free IP in ${block}`;
        recorder.event(service, "Warning", "SyncLoadBalancerFailed", `Error syncing load balancer: failed to ensure load balancer: ${why}`);
        return { requeueAfterMs: RETRY_FULL_MS };
      }
    }
    await announce(service, ingress);
    recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer");
  };
  return createController({
    name: "service-lb-controller",
    store,
    clock,
    watches: [on(Services, (service) => [keyOf(service)])],
    reconcile,
  });
}
