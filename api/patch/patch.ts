import type { JsonObject } from "../../model/object.ts";
import type { FieldValidation } from "../../model/schema/index.ts";
import type { FieldWrite } from "./managed-fields.ts";
/** The four patch media types. */
export const PATCH_CONTENT_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
] as const;
export type PatchContentType = (typeof PATCH_CONTENT_TYPES)[number];
export interface PatchRequest extends FieldWrite {
  readonly contentType: PatchContentType;
  readonly patch: Uint8Array;
  /** The live object; absent only for an apply that creates. */
  readonly current: JsonObject | undefined;
  /** Apply only. */
  readonly force?: boolean;
  readonly fieldValidation?: FieldValidation | undefined;
  /** Name and namespace of the URL, for messages and for an apply that creates. */
  readonly name: string;
  readonly namespace: string;
}
export interface PatchResult {
  /** The whole new object: decoded, defaulted, with managedFields. */
  readonly object: JsonObject;
  readonly warnings: readonly string[];
}
/** Applies a patch of any of the four kinds; throws StatusError (400, 404, 409, 422). */
export function applyPatch(_request: PatchRequest): PatchResult {
  throw new Error("not yet");
}
