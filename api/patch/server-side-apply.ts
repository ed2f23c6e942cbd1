// Server-side apply: merges a configuration, finds conflicts with other managers, and prunes what its manager no longer applies.
// Upstream: structured-merge-diff merge/update.go, apimachinery pkg/util/managedfields/internal.
import { StatusError, badRequest } from "../../model/errors.ts";
import { type JsonObject, equalJson } from "../../model/object.ts";
import { apiVersionOf } from "../../model/resources.ts";
import { builtInSchemas } from "../../model/schema/index.ts";
import { FieldSet, type PathElement, pathText } from "./field-set.ts";
import {
  type FieldWrite,
  type Managed,
  type Ownership,
  changesBetween,
  emptyObject,
  ignoredFields,
  ownable,
  ownershipId,
  readManaged,
  untracked,
  updated,
  withManaged,
} from "./managed-fields.ts";
import { mergeTyped, typedProblems } from "./typed-merge.ts";
import { type Typed, isRecord, typedOf } from "./typed-schema.ts";
import { compare, fieldSetOf, removeFields, withNamedFields } from "./typed-walk.ts";

export interface ApplyRequest extends FieldWrite {
  readonly current: JsonObject | undefined;
  readonly applied: JsonObject;
  readonly force: boolean;
  readonly name: string;
  readonly namespace: string;
}

interface Conflict {
  readonly owner: Ownership;
  readonly path: readonly PathElement[];
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const BEFORE_FIRST_APPLY = "before-first-apply";

/** The merged object with its managedFields, not yet defaulted. Throws 409 with one cause per conflicting field, 400, or upstream's bare 500. */
export function serverSideApply(request: ApplyRequest): JsonObject {
  const { applied, current } = request;
  checkApplied(request);
  const typed = typedOf(request.schemas ?? builtInSchemas, request.type.schema);
  const problems = typedProblems(typed, applied);
  if (problems.length > 0) throw typedFailure(request, problems);

  const live = untracked(current ?? emptyObject(request));
  let managed = current ? readManaged(current) : new Map<string, Ownership>();
  if (current && managed.size === 0) {
    managed = new Map(updated(managed, emptyObject(request), live, { ...request, manager: BEFORE_FIRST_APPLY, subresource: undefined }));
  }
  const outcome = merge(typed, live, request, managed);
  const blocking = request.force ? [] : allowLastApplied(typed, request, live, outcome.conflicts);
  if (blocking.length > 0) throw conflictError(blocking);
  const object = refreshLastApplied(request, outcome.object);
  return withManaged(object, outcome.managed);
}

interface Outcome {
  readonly object: JsonObject;
  readonly managed: Managed;
  readonly conflicts: readonly Conflict[];
}

function merge(typed: Typed, live: JsonObject, request: ApplyRequest, before: Managed): Outcome {
  const id = ownershipId({ manager: request.manager, operation: "Apply", apiVersion: "", subresource: request.subresource ?? "" });
  const previous = before.get(id);
  const fields = ownable(fieldSetOf(typed, request.applied).without(ignoredFields(request)));
  const own: Ownership = {
    manager: request.manager,
    operation: "Apply",
    apiVersion: apiVersionOf(request.type),
    subresource: request.subresource ?? "",
    time: request.now,
    fields,
  };
  const merged = mergeTyped(typed, live, request.applied);
  const others = [...before].filter(([other]) => other !== id).map(([, entry]) => entry.fields);
  const owned = [...others, fields].reduce((all, set) => all.union(set), new FieldSet());
  const pruned = previous ? prune(typed, merged, previous.fields, owned) : merged;
  const object = (isRecord(pruned) ? pruned : {}) as JsonObject;

  const changes = changesBetween(live, object, request);
  const taken = changes.modified.union(changes.added);
  const managed = new Map<string, Ownership>();
  const conflicts: Conflict[] = [];
  for (const [other, entry] of before) {
    if (other === id) continue;
    const lost = entry.fields.intersection(taken);
    for (const path of lost.paths()) conflicts.push({ owner: entry, path });
    const rest = entry.fields.difference(lost).difference(changes.removed);
    if (!rest.isEmpty) managed.set(other, { ...entry, fields: rest });
  }
  const same = previous !== undefined && previous.fields.equals(fields) && equalJson(object, live);
  if (!fields.isEmpty) managed.set(id, same ? { ...own, time: previous.time } : own);
  return { object, managed, conflicts };
}

/** Takes away what the manager applied before and nobody owns now. */
function prune(typed: Typed, merged: unknown, last: FieldSet, owned: FieldSet): unknown {
  const mergedSet = withNamedFields(typed, fieldSetOf(typed, merged));
  const pruned = removeFields(typed, merged, last);
  const kept = withNamedFields(typed, fieldSetOf(typed, pruned)).union(withNamedFields(typed, owned));
  const restored = removeFields(typed, merged, mergedSet.difference(kept));
  const restoredSet = withNamedFields(typed, fieldSetOf(typed, restored));
  return removeFields(typed, merged, mergedSet.difference(restoredSet).intersection(withNamedFields(typed, last)));
}

function checkApplied({ applied, type, name }: ApplyRequest): void {
  const expected = apiVersionOf(type);
  const { apiVersion, kind, metadata } = applied;
  if (apiVersion === undefined || kind === undefined) {
    throw badRequest(
      `invalid object type: ${JSON.stringify({ apiVersion: apiVersion ?? "", kind: kind ?? "" })}: apiVersion and kind must be set`,
    );
  }
  if (apiVersion !== expected) {
    throw badRequest(`Incorrect version specified in apply patch. Specified patch version: ${String(apiVersion)}, expected: ${expected}`);
  }
  if (kind !== type.kind)
    throw badRequest(`Incorrect kind specified in apply patch. Specified patch kind: ${String(kind)}, expected: ${type.kind}`);
  if (!isRecord(metadata)) return;
  if (metadata["managedFields"] !== undefined && metadata["managedFields"] !== null) throw badRequest("metadata.managedFields must be nil");
  if (metadata["name"] !== undefined && metadata["name"] !== name) {
    throw badRequest(`the name of the object (${String(metadata["name"])}) does not match the name on the URL (${name})`);
  }
}

function typedFailure({ type, name, namespace }: ApplyRequest, problems: readonly string[]): StatusError {
  const id = `${namespace}/${name}; ${type.group}/${type.version}, Kind=${type.kind}`;
  const text = problems.length === 1 ? problems[0] : `errors:\n${problems.map((problem) => `  ${problem}`).join("\n")}`;
  return new StatusError(500, "", `failed to create typed patch object (${id}): ${text}`);
}

/** kubectl may take over from client-side apply: fields whose live value is the last applied one are no conflicts for it. */
function allowLastApplied(typed: Typed, request: ApplyRequest, live: JsonObject, conflicts: readonly Conflict[]): readonly Conflict[] {
  const text = lastApplied(live);
  if (request.manager !== "kubectl" || text === undefined || conflicts.length === 0) return conflicts;
  const allowed = parseObject(text);
  if (!allowed) return conflicts;
  const drift = compare(typed, allowed, live);
  const set = fieldSetOf(typed, allowed).difference(drift.modified).difference(drift.added).difference(drift.removed);
  return conflicts.filter(({ path }) => {
    const single = new FieldSet();
    single.insert(path);
    return single.intersection(set).isEmpty;
  });
}

/** Keeps the client-side apply annotation true while kubectl applies on the server. */
function refreshLastApplied(request: ApplyRequest, object: JsonObject): JsonObject {
  if (request.manager !== "kubectl" || lastApplied(object) === undefined) return object;
  const metadata = object["metadata"] as JsonObject;
  const annotations = { ...(metadata["annotations"] as JsonObject), [LAST_APPLIED]: `${JSON.stringify(request.applied)}\n` };
  return { ...object, metadata: { ...metadata, annotations } };
}

function lastApplied(object: JsonObject): string | undefined {
  const { metadata } = object;
  const annotations = isRecord(metadata) ? metadata["annotations"] : undefined;
  const text = isRecord(annotations) ? annotations[LAST_APPLIED] : undefined;
  return typeof text === "string" ? text : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const lines = Map.groupBy(conflicts, ({ owner }) => ownerText(owner));
  const text =
    conflicts.length === 1 && conflicts[0]
      ? `1 conflict: conflict with ${ownerText(conflicts[0].owner)}: ${pathText(conflicts[0].path)}`
      : `${conflicts.length} conflicts: ${[...lines]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([owner, list]) => [`conflicts with ${owner}:`, ...list.map(({ path }) => `- ${pathText(path)}`)].join("\n"))
          .join("\n")}`;
  return new StatusError(409, "Conflict", `Apply failed with ${text}`, {
    causes: conflicts.map(({ owner, path }) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${ownerText(owner)}`,
      field: pathText(path),
    })),
  });
}

function ownerText({ manager, subresource, operation, apiVersion }: Ownership): string {
  const name = `${JSON.stringify(manager)}${subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
