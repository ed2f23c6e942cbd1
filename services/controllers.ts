// The controllers of Services, as one component.
import type { Clock } from "../model/clock.ts";
import type { Component } from "../model/ports.ts";
import type { Store } from "../store/contract.ts";
import { createEndpointSliceController } from "./endpoint-slice-controller.ts";
import { createEndpointsController } from "./endpoints-controller.ts";
import { createIpAddressController } from "./ip-address-controller.ts";
import { createLoadBalancerController } from "./load-balancer-controller.ts";
import { createMirroringController } from "./mirroring-controller.ts";
import { createServiceCidrController } from "./service-cidr-controller.ts";

export interface ServiceControllersOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Blocks of load balancer addresses, one per family; without them none are given, as in a cluster without a provider. */
  readonly loadBalancerPools?: readonly string[];
  /** The cluster's ClusterIP blocks: with them, ServiceCIDR and IPAddress objects are kept. */
  readonly serviceCIDRs?: readonly string[];
  /** Default 100. */
  readonly maxEndpointsPerSlice?: number;
}

export function createServiceControllers(options: ServiceControllersOptions): Component {
  const { store, clock, loadBalancerPools, serviceCIDRs, maxEndpointsPerSlice } = options;
  const parts = [
    createEndpointSliceController({ store, clock, ...(maxEndpointsPerSlice === undefined ? {} : { maxEndpointsPerSlice }) }),
    createEndpointsController({ store, clock }),
    createMirroringController({ store, clock }),
    ...(serviceCIDRs === undefined
      ? []
      : [createServiceCidrController({ store, clock, serviceCIDRs }), createIpAddressController({ store, clock })]),
    ...(loadBalancerPools === undefined ? [] : [createLoadBalancerController({ store, clock, pools: loadBalancerPools })]),
  ];
  const stop = async (): Promise<void> => void (await Promise.all(parts.map((part) => part.stop())));
  return {
    start: async () => void (await Promise.all(parts.map((part) => part.start()))),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
