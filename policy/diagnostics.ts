// What policies and faults tell about themselves: dump, explain, status.
import type { JsonObject } from "../model/object.ts";
import type { Diagnostics, ExplainAnswer, ExplainQuestion, SocketAddress } from "../model/ports.ts";
import { faultPeerText, faultSettingsText } from "../model/fault-text.ts";
import type { CompiledPolicy } from "./network-policy.ts";
import type { FaultTable } from "./fault-table.ts";
import type { Parties } from "./parties.ts";
import type { PolicyTable } from "./policy-table.ts";

/** The tables in force now, as diagnostics read them. */
export interface PolicyView {
  readonly parties: Parties;
  readonly policies: PolicyTable;
  readonly faults: FaultTable;
}

/** Named `policy`: the compiled NetworkPolicies, and the one rule that decides for a client and an endpoint. */
export function policyDiagnostics(view: PolicyView): Diagnostics {
  return {
    name: "policy",
    status: (): JsonObject => ({ networkPolicies: view.policies.policies.length }),
    dump: () => dumpPolicies(view.policies.policies),
    explain: async (question) => explainPolicy(view, question),
  };
}

/** Named `faults`. */
export function faultDiagnostics(view: PolicyView): Diagnostics {
  return {
    name: "faults",
    status: (): JsonObject => ({
      faults: view.faults.faults.map(({ name, rule }) => ({ name, flows: rule.met })),
    }),
    dump: () => view.faults.faults.map(({ name, spec }) => `fault/${name} ${faultText(spec)}\n`).join(""),
    explain: async (question) => explainFaults(view, question),
  };
}

/** Stable text: each policy, whom it selects, and its rules. */
export function dumpPolicies(policies: readonly CompiledPolicy[]): string {
  const sorted = [...policies].sort((a, b) => (a.key < b.key ? -1 : 1));
  return sorted
    .map((policy) => {
      const rules = (["ingress", "egress"] as const).flatMap((direction) => {
        const own = policy[direction];
        if (!own) return [];
        return own.length === 0 ? [`  ${direction}: nothing is allowed`] : own.map((rule) => `  ${rule.text}`);
      });
      return `${[`${policy.key} selects pods ${policy.selectorText} in ${policy.namespace}`, ...rules].join("\n")}\n`;
    })
    .join("");
}

/** One verdict for each endpoint that the Service may choose; said once when it is the same. */
function explainPolicy({ parties, policies }: PolicyView, question: ExplainQuestion): ExplainAnswer | undefined {
  const { from, ip, port, protocol, balance } = question;
  if (ip === undefined) return undefined;
  if (policies.policies.length === 0) return { title: "NetworkPolicy: allowed", lines: ["there is no NetworkPolicy"] };
  const endpoints =
    balance && balance.endpoints.length > 0 ? balance.endpoints.map(({ address }) => splitHostPort(address)) : [{ ip, port }];
  const answers = endpoints.map((at) => policies.evaluate({ from: parties.of(from), to: parties.at(at.ip), port: at.port, protocol }));
  const allowed = answers.filter((answer) => answer.allowed).length;
  const lines = [...new Set(answers.flatMap(({ egress, ingress }) => [egress.reason, ingress.reason]))];
  if (allowed === answers.length) return { title: "NetworkPolicy: allowed", lines };
  if (allowed === 0) return { title: "NetworkPolicy: denied (the client times out)", lines, ends: true };
  return { title: `NetworkPolicy: allowed to ${allowed} of ${answers.length} endpoints, to the others the client times out`, lines };
}

/** `ip:port` of an endpoint, IPv6 in brackets. */
function splitHostPort(address: string): SocketAddress {
  const at = address.lastIndexOf(":");
  return { ip: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}

function explainFaults({ parties, faults }: PolicyView, { from, ip, balance }: ExplainQuestion): ExplainAnswer | undefined {
  if (ip === undefined || faults.faults.length === 0) return undefined;
  const question = { from: parties.of(from), to: parties.at(ip), service: balance?.service };
  const matching = faults.matching(question);
  if (matching.length === 0) return { title: "Faults: none", lines: [`none of ${faults.faults.length} concerns this flow`] };
  return { title: "Faults", lines: matching.map(({ name, spec, rule }) => `fault/${name} ${faultText(spec)} (${rule.met} flows so far)`) };
}

const faultText = (spec: Parameters<typeof faultSettingsText>[0]): string =>
  `from ${faultPeerText(spec.from)} to ${faultPeerText(spec.to)}: ${faultSettingsText(spec)}`;
