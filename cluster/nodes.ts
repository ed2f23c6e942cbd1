// The cluster's nodes: names as kind gives them, addresses from the plan.
import type { AddressPlan } from "../netsim/index.ts";

export interface ClusterNode {
  readonly name: string;
  readonly ip: string;
  /** Its address of each family, in a dual-stack cluster. */
  readonly ips?: readonly string[];
  readonly podCIDR: string;
  /** Its pod block of each family, in a dual-stack cluster. */
  readonly podCIDRs?: readonly string[];
  readonly controlPlane: boolean;
}

/** <name>-control-plane, <name>-worker, <name>-worker2, … */
export function nodesOf(name: string, count: number, plan: AddressPlan): readonly ClusterNode[] {
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? `${name}-control-plane` : `${name}-worker${index === 1 ? "" : index}`,
    ip: plan.nodeIp(index),
    podCIDR: String(plan.podCidrOf(index)),
    ...(plan.secondary && {
      ips: [plan.nodeIp(index), plan.secondary.nodeIp(index)],
      podCIDRs: [plan.podCidrOf(index), plan.secondary.podCidrOf(index)].map(String),
    }),
    controlPlane: index === 0,
  }));
}
