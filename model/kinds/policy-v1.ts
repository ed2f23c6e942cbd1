// The types of policy/v1. Generated from model/schema/types.json by scripts/generate-kinds.ts: do not edit.
import type { ObjectMeta } from "../object.ts";
import type { DeleteOptions } from "./meta-v1.ts";

export interface Eviction {
  readonly apiVersion: "policy/v1";
  readonly kind: "Eviction";
  readonly metadata: ObjectMeta;
  readonly deleteOptions?: DeleteOptions;
}
