// The `from` and `to` of a Fault compiled to predicates over parties. All that is given must hold; nothing given is everything.
import { Cidr, isCidr } from "../model/ip.ts";
import type { FaultPeer } from "../model/kinds/loopkube-v1alpha1.ts";
import { compileLabelSelector, matchesSelectorMap } from "../model/selectors.ts";
import type { Party } from "./party.ts";

/** The pod selector of a Service, by namespace and name. */
export type ServiceSelector = (namespace: string, name: string) => { readonly [key: string]: string } | undefined;

/** `service` is the `namespace/name` that a flow goes through, for its destination. */
export type PartyMatcher = (party: Party, service: string | undefined) => boolean;

const DEFAULT_NAMESPACE = "default";

/** Whether a client is one of these: `service` means the pods behind it. */
export function compileFrom(peer: FaultPeer | undefined, selectorOf: ServiceSelector): PartyMatcher {
  const { service, namespace = DEFAULT_NAMESPACE } = peer ?? {};
  const matches = compilePeer(peer);
  if (service === undefined) return matches;
  return (party, via) =>
    party.kind === "pod" &&
    party.namespace === namespace &&
    matchesSelectorMap(selectorOf(namespace, service), party.labels) &&
    matches(party, via);
}

/** Whether a flow goes to one of these: `service` means through it. */
export function compileTo(peer: FaultPeer | undefined): PartyMatcher {
  const { service, namespace = DEFAULT_NAMESPACE } = peer ?? {};
  const matches = compilePeer(service === undefined ? peer : withoutNamespace(peer));
  if (service === undefined) return matches;
  const wanted = `${namespace}/${service}`;
  return (party, via) => via === wanted && matches(party, via);
}

function withoutNamespace(peer: FaultPeer = {}): FaultPeer {
  const { namespace: _namespace, ...rest } = peer;
  return rest;
}

function compilePeer({ podSelector, namespace, pod, node, host, cidr }: FaultPeer = {}): PartyMatcher {
  const conditions: ((party: Party) => boolean)[] = [];
  if (podSelector) {
    const labels = compileLabelSelector(podSelector);
    conditions.push((party) => party.kind === "pod" && labels(party.labels));
  }
  if (namespace !== undefined) conditions.push((party) => party.kind === "pod" && party.namespace === namespace);
  if (pod !== undefined) conditions.push((party) => party.kind === "pod" && party.name === pod);
  if (node !== undefined)
    conditions.push((party) => (party.kind === "pod" ? party.node === node : party.kind === "node" && party.name === node));
  if (host !== undefined) conditions.push((party) => (party.kind === "host") === host);
  if (cidr !== undefined) {
    const block = isCidr(cidr) ? new Cidr(cidr) : undefined;
    conditions.push(({ ip }) => block?.contains(ip) ?? false);
  }
  return (party) => conditions.every((holds) => holds(party));
}
