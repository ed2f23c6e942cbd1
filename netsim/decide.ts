// The one decision of every flow, TCP and UDP, accepted or dialled: verdict → policy → fault → endpoint, traced and counted.
import { assertNever } from "../model/errors.ts";
import type { SocketAddress, Verdict } from "../model/ports.ts";
import { hostPort } from "./errno.ts";
import type { Exposure } from "./exposures.ts";
import type { FabricState } from "./fabric-state.ts";
import type { FlowFaults } from "./faults/fault-rule.ts";
import type { LiveFlow } from "./live-flow.ts";

/** `masqueradeAs`: the node's address that the endpoint sees in place of the client's. */
export type Decision =
  | {
      readonly type: "deliver";
      readonly exposure: Exposure;
      readonly masqueradeAs: string | undefined;
      readonly verdict: Verdict;
      /** Shapes the flow; absent: it goes straight to its endpoint. */
      readonly faults?: FlowFaults | undefined;
    }
  /** Established, then closed with RST. */
  | { readonly type: "reset" }
  | { readonly type: "refuse" }
  | { readonly type: "drop" };

const PASS: Verdict = { type: "pass", matched: [] };
const REFUSE: Decision = { type: "refuse" };
const DROP: Decision = { type: "drop" };
const RESET: Decision = { type: "reset" };

/** Asks the hooks; with none, a flow passes to whatever is exposed at its destination. */
export function decide(state: FabricState, flow: LiveFlow): Decision {
  const verdict = state.hooks.verdict?.(flow) ?? PASS;
  if (flow.traced) state.trace.record(flow.id, flow.node, "verdict", verdictText(verdict), verdict.matched);
  switch (verdict.type) {
    case "reject":
      state.counters.rejected++;
      return REFUSE;
    case "drop":
      state.counters.dropped++;
      return DROP;
    case "pass":
      return toEndpoint(state, flow, verdict, flow.destination, undefined);
    case "dnat":
      return toEndpoint(
        state,
        flow,
        verdict,
        verdict.endpoint,
        verdict.masquerade ? state.nodeIp(flow.node, flow.destination.ip) : undefined,
      );
    default:
      return assertNever(verdict);
  }
}

function toEndpoint(state: FabricState, flow: LiveFlow, verdict: Verdict, at: SocketAddress, masqueradeAs: string | undefined): Decision {
  const policy = state.hooks.policy?.(flow, at);
  if (policy) {
    if (flow.traced) state.trace.record(flow.id, flow.node, "policy", policy.allowed ? "allow" : "deny", policy.matched);
    if (!policy.allowed) {
      state.counters.denied++;
      state.hooks.closed?.(flow.id);
      return DROP;
    }
  }
  const faults = state.hooks.fault?.(flow, at, verdict);
  if (faults) {
    if (flow.traced) state.trace.record(flow.id, flow.node, "fault", faultText(faults), faults.matched);
    if (faults.opening !== "pass") {
      state.counters.failed++;
      state.hooks.closed?.(flow.id);
      return faults.opening === "refuse" ? REFUSE : faults.opening === "drop" ? DROP : RESET;
    }
  }
  const exposure = state.exposures.find(flow.protocol, at.ip, at.port);
  if (exposure) return { type: "deliver", exposure, masqueradeAs, verdict, faults };
  state.counters.noEndpoint++;
  state.hooks.closed?.(flow.id);
  if (flow.traced) state.trace.record(flow.id, flow.node, "deliver", `refused: nothing listens on ${hostPort(at)}`);
  return REFUSE;
}

const faultText = ({ opening, stream, packet }: FlowFaults): string => (opening !== "pass" ? opening : stream || packet ? "shape" : "pass");

function verdictText(verdict: Verdict): string {
  if (verdict.type !== "dnat") return verdict.type;
  return `dnat ${hostPort(verdict.endpoint)}${verdict.masquerade ? " masquerade" : ""} (${verdict.service})`;
}
