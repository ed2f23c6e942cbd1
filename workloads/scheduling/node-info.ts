// What the scheduler knows of a node while it places pods: the node, the pods on it, and what they request.
// Upstream: pkg/scheduler/framework/types.go NodeInfo.
import type { Node, Pod, PodSpec } from "../../model/kinds/core-v1.ts";
import { quantityValue } from "./quantity.ts";

export class NodeInfo {
  readonly node: Node;
  readonly pods: Pod[] = [];
  /** Those of them that keep others away. */
  readonly exclusive: Pod[] = [];
  readonly #requested = new Map<string, number>();

  constructor(node: Node) {
    this.node = node;
  }
  add(pod: Pod): void {
    this.pods.push(pod);
    if (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution) this.exclusive.push(pod);
    for (const [resource, amount] of podRequests(pod.spec)) this.#requested.set(resource, (this.#requested.get(resource) ?? 0) + amount);
  }
  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
  }
  allocatable(resource: string): number {
    return quantityValue(this.node.status?.allocatable?.[resource]);
  }
}

/** What a pod requests: the sum of its containers and sidecars, or its largest init container, whichever is more. */
export function podRequests(spec: PodSpec): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  const add = (requests: Readonly<Record<string, string>> | undefined, combine: (a: number, b: number) => number): void => {
    for (const [resource, amount] of Object.entries(requests ?? {})) {
      total.set(resource, combine(total.get(resource) ?? 0, quantityValue(amount)));
    }
  };
  const sum = (a: number, b: number): number => a + b;
  for (const container of spec.containers) add(container.resources?.requests, sum);
  for (const container of spec.initContainers ?? []) {
    add(container.resources?.requests, container.restartPolicy === "Always" ? sum : Math.max);
  }
  add(spec.overhead, sum);
  return total;
}
