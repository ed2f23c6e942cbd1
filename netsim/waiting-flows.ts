// Flows whose SYN was dropped. Upstream the client's kernel sends it again after 1, 3, 7, … 63 s, and the flow goes through when what
// dropped it is gone by then; here it is decided anew as soon as the tables change, since nothing else could make the answer another.
import type { Decision } from "./decision.ts";
import type { LiveFlow } from "./live-flow.ts";

export type Undropped = Exclude<Decision, { type: "drop" }>;

export class WaitingFlows {
  readonly #flows = new Map<LiveFlow, (decision: Undropped) => void>();

  get size(): number {
    return this.#flows.size;
  }
  /** Calls `onDecided` once, when the flow is no longer dropped; returns how to stop waiting. */
  add(flow: LiveFlow, onDecided: (decision: Undropped) => void): () => void {
    this.#flows.set(flow, onDecided);
    return () => void this.#flows.delete(flow);
  }
  /** Decides all anew, oldest first. */
  decideAgain(decide: (flow: LiveFlow) => Decision): void {
    for (const [flow, onDecided] of [...this.#flows]) {
      if (!this.#flows.has(flow)) continue;
      const decision = decide(flow);
      if (decision.type === "drop") continue;
      this.#flows.delete(flow);
      onDecided(decision);
    }
  }
}
