// What becomes of a flow.
import type { Verdict } from "../model/ports.ts";
import type { Exposure } from "./exposures.ts";
import type { FlowFaults } from "./faults/fault-rule.ts";

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
