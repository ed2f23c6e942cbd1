// The admission steps of Services and their endpoints, in the order they run.
import { Cidr } from "../model/ip.ts";
import type { Endpoints } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { EndpointSlices, EndpointsResource } from "../model/resources.ts";
import type { Admission } from "../store/contract.ts";
import { addressObjectValidation } from "./address-object-validation.ts";
import { type AllocationOptions, serviceAllocation } from "./service-allocation.ts";
import { serviceDefaults } from "./service-defaults.ts";
import { nonSpecialIp, serviceValidation } from "./service-validation.ts";

export interface ServiceAdmissionOptions extends AllocationOptions {
  /** The cluster's own blocks (pods, Services, nodes, load balancers): exempt from the refusal of loopback addresses. */
  readonly clusterBlocks?: readonly string[];
}

/** Defaulting, allocation and validation of Services; address checks of hand-made Endpoints and EndpointSlices. */
export function serviceAdmission(options: ServiceAdmissionOptions): Admission[] {
  const cidrs = options.serviceCIDRs.map((block) => new Cidr(block));
  const blocks = [...cidrs, ...(options.clusterBlocks ?? []).map((block) => new Cidr(block))];
  return [
    serviceDefaults,
    serviceAllocation(options),
    serviceValidation(blocks),
    endpointAddresses(blocks),
    addressObjectValidation(cidrs),
  ];
}

function endpointAddresses(blocks: readonly Cidr[]): Admission {
  return {
    name: "EndpointAddresses",
    types: [EndpointsResource, EndpointSlices],
    operations: ["CREATE", "UPDATE"],
    admit({ type, object }, tx) {
      const check = (field: string, ip: string): void => nonSpecialIp((error) => tx.reject(error), field, ip, blocks);
      if (type === EndpointSlices) {
        const slice = object as unknown as EndpointSlice;
        if (slice.addressType === "FQDN") return;
        (slice.endpoints ?? []).forEach((endpoint, i) =>
          endpoint.addresses.forEach((ip, j) => check(`endpoints[${i}].addresses[${j}]`, ip)),
        );
        return;
      }
      ((object as unknown as Endpoints).subsets ?? []).forEach((subset, i) => {
        (subset.addresses ?? []).forEach((address, j) => check(`subsets[${i}].addresses[${j}].ip`, address.ip));
        (subset.notReadyAddresses ?? []).forEach((address, j) => check(`subsets[${i}].notReadyAddresses[${j}].ip`, address.ip));
      });
    },
  };
}
