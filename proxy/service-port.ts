// What the rules know of one port of one Service in one address family, and of its endpoints. Immutable; shared by all nodes.
// Upstream: pkg/proxy/serviceport.go, pkg/proxy/endpoint.go.
import type { Cidr, IpFamily } from "../model/ip.ts";
import type { Protocol } from "../model/ports.ts";
import type { Target } from "../balancers/index.ts";

export interface ProxyEndpoint extends Target {
  /** `ip:port`, IPv6 in brackets. */
  readonly id: string;
  readonly ip: string;
  readonly port: number;
  /** "" when the slice names none: then it counts as remote everywhere. */
  readonly node: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  /** `namespace/name` of the pod, for people. */
  readonly pod: string;
}

/** Which of a port's endpoints a node's rules may use. */
export interface EndpointSets {
  /** For Cluster policies; undefined when no policy of the port is Cluster. */
  readonly cluster: readonly ProxyEndpoint[] | undefined;
  /** For Local policies; undefined when none is. */
  readonly local: readonly ProxyEndpoint[] | undefined;
  /** Both together, in the order of the endpoints. */
  readonly reachable: readonly ProxyEndpoint[];
  /** Which hints chose `cluster`. */
  readonly topology: "" | "node" | "zone";
  /** For people: "2 of 3 endpoints, hinted for this zone". */
  readonly clusterText: string;
  readonly localText: string;
}

export interface ServicePort {
  /** `namespace/name:port`, as upstream writes a ServicePortName. */
  readonly id: string;
  /** Unique: id, protocol and family. */
  readonly key: string;
  /** Of the key: what random draws depend on. */
  readonly hash: number;
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly clusterIP: string;
  readonly port: number;
  /** 0 when there is none. */
  readonly nodePort: number;
  readonly externalIPs: readonly string[];
  /** Those that the proxy captures: `ipMode: Proxy` addresses are left out. */
  readonly loadBalancerIPs: readonly string[];
  readonly sourceRanges: readonly Cidr[];
  /** Seconds of ClientIP affinity; 0 without. */
  readonly affinitySeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly healthCheckNodePort: number;
  /** From the annotation `loopkube.dev/balancer`; "" without. */
  readonly balancer: string;
  /** Sorted by `id`, no duplicates. */
  readonly endpoints: readonly ProxyEndpoint[];
  /** Some endpoint anywhere could take a flow: ready, or terminating but still serving. */
  readonly usable: boolean;
  /** The endpoint sets, when they are the same on every node: no Local policy, no hints. */
  readonly sets: EndpointSets | undefined;
}

/** One Service, compiled. */
export interface ServiceTable {
  /** `namespace/name`. */
  readonly key: string;
  readonly ports: readonly ServicePort[];
}

/** `ip:port`, with brackets around IPv6. */
export function hostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** True when traffic from outside the cluster can reach the port. */
export function externallyAccessible(port: Pick<ServicePort, "nodePort" | "loadBalancerIPs" | "externalIPs">): boolean {
  return port.nodePort !== 0 || port.loadBalancerIPs.length > 0 || port.externalIPs.length > 0;
}
