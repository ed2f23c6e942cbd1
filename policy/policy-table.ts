// All NetworkPolicies compiled into one immutable table, and its evaluation for a flow: allowed or not, with the reason per direction.
// Upstream: the NetworkPolicy documentation ("The two sorts of pod isolation") and its e2e tests; each network plugin evaluates on its own.
//
// Two rules come before any policy, as upstream states them: a pod always reaches itself, and traffic between a pod and the node it
// runs on is always allowed (the kubelet's probes). Programs of the host are outside the cluster: only an ipBlock lets them in.
import type { PolicyVerdict, Protocol } from "../model/ports.ts";
import type { CompiledPolicy, Direction, NamespaceLabels, PolicyRule } from "./network-policy.ts";
import { type Party, partyText, type PodParty } from "./party.ts";

/** A flow whose endpoint is known: `port` is the pod's port, after DNAT. */
export interface PolicyQuestion {
  readonly from: Party;
  readonly to: Party;
  readonly port: number;
  readonly protocol: Protocol;
}

/** What decided one direction: one line for people, made when asked for. */
export interface DirectionVerdict {
  readonly allowed: boolean;
  readonly reason: string;
}

/** Both directions; also what the fabric is told. */
export class PolicyAnswer implements PolicyVerdict {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;

  constructor(egress: DirectionVerdict, ingress: DirectionVerdict) {
    this.egress = egress;
    this.ingress = ingress;
  }
  get allowed(): boolean {
    return this.egress.allowed && this.ingress.allowed;
  }
  get matched(): readonly string[] {
    return [this.egress.reason, this.ingress.reason];
  }
}

/** The policies that isolate a pod, and the verdict of a direction in which none does. */
interface Selected {
  readonly ingress: readonly CompiledPolicy[];
  readonly egress: readonly CompiledPolicy[];
  readonly free: Readonly<Record<Direction, DirectionVerdict>>;
}

interface Allowance extends DirectionVerdict {
  readonly rule: PolicyRule;
}

export class PolicyTable {
  readonly policies: readonly CompiledPolicy[];
  readonly #byNamespace = new Map<string, CompiledPolicy[]>();
  readonly #namespaces: NamespaceLabels;
  readonly #selected = new WeakMap<PodParty, Selected>();
  readonly #allowances = new Map<PolicyRule, Allowance>();

  /** `namespaces` is read at evaluation. */
  constructor(policies: readonly CompiledPolicy[], namespaces: NamespaceLabels) {
    this.policies = policies;
    this.#namespaces = namespaces;
    for (const policy of policies) {
      const list = this.#byNamespace.get(policy.namespace);
      if (list) list.push(policy);
      else this.#byNamespace.set(policy.namespace, [policy]);
      for (const direction of ["ingress", "egress"] as const) {
        for (const rule of policy[direction] ?? []) {
          this.#allowances.set(rule, { allowed: true, reason: `${direction}: ${policy.key} ${rule.text}`, rule });
        }
      }
    }
  }
  /** The policies that isolate a pod in one direction. */
  selecting(pod: PodParty, direction: Direction): readonly CompiledPolicy[] {
    return this.#selectedBy(pod)[direction];
  }
  evaluate(question: PolicyQuestion): PolicyAnswer {
    const before = exemption(question);
    if (before) return before;
    const egress = this.#direction("egress", question);
    const ingress = this.#direction("ingress", question);
    return new PolicyAnswer(egress, ingress);
  }
  #direction(direction: Direction, question: PolicyQuestion): DirectionVerdict {
    const pod = direction === "ingress" ? question.to : question.from;
    const other = direction === "ingress" ? question.from : question.to;
    if (pod.kind !== "pod") return NOT_A_POD[direction];
    const selected = this.#selectedBy(pod);
    const policies = selected[direction];
    if (policies.length === 0) return selected.free[direction];
    for (const policy of policies) {
      for (const rule of policy[direction] ?? []) {
        if (!rule.matchesPort(question.to, question.port, question.protocol) || !rule.matchesPeer(other, this.#namespaces)) continue;
        return this.#allowances.get(rule) ?? { allowed: true, reason: `${direction}: ${policy.key}` };
      }
    }
    return {
      allowed: false,
      get reason() {
        return deniedText(direction, pod, policies, other, question);
      },
    };
  }
  #selectedBy(pod: PodParty): Selected {
    let selected = this.#selected.get(pod);
    if (!selected) {
      const own = (this.#byNamespace.get(pod.namespace) ?? []).filter((policy) => policy.selects(pod));
      selected = {
        ingress: own.filter((policy) => policy.ingress),
        egress: own.filter((policy) => policy.egress),
        free: {
          ingress: { allowed: true, reason: `ingress: no policy selects ${partyText(pod)}` },
          egress: { allowed: true, reason: `egress: no policy selects ${partyText(pod)}` },
        },
      };
      this.#selected.set(pod, selected);
    }
    return selected;
  }
}

const NOT_A_POD: Readonly<Record<Direction, DirectionVerdict>> = {
  ingress: { allowed: true, reason: "ingress: the destination is no pod, policies do not apply to it" },
  egress: { allowed: true, reason: "egress: the client is no pod, policies do not apply to it" },
};

function exemption({ from, to }: PolicyQuestion): PolicyAnswer | undefined {
  if (from.kind === "pod" && from.ip === to.ip) return always(`${partyText(from)} always reaches itself`);
  const pod = from.kind === "pod" ? from : to;
  const node = from.kind === "pod" ? to : from;
  if (pod.kind !== "pod" || node.kind !== "node" || node.name !== pod.node) return undefined;
  return always(`${partyText(node)} and its own ${partyText(pod)} always reach each other`);
}

function always(text: string): PolicyAnswer {
  return new PolicyAnswer({ allowed: true, reason: `egress: ${text}` }, { allowed: true, reason: `ingress: ${text}` });
}

function deniedText(direction: Direction, pod: Party, policies: readonly CompiledPolicy[], other: Party, question: PolicyQuestion): string {
  const [names, verb, none] = [
    policies.map((policy) => policy.key),
    policies.length === 1 ? "selects" : "select",
    policies.length === 1 ? "it does not allow" : "none allows",
  ];
  const word = direction === "ingress" ? "from" : "to";
  const who = other.kind === "pod" ? `${partyText(other)} (${other.ip})` : partyText(other);
  return `${direction}: ${names.join(", ")} ${verb} ${partyText(pod)}, ${none} ${question.protocol}/${question.port} ${word} ${who}`;
}
