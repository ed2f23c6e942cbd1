// One Fault object compiled: who it concerns, and the rule that the fabric applies. Reading its settings is also its validation.
import type { FieldError } from "../model/errors.ts";
import { isCidr } from "../model/ip.ts";
import type { Fault, FaultPeer, FaultSpec } from "../model/kinds/loopkube-v1alpha1.ts";
import type { Random } from "../model/random.ts";
import { type Fault as LinkFault, FAULT_KINDS, FaultRule, FaultSetting, type ShapedDirection } from "../netsim/index.ts";
import { compileFrom, compileTo, type PartyMatcher, type ServiceSelector } from "./fault-peer.ts";

export interface CompiledFault {
  readonly name: string;
  readonly spec: FaultSpec;
  readonly from: PartyMatcher;
  readonly to: PartyMatcher;
  readonly rule: FaultRule;
}

const DIRECTIONS: Readonly<Record<string, ShapedDirection>> = { Both: "both", Forward: "forward", Back: "back" };

/** Compiles an admitted Fault; settings that cannot be read are left out. */
export function compileFault({ metadata, spec }: Fault, random: Random, selectorOf: ServiceSelector): CompiledFault {
  const rule = new FaultRule({
    name: metadata.name,
    faults: readFaults(spec).faults,
    direction: DIRECTIONS[spec.direction ?? "Both"] ?? "both",
    random,
  });
  return { name: metadata.name, spec, from: compileFrom(spec.from, selectorOf), to: compileTo(spec.to), rule };
}

/** Every complaint about a Fault's spec, with field paths. */
export function faultErrors(spec: FaultSpec): readonly FieldError[] {
  const { faults, errors } = readFaults(spec);
  const all = [...errors, ...peerErrors(spec.from, "spec.from"), ...peerErrors(spec.to, "spec.to")];
  if (spec.direction !== undefined && !(spec.direction in DIRECTIONS)) {
    all.push({ type: "NotSupported", field: "spec.direction", value: spec.direction, supported: Object.keys(DIRECTIONS) });
  }
  if (faults.length === 0 && errors.length === 0) {
    const detail = `at least one fault is needed: ${FAULT_KINDS.map((kind) => kind.field).join(", ")}`;
    all.push({ type: "Required", field: "spec", detail });
  }
  return all;
}

function readFaults(spec: FaultSpec): { readonly faults: readonly LinkFault[]; readonly errors: readonly FieldError[] } {
  const settings: Readonly<Record<string, unknown>> = { ...spec };
  const faults: LinkFault[] = [];
  const errors: FieldError[] = [];
  for (const kind of FAULT_KINDS) {
    const value = settings[kind.field];
    if (value === undefined) continue;
    try {
      const fault = kind.read(value);
      if (fault) faults.push(fault);
    } catch (error) {
      if (!(error instanceof FaultSetting)) throw error;
      const field = `spec.${kind.field}${error.field === undefined ? "" : `.${error.field}`}`;
      errors.push({ type: "Invalid", field, value: memberOf(value, error.field), detail: error.message });
    }
  }
  return { faults, errors };
}

const memberOf = (value: unknown, field: string | undefined): unknown =>
  field === undefined || typeof value !== "object" || value === null ? value : new Map<string, unknown>(Object.entries(value)).get(field);

function peerErrors(peer: FaultPeer | undefined, field: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (peer?.cidr !== undefined && !isCidr(peer.cidr)) {
    const detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    errors.push({ type: "Invalid", field: `${field}.cidr`, value: peer.cidr, detail });
  }
  return errors;
}
