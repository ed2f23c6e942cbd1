// An IPAddress object for every ClusterIP that a Service holds, named by the address; taken away with the ClusterIP.
// Upstream: pkg/registry/core/service/ipallocator/ipallocator.go (inside the create) with the repair controller; here one loop does both,
// so the object follows its Service by a moment. IPAddresses that people make reserve their address (service-allocation.ts).
import type { Clock } from "../model/clock.ts";
import { canonicalIp, ipFamily } from "../model/ip.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { IPAddress } from "../model/kinds/networking-v1.ts";
import type { Component } from "../model/ports.ts";
import { IPAddresses, Services } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createController, on } from "../store/controller.ts";
import { heldClusterIPs } from "./service-fields.ts";

/** Label of IPAddresses, and its value on those that this cluster keeps. */
export const IP_ADDRESS_MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
export const IP_ALLOCATOR = "ipallocator.k8s.io";
const FAMILY = "ipaddress.kubernetes.io/ip-family";

export function createIpAddressController({ store, clock }: { readonly store: Store; readonly clock: Clock }): Component {
  const holders = new Map<string, { readonly namespace: string; readonly name: string }>();
  const ipsOf = (service: Service): readonly string[] => heldClusterIPs(service).map((ip) => canonicalIp(ip) ?? ip);

  const reconcile = async (ip: string): Promise<void> => {
    const holder = holders.get(ip);
    const service = holder && store.get(Services, holder.namespace, holder.name);
    const held = service && ipsOf(service).includes(ip) ? holder : undefined;
    const object = store.get(IPAddresses, "", ip);
    if (!held) {
      holders.delete(ip);
      if (object?.metadata.labels?.[IP_ADDRESS_MANAGED_BY] === IP_ALLOCATOR) await store.delete(IPAddresses, "", ip);
      return;
    }
    if (isFor(object, held)) return;
    if (object) await store.delete(IPAddresses, "", ip);
    await store.create(IPAddresses, ipAddress(ip, held));
  };
  return createController({
    name: "ip-address-controller",
    store,
    clock,
    watches: [
      on(Services, (service) => {
        const { namespace = "", name } = service.metadata;
        const current = store.get(Services, namespace, name);
        if (current) for (const ip of ipsOf(current)) holders.set(ip, { namespace, name });
        return ipsOf(service);
      }),
      on(IPAddresses, (object) => [object.metadata.name]),
    ],
    reconcile,
  });
}

function isFor(object: IPAddress | undefined, { namespace, name }: { readonly namespace: string; readonly name: string }): boolean {
  const parent = object?.spec.parentRef;
  return parent?.resource === "services" && parent.namespace === namespace && parent.name === name;
}

function ipAddress(ip: string, { namespace, name }: { readonly namespace: string; readonly name: string }): IPAddress {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "IPAddress",
    metadata: { name: ip, labels: { [FAMILY]: ipFamily(ip) ?? "IPv4", [IP_ADDRESS_MANAGED_BY]: IP_ALLOCATOR } },
    spec: { parentRef: { group: "", resource: "services", namespace, name } },
  };
}
