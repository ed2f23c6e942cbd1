// All Faults compiled into one table, and the rules that a flow meets. A partition concerns a flow whoever opened it; all else concerns
// flows that `from` opens towards `to`.
import type { CompiledFault } from "./compile-fault.ts";
import type { Party } from "./party.ts";

/** A flow whose endpoint is known. `service` is `namespace/name:port` of a Service it goes through. */
export interface FaultQuestion {
  readonly from: Party;
  readonly to: Party;
  readonly service: string | undefined;
}

export class FaultTable {
  readonly faults: readonly CompiledFault[];
  constructor(faults: readonly CompiledFault[]) {
    this.faults = faults;
  }
  get(name: string): CompiledFault | undefined {
    return this.faults.find((fault) => fault.name === name);
  }
  /** The faults that a flow meets, by name. */
  matching(question: FaultQuestion): readonly CompiledFault[] {
    return this.faults.filter((fault) => concerns(fault, question));
  }
  /** Whether nothing of an open flow may get through. */
  stalls(question: FaultQuestion): boolean {
    return this.faults.some((fault) => fault.rule.stalls && concerns(fault, question));
  }
}

/** `namespace/name` of `namespace/name:port`. */
const serviceKey = (service: string | undefined): string | undefined => service?.split(":")[0];

export function concerns({ from, to, rule }: CompiledFault, question: FaultQuestion): boolean {
  const service = serviceKey(question.service);
  if (from(question.from, undefined) && to(question.to, service)) return true;
  return rule.stalls && from(question.to, undefined) && to(question.from, service);
}
