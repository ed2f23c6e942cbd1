// The ServiceCIDR objects: `kubernetes` with the cluster's own blocks, made at start and made again when deleted; Ready conditions; and
// deletion held back while an IPAddress lies in no other ServiceCIDR. Upstream: pkg/controller/servicecidrs, pkg/controlplane defaultservicecidr.
import { type Clock, timestamp } from "../model/clock.ts";
import { Cidr } from "../model/ip.ts";
import type { ServiceCIDR } from "../model/kinds/networking-v1.ts";
import type { Component } from "../model/ports.ts";
import { IPAddresses, ServiceCIDRs } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createController, on } from "../store/controller.ts";

/** Holds a ServiceCIDR while addresses in it are in use. */
export const SERVICE_CIDR_FINALIZER = "networking.k8s.io/service-cidr-finalizer";
const DEFAULT_NAME = "kubernetes";

export interface ServiceCidrControllerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** The cluster's own blocks. */
  readonly serviceCIDRs: readonly string[];
}

export function createServiceCidrController({ store, clock, serviceCIDRs }: ServiceCidrControllerOptions): Component {
  const blocksOf = ({ spec }: ServiceCIDR): readonly Cidr[] => (spec.cidrs ?? []).map((text) => new Cidr(text));
  const inUseOnlyBy = (object: ServiceCIDR): boolean => {
    const mine = blocksOf(object);
    const others = store
      .list(ServiceCIDRs)
      .filter(({ metadata }) => metadata.name !== object.metadata.name && metadata.deletionTimestamp === undefined)
      .flatMap(blocksOf);
    const within = (blocks: readonly Cidr[], ip: string): boolean => blocks.some((block) => block.contains(ip));
    return store.list(IPAddresses).some(({ metadata }) => within(mine, metadata.name) && !within(others, metadata.name));
  };
  const setReady = async (object: ServiceCIDR, status: "True" | "False", reason: string, message: string): Promise<void> => {
    const current = object.status?.conditions?.find((condition) => condition.type === "Ready");
    if (current?.status === status && current.reason === reason) return;
    const condition = { type: "Ready", status, reason, message, lastTransitionTime: timestamp(clock) };
    await store.update(ServiceCIDRs, { ...object, status: { conditions: [condition] } }, { subresource: "status" });
  };
  const create = (): Promise<ServiceCIDR> =>
    store.create(ServiceCIDRs, {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: { name: DEFAULT_NAME, finalizers: [SERVICE_CIDR_FINALIZER] },
      spec: { cidrs: serviceCIDRs },
    });

  const reconcile = async (name: string): Promise<void> => {
    const object = store.get(ServiceCIDRs, "", name) ?? (name === DEFAULT_NAME && serviceCIDRs.length > 0 ? await create() : undefined);
    if (!object) return;
    const finalizers = object.metadata.finalizers ?? [];
    const held = finalizers.includes(SERVICE_CIDR_FINALIZER);
    if (object.metadata.deletionTimestamp === undefined) {
      if (!held) {
        await store.mutate(ServiceCIDRs, "", name, (draft) => void (draft.metadata.finalizers = [...finalizers, SERVICE_CIDR_FINALIZER]));
        return;
      }
      return setReady(object, "True", "", "Kubernetes Service CIDR is ready");
    }
    if (!held) return;
    if (inUseOnlyBy(object)) {
      const message = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
      return setReady(object, "False", "Terminating", message);
    }
    await store.mutate(
      ServiceCIDRs,
      "",
      name,
      (draft) => void (draft.metadata.finalizers = finalizers.filter((finalizer) => finalizer !== SERVICE_CIDR_FINALIZER)),
    );
  };
  const controller = createController({
    name: "service-cidr-controller",
    store,
    clock,
    watches: [
      on(ServiceCIDRs, () =>
        store
          .list(ServiceCIDRs)
          .map(({ metadata }) => metadata.name)
          .concat(DEFAULT_NAME),
      ),
      on(IPAddresses, () =>
        store
          .list(ServiceCIDRs)
          .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
          .map(({ metadata }) => metadata.name),
      ),
    ],
    reconcile,
  });
  return {
    async start() {
      if (serviceCIDRs.length > 0 && !store.get(ServiceCIDRs, "", DEFAULT_NAME)) await create();
      await controller.start();
    },
    stop: () => controller.stop(),
    [Symbol.asyncDispose]: () => controller.stop(),
  };
}
