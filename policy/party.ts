// Who is at an end of a flow, with what policies and faults select by: labels, namespace, node, addresses, named ports.
import type { Pod } from "../model/kinds/core-v1.ts";
import type { Peer, Protocol } from "../model/ports.ts";

/** A pod as selectors see it. */
export interface PodParty {
  readonly kind: "pod";
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  /** The same pod by its address of the second family, in a dual-stack cluster. */
  readonly secondary?: PodParty;
  readonly node: string;
  readonly labels: { readonly [key: string]: string };
  /** `TCP/http` → container port. */
  readonly namedPorts: ReadonlyMap<string, number>;
}

/** An end of a flow. The host is any program on the machine that is neither pod nor node. */
export type Party = PodParty | Extract<Peer, { kind: "node" | "host" }>;

const NO_PORTS: ReadonlyMap<string, number> = new Map();

/** A pod that has an address and still runs; undefined for all others. */
export function partyOfPod({ metadata, spec, status }: Pod): PodParty | undefined {
  const ip = status?.podIP;
  if (ip === undefined || ip === "" || status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
  const namedPorts = new Map<string, number>();
  const sidecars = (spec.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  for (const container of [...spec.containers, ...sidecars]) {
    for (const { name, containerPort, protocol = "TCP" } of container.ports ?? []) {
      const key = `${protocol}/${name}`;
      if (name && !namedPorts.has(key)) namedPorts.set(key, containerPort);
    }
  }
  const party: PodParty = {
    kind: "pod",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    ip,
    node: spec.nodeName ?? "",
    labels: metadata.labels ?? {},
    namedPorts: namedPorts.size === 0 ? NO_PORTS : namedPorts,
  };
  const second = status?.podIPs?.[1]?.ip;
  return second === undefined ? party : { ...party, secondary: { ...party, ip: second } };
}

/** The container port with this name, per pod. */
export function namedPortOf(party: Party, protocol: Protocol, name: string): number | undefined {
  return party.kind === "pod" ? party.namedPorts.get(`${protocol}/${name}`) : undefined;
}

/** `pod default/web-1`, `node loopkube-worker`, `host 127.0.0.1`. */
export function partyText(party: Party | Peer): string {
  if (party.kind === "pod") return `pod ${party.namespace}/${party.name}`;
  return party.kind === "node" ? `node ${party.name === "" ? party.ip : party.name}` : `host ${party.ip}`;
}
