// The one decision of every flow, TCP and UDP, accepted or dialled: verdict → policy → fault → endpoint, traced and counted.
import { assertNever } from "../model/errors.ts";
import type { PolicyVerdict, SocketAddress, Verdict } from "../model/ports.ts";
import { hostPort } from "./errno.ts";
import type { Decision } from "./decision.ts";
import type { FabricState } from "./fabric-state.ts";
import type { FlowFaults } from "./faults/fault-rule.ts";
import type { LiveFlow } from "./live-flow.ts";

const PASS: Verdict = { type: "pass", matched: [] };
const REFUSE: Decision = { type: "refuse" };
const DROP: Decision = { type: "drop" };
const RESET: Decision = { type: "reset" };

/**
 * Asks the hooks; with none, a flow passes to whatever is exposed at its destination. `again`: a flow that was dropped before, which is
 * counted and traced only when it no longer is.
 */
export function decide(state: FabricState, flow: LiveFlow, again = false): Decision {
  const { hooks, counters } = state;
  const verdict = hooks.verdict?.(flow) ?? PASS;
  const at = endpointOf(verdict, flow);
  const policy = at && hooks.policy?.(flow, at);
  const denied = policy?.allowed === false;
  const faults = at && !denied ? hooks.fault?.(flow, at, verdict) : undefined;
  const failed = faults !== undefined && faults.opening !== "pass";
  if (denied || failed) hooks.closed?.(flow.id);
  if (again && (verdict.type === "drop" || denied || faults?.opening === "drop")) return DROP;
  if (flow.traced) trace(state, flow, verdict, policy, faults);
  if (!at) {
    if (verdict.type === "reject") counters.rejected++;
    else counters.dropped++;
    return verdict.type === "reject" ? REFUSE : DROP;
  }
  if (denied) {
    counters.denied++;
    return DROP;
  }
  if (failed) {
    counters.failed++;
    return faults.opening === "refuse" ? REFUSE : faults.opening === "drop" ? DROP : RESET;
  }
  const exposure = state.exposures.find(flow.protocol, at.ip, at.port);
  if (!exposure) return refuseUnheard(state, flow, at);
  const masqueradeAs = verdict.type === "dnat" && verdict.masquerade ? state.nodeIp(flow.node, flow.destination.ip) : undefined;
  return { type: "deliver", exposure, masqueradeAs, verdict, faults };
}

/** Where the flow is to end; undefined when the verdict ends it. */
function endpointOf(verdict: Verdict, flow: LiveFlow): SocketAddress | undefined {
  switch (verdict.type) {
    case "dnat":
      return verdict.endpoint;
    case "pass":
      return flow.destination;
    case "reject":
    case "drop":
      return undefined;
    default:
      return assertNever(verdict);
  }
}

function refuseUnheard(state: FabricState, flow: LiveFlow, at: SocketAddress): Decision {
  state.counters.noEndpoint++;
  state.hooks.closed?.(flow.id);
  if (flow.traced) state.trace.record(flow.id, flow.node, "deliver", `refused: nothing listens on ${hostPort(at)}`);
  return REFUSE;
}

function trace(
  { trace }: FabricState,
  flow: LiveFlow,
  verdict: Verdict,
  policy: PolicyVerdict | undefined,
  faults: FlowFaults | undefined,
): void {
  trace.recordOf(flow.id, flow.node, "verdict", verdict, verdictText, verdict);
  if (policy) trace.recordOf(flow.id, flow.node, "policy", policy, policyText, policy);
  if (faults) trace.record(flow.id, flow.node, "fault", faultText(faults), faults.matched);
}

const policyText = ({ allowed }: PolicyVerdict): string => (allowed ? "allow" : "deny");
const faultText = ({ opening, stream, packet }: FlowFaults): string => (opening !== "pass" ? opening : stream || packet ? "shape" : "pass");

function verdictText(verdict: Verdict): string {
  if (verdict.type !== "dnat") return verdict.type;
  return `dnat ${hostPort(verdict.endpoint)}${verdict.masquerade ? " masquerade" : ""} (${verdict.service})`;
}
