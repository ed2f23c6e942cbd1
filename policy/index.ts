// NetworkPolicies and Faults: objects compiled to tables, verdicts with reasons, and what they do to flows.
export { compileFault, type CompiledFault, faultErrors } from "./compile-fault.ts";
export { faultAdmission } from "./fault-admission.ts";
export { FaultTable, type FaultQuestion } from "./fault-table.ts";
export { type CompiledPolicy, compileNetworkPolicy } from "./network-policy.ts";
export { type Party, partyOfPod, type PodParty } from "./party.ts";
export { createPolicy, type Policy, type PolicyOptions } from "./policy.ts";
export { type DirectionVerdict, type PolicyAnswer, type PolicyQuestion, PolicyTable } from "./policy-table.ts";
export { dumpPolicies } from "./diagnostics.ts";
