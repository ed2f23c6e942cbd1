import type { FieldError } from "../../errors.ts";
import type { KubeObject } from "../../object.ts";
import type { ResourceType } from "../../resources.ts";
/** Field errors of a defaulted object about to be created. */
export function validateCreate<T extends KubeObject>(_type: ResourceType<T>, _object: T): readonly FieldError[] {
  throw new Error("not yet");
}
/** Field errors of a defaulted object about to replace `old`. */
export function validateUpdate<T extends KubeObject>(_type: ResourceType<T>, _object: T, _old: T): readonly FieldError[] {
  throw new Error("not yet");
}
