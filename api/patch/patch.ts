// PATCH as a pure function: the live object and a patch of any kind in, the new object (decoded, defaulted, with managedFields) out.
// Upstream: apiserver pkg/endpoints/handlers/patch.go.
import { StatusError, badRequest } from "../../model/errors.ts";
import { type Draft, type JsonObject, type KubeObject, draft, equalJson } from "../../model/object.ts";
import { type ResourceType, apiVersionOf } from "../../model/resources.ts";
import {
  DecodeFault,
  type FieldValidation,
  type ParsedBody,
  type SchemaTable,
  applyDefaults,
  builtInSchemas,
  decodeValue,
  parseJson,
  parseYaml,
  strictProblems,
  strictText,
} from "../../model/schema/index.ts";
import { unsupportedMediaType } from "../media-types.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { type FieldWrite, readManaged, trackUpdate, untracked, withManaged } from "./managed-fields.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { serverSideApply } from "./server-side-apply.ts";
import { applyStrategicMergePatch } from "./strategic-merge-patch.ts";
import { goValue } from "./typed-merge.ts";

/** The four patch media types. */
export const PATCH_CONTENT_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
] as const;
export type PatchContentType = (typeof PATCH_CONTENT_TYPES)[number];

/** What a patch needs when nobody tracks who set what (subresources such as scale). */
export interface UntrackedPatch {
  readonly type: ResourceType;
  readonly contentType: PatchContentType;
  readonly patch: Uint8Array;
  readonly current: JsonObject;
  readonly fieldValidation?: FieldValidation | undefined;
  readonly schemas?: SchemaTable | undefined;
}

export interface PatchRequest extends FieldWrite, Omit<UntrackedPatch, "current"> {
  /** The live object; absent only for an apply that creates. */
  readonly current: JsonObject | undefined;
  /** Apply only. */
  readonly force?: boolean;
  /** Name and namespace of the URL, for messages and for an apply that creates. */
  readonly name: string;
  readonly namespace: string;
}

export interface PatchResult {
  /** The whole new object. */
  readonly object: JsonObject;
  /** One Warning header each. */
  readonly warnings: readonly string[];
}

/** Applies a patch of any of the four kinds; throws StatusError (400, 409, 415, 422). */
export function applyPatch(request: PatchRequest): PatchResult {
  if (request.contentType === "application/apply-patch+yaml") return applyConfiguration(request);
  const { current } = request;
  if (!current) throw badRequest("only an apply patch can create an object");
  const { object, warnings } = patchObject({ ...request, current });
  const defaulted = withDefaults(request.type, object, request.schemas);
  return { object: trackUpdate(defaulted, current, request), warnings };
}

/** A JSON, merge or strategic merge patch without defaulting or ownership. */
export function patchObject(request: UntrackedPatch): PatchResult {
  const { type, contentType, current } = request;
  const schemas = request.schemas ?? builtInSchemas;
  const text = new TextDecoder().decode(request.patch);
  const parsed = parsePatch(text, contentType);
  const patched = patchedObject(contentType, schemas, type, current, parsed.value);
  const strategic = contentType === "application/strategic-merge-patch+json";
  const shown = strategic ? goValue(parsed.value) : JSON.stringify(patched);
  const refuse = (detail: string): StatusError => invalidPatch(shown, detail);
  if (patched["kind"] !== type.kind || patched["apiVersion"] !== apiVersionOf(type)) {
    const version = String(patched["apiVersion"]);
    throw refuse(`no kind ${JSON.stringify(patched["kind"] ?? "")} is registered for version ${JSON.stringify(version)} in this server`);
  }
  let decoded;
  try {
    decoded = decodeValue(type.schema, patched, schemas);
  } catch (error) {
    if (error instanceof DecodeFault) throw refuse(strategic ? error.conversion : error.message);
    throw error;
  }
  const duplicates = contentType === "application/json-patch+json" ? [] : parsed.duplicates;
  const problems = strictProblems(duplicates, decoded.unknownFields);
  const mode = request.fieldValidation ?? "Warn";
  if (mode === "Strict" && problems.length > 0) throw refuse(strictText(problems));
  return { object: decoded.object, warnings: mode === "Warn" ? problems : [] };
}

function parsePatch(text: string, contentType: PatchContentType): ParsedBody {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof StatusError) || contentType === "application/strategic-merge-patch+json") throw error;
    throw badRequest(`error decoding patch: ${error.message}`);
  }
}

function patchedObject(
  contentType: PatchContentType,
  schemas: SchemaTable,
  type: ResourceType,
  current: JsonObject,
  patch: unknown,
): JsonObject {
  switch (contentType) {
    case "application/json-patch+json":
      return applyJsonPatch(current, patch);
    case "application/merge-patch+json":
      return applyMergePatch(current, patch);
    default:
      if (schemas.has(type.schema)) return applyStrategicMergePatch(schemas, type.schema, current, patch);
      throw unsupportedMediaType(PATCH_CONTENT_TYPES.filter((accepted) => accepted !== "application/strategic-merge-patch+json"));
  }
}

function applyConfiguration(request: PatchRequest): PatchResult {
  const { value, duplicates } = parseApplied(new TextDecoder().decode(request.patch));
  const merged = serverSideApply({ ...request, applied: value, force: request.force ?? false });
  const mode = request.fieldValidation ?? "Warn";
  const problems = duplicates.map((path) => `key ${JSON.stringify(path.slice(path.lastIndexOf(".") + 1))} already set in map`);
  if (mode === "Strict" && problems.length > 0) throw badRequest(`error strict decoding YAML: ${problems.join(", ")}`);
  const object = settle(request, merged);
  const metadata = {
    ...(request.namespace === "" ? {} : { namespace: request.namespace }),
    name: request.name,
    ...(object["metadata"] as JsonObject),
  };
  return { object: { ...object, metadata }, warnings: mode === "Warn" ? problems : [] };
}

/** Decodes and defaults what apply merged; an apply that changes nothing keeps the live managedFields with their times. */
function settle(request: PatchRequest, merged: JsonObject): JsonObject {
  const schemas = request.schemas ?? builtInSchemas;
  const managed = readManaged(merged);
  let decoded;
  try {
    decoded = decodeValue(request.type.schema, untracked(merged), schemas).object;
  } catch (error) {
    if (error instanceof DecodeFault) throw new StatusError(500, "", error.message);
    throw error;
  }
  const defaulted = withDefaults(request.type, decoded, schemas);
  const { current } = request;
  if (current && equalJson(defaulted, untracked(current))) {
    const before = readManaged(current);
    const same = managed.size === before.size && [...managed].every(([id, entry]) => before.get(id)?.fields.equals(entry.fields));
    if (same) return current;
  }
  return withManaged(defaulted, managed);
}

function parseApplied(text: string): { readonly value: JsonObject; readonly duplicates: readonly string[] } {
  let parsed: ParsedBody;
  try {
    parsed = text.trimStart().startsWith("{") ? parseJson(text) : parseYaml(text);
  } catch (error) {
    if (error instanceof StatusError) throw badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
  const { value, duplicates } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(
      "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal value into Go value of type map[string]interface {}",
    );
  }
  return { value: value as JsonObject, duplicates };
}

function withDefaults(type: ResourceType, object: JsonObject, schemas: SchemaTable | undefined): JsonObject {
  const copy: unknown = draft(object);
  applyDefaults(type, copy as Draft<KubeObject>, schemas);
  return copy as JsonObject;
}

function invalidPatch(value: string, detail: string): StatusError {
  const cause = `Invalid value: ${JSON.stringify(value)}: ${detail}`;
  return new StatusError(422, "Invalid", ` "" is invalid: patch: ${cause}`, {
    causes: [{ reason: "FieldValueInvalid", message: cause, field: "patch" }],
  });
}
