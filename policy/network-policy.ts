// One NetworkPolicy compiled: predicates over parties and ports, each with the text that names it in reasons.
// Upstream: k8s.io/api/networking/v1 types.go, whose field comments are the specification.
// An ipBlock is matched against the party's own address, pods included; addresses after masquerading play no part.
import { Cidr, isCidr } from "../model/ip.ts";
import type { LabelSelector } from "../model/kinds/meta-v1.ts";
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../model/kinds/networking-v1.ts";
import type { Protocol } from "../model/ports.ts";
import { compileLabelSelector, type LabelMatcher } from "../model/selectors.ts";
import { namedPortOf, type Party, type PodParty } from "./party.ts";
import { labelSelectorText } from "./selector-text.ts";

/** "ingress": flows to the pod; "egress": flows from it. */
export type Direction = "ingress" | "egress";

/** Labels of a namespace by name. */
export type NamespaceLabels = (name: string) => { readonly [key: string]: string } | undefined;

export interface PolicyRule {
  /** `spec.ingress[0]: from podSelector app=client; ports TCP/80`. */
  readonly text: string;
  matchesPeer(party: Party, namespaces: NamespaceLabels): boolean;
  /** `to` is the flow's destination, whose named ports count. */
  matchesPort(to: Party, port: number, protocol: Protocol): boolean;
}

export interface CompiledPolicy {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  /** In force for this direction; absent: the policy does not isolate it. */
  readonly ingress: readonly PolicyRule[] | undefined;
  readonly egress: readonly PolicyRule[] | undefined;
  readonly selectorText: string;
  selects(pod: PodParty): boolean;
}

type PeerMatcher = (party: Party, namespaces: NamespaceLabels) => boolean;
type PortMatcher = (to: Party, port: number, protocol: Protocol) => boolean;

/** Compiles an admitted policy. With policyTypes absent: Ingress, and Egress when there are egress rules. */
export function compileNetworkPolicy({ metadata, spec }: NetworkPolicy): CompiledPolicy {
  const namespace = metadata.namespace ?? "";
  const selects = compileLabelSelector(spec.podSelector ?? {});
  const types = spec.policyTypes?.length ? spec.policyTypes : spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
  return {
    key: `${namespace}/${metadata.name}`,
    namespace,
    ingress: types.includes("Ingress")
      ? (spec.ingress ?? []).map(({ from, ports }, i) => compileRule("ingress", i, from, ports, namespace))
      : undefined,
    egress: types.includes("Egress")
      ? (spec.egress ?? []).map(({ to, ports }, i) => compileRule("egress", i, to, ports, namespace))
      : undefined,
    selectorText: labelSelectorText(spec.podSelector),
    selects: (pod) => pod.namespace === namespace && selects(pod.labels),
  };
}

function compileRule(
  direction: Direction,
  index: number,
  peers: readonly NetworkPolicyPeer[] | undefined,
  ports: readonly NetworkPolicyPort[] | undefined,
  namespace: string,
): PolicyRule {
  const peerMatchers = (peers ?? []).map((peer) => compilePeer(peer, namespace));
  const portMatchers = (ports ?? []).map(compilePort);
  const word = direction === "ingress" ? "from" : "to";
  const who = peers?.length ? `${word} ${peers.map(peerText).join(" or ")}` : `${word} anywhere`;
  return {
    text: `spec.${direction}[${index}]: ${who}${ports?.length ? `; ports ${ports.map(portText).join(", ")}` : ""}`,
    matchesPeer: (party, namespaces) => peerMatchers.length === 0 || peerMatchers.some((matches) => matches(party, namespaces)),
    matchesPort: (to, port, protocol) => portMatchers.length === 0 || portMatchers.some((matches) => matches(to, port, protocol)),
  };
}

function compilePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, namespace: string): PeerMatcher {
  if (ipBlock) return compileIpBlock(ipBlock);
  const pods: LabelMatcher = compileLabelSelector(podSelector ?? {});
  if (!namespaceSelector) return (party) => party.kind === "pod" && party.namespace === namespace && pods(party.labels);
  const chosen = compileLabelSelector(namespaceSelector);
  return (party, namespaces) => {
    if (party.kind !== "pod" || !pods(party.labels)) return false;
    const labels = namespaces(party.namespace);
    return labels !== undefined && chosen(labels);
  };
}

/** A block that does not parse matches nothing. */
function compileIpBlock({ cidr, except }: IPBlock): PeerMatcher {
  if (!isCidr(cidr)) return () => false;
  const block = new Cidr(cidr);
  const exceptions = (except ?? []).filter(isCidr).map((text) => new Cidr(text));
  return ({ ip }) => block.contains(ip) && !exceptions.some((exception) => exception.contains(ip));
}

function compilePort({ protocol = "TCP", port, endPort }: NetworkPolicyPort): PortMatcher {
  if (port === undefined) return (_to, _port, asked) => asked === protocol;
  if (typeof port === "string") return (to, number, asked) => asked === protocol && namedPortOf(to, protocol, port) === number;
  const last = endPort ?? port;
  return (_to, number, asked) => asked === protocol && number >= port && number <= last;
}

function peerText({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): string {
  if (ipBlock) return `ipBlock ${ipBlock.cidr}${ipBlock.except?.length ? ` except ${ipBlock.except.join(", ")}` : ""}`;
  const text = (name: string, selector: LabelSelector | undefined): string => (selector ? `${name} ${labelSelectorText(selector)}` : "");
  return [text("namespaceSelector", namespaceSelector), text("podSelector", podSelector)].filter((part) => part !== "").join(" and ");
}

const portText = ({ protocol = "TCP", port, endPort }: NetworkPolicyPort): string =>
  port === undefined ? protocol : `${protocol}/${port}${endPort === undefined ? "" : `-${endPort}`}`;
