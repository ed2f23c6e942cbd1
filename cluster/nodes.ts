// The cluster's nodes: names as kind gives them, addresses from the plan.
import type { AddressPlan } from "../netsim/index.ts";

export interface ClusterNode {
  readonly name: string;
  readonly ip: string;
  readonly podCIDR: string;
  readonly controlPlane: boolean;
}

/** <name>-control-plane, <name>-worker, <name>-worker2, … */
export function nodesOf(name: string, count: number, plan: AddressPlan): readonly ClusterNode[] {
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? `${name}-control-plane` : `${name}-worker${index === 1 ? "" : index}`,
    ip: plan.nodeIp(index),
    podCIDR: String(plan.podCidrOf(index)),
    controlPlane: index === 0,
  }));
}
