// JSON Merge Patch (RFC 7386).
// Upstream: apiserver pkg/endpoints/handlers/patch.go jsonPatcher.
import { badRequest } from "../../model/errors.ts";
import type { JsonObject } from "../../model/object.ts";
import { isRecord } from "./typed-schema.ts";

/** The patched copy: null removes, objects merge, all else replaces. Throws 400 when the patch is no object. */
export function applyMergePatch(current: JsonObject, patch: unknown): JsonObject {
  if (!isRecord(patch)) {
    const type = Array.isArray(patch) ? "array" : patch === null ? "null" : typeof patch;
    throw badRequest(`error decoding patch: json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  }
  return merge(current, patch) as JsonObject;
}

function merge(current: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const out = new Map(Object.entries(isRecord(current) ? current : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) out.delete(key);
    else out.set(key, merge(out.get(key), value));
  }
  return Object.fromEntries(out);
}
