// What the fabric is told of a flow.
import type { Flow, Verdict } from "../model/ports.ts";
import type { Choice } from "./chooser.ts";
import type { Decision } from "./evaluate.ts";
import { wantedKey } from "./service-listeners.ts";

type Balanced = Extract<Decision, { type: "balance" }>;

/** A flow sent to an endpoint. The reasons are put into words only when somebody reads them: a flow that is not traced has no use for them. */
export class DnatVerdict {
  readonly type = "dnat";
  readonly endpoint: Choice["endpoint"];
  readonly masquerade: boolean;
  readonly #decision: Balanced;
  readonly #how: string;

  constructor(decision: Balanced, { endpoint, how }: Choice, masquerade: boolean) {
    this.endpoint = endpoint;
    this.masquerade = masquerade;
    this.#decision = decision;
    this.#how = how;
  }
  get service(): string {
    return this.#decision.rule.port.id;
  }
  get matched(): readonly string[] {
    return [...this.#decision.matched, `${this.#how}: ${this.endpoint.id}`];
  }
}

/** A packet to a Service address that no rule captures. */
export function lost({ destination, protocol }: Flow): Verdict {
  return { type: "drop", matched: [`no rule for ${wantedKey({ ...destination, protocol })}: the packet leaves the node and is lost`] };
}
