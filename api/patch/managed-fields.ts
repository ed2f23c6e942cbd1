// metadata.managedFields: who set which field, kept for creates, updates and patches.
// Upstream: apimachinery pkg/util/managedfields, structured-merge-diff merge/update.go. One API version per kind, so nothing is converted.
import type { JsonObject } from "../../model/object.ts";
import { type ResourceType, type Subresource, apiVersionOf } from "../../model/resources.ts";
import { type SchemaTable, builtInSchemas, materialize } from "../../model/schema/index.ts";
import { FieldSet } from "./field-set.ts";
import { isRecord, typedOf } from "./typed-schema.ts";
import { type Comparison, compare } from "./typed-walk.ts";

/** Who writes, and when: what a managedFields entry records. */
export interface FieldWrite {
  readonly type: ResourceType;
  readonly manager: string;
  readonly subresource?: Subresource | undefined;
  /** RFC 3339 seconds: `timestamp(clock)`. */
  readonly now: string;
  readonly schemas?: SchemaTable | undefined;
}

/** One entry of managedFields, its fields as a set. */
export interface Ownership {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** All entries of an object by identity: `ownershipId`. */
export type Managed = ReadonlyMap<string, Ownership>;

const MAX_UPDATE_ENTRIES = 10;
const ANCIENT = "ancient-changes";
const SYSTEM_METADATA = [
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
];
/** Fields that nobody owns: they are the system's. */
const UNOWNED = setOf([["f:apiVersion"], ["f:kind"], ["f:metadata"], ...SYSTEM_METADATA.map((name) => ["f:metadata", `f:${name}`])]);

/** The manager's name: the fieldManager parameter, else the User-Agent up to its first slash. */
export function managerName(fieldManager: string | undefined, userAgent: string | undefined): string {
  return fieldManager || (userAgent ?? "").split("/")[0] || "unknown";
}

/** The (defaulted) object to create with metadata.managedFields filled in. */
export function trackCreate(object: JsonObject, write: FieldWrite): JsonObject {
  const empty = emptyObject(write);
  return withManaged(object, updated(new Map(), empty, object, write));
}

/** The (defaulted) object that replaces `live`, with ownership of the changed fields moved to the writer. */
export function trackUpdate(object: JsonObject, live: JsonObject, write: FieldWrite): JsonObject {
  const managed = managedToUpdate(object, live, write);
  if (managed.size === 0) return withManaged(object, managed);
  return withManaged(object, updated(managed, live, object, write));
}

/** A client may rewrite managedFields itself (kubectl does, to migrate to server-side apply), or reset it with one empty entry. */
function managedToUpdate(object: JsonObject, live: JsonObject, write: FieldWrite): Managed {
  const own = entriesOf(object);
  if (write.subresource === undefined && own) {
    if (own.length === 0 || (own.length === 1 && isRecord(own[0]) && Object.keys(own[0]).length === 0)) return new Map();
    const managed = readManaged(object);
    if (managed.size > 0) return managed;
  }
  return readManaged(live);
}

/** Ownership after an Update: what it added or changed is the writer's, and no longer another's. */
export function updated(managed: Managed, live: JsonObject, object: JsonObject, write: FieldWrite): Managed {
  const changes = changesBetween(live, object, write);
  const taken = changes.added.union(changes.modified);
  const entries = new Map<string, Ownership>();
  for (const [id, entry] of managed) keep(entries, id, { ...entry, fields: entry.fields.difference(taken).difference(changes.removed) });
  const own: Ownership = {
    manager: write.manager,
    operation: "Update",
    apiVersion: apiVersionOf(write.type),
    subresource: write.subresource ?? "",
    time: write.now,
    fields: ownable(taken),
  };
  const id = ownershipId(own);
  const before = managed.get(id)?.fields.difference(changes.removed);
  if (!own.fields.isEmpty) keep(entries, id, { ...own, fields: before ? before.union(own.fields) : own.fields });
  return capped(entries);
}

/** The differences that a write of this subresource can make: a main write never owns status, a status write never spec. */
export function changesBetween(live: JsonObject, object: JsonObject, write: FieldWrite): Comparison {
  const typed = typedOf(write.schemas ?? builtInSchemas, write.type.schema);
  const { added, modified, removed } = compare(typed, untracked(live), untracked(object));
  const ignored = ignoredFields(write);
  return { added: added.without(ignored), modified: modified.without(ignored), removed: removed.without(ignored) };
}

/** Fields that a write does not own because it cannot change them. */
export function ignoredFields(write: FieldWrite): FieldSet {
  if (!write.type.subresources.includes("status")) return new FieldSet();
  return setOf([[write.subresource === "status" ? "f:spec" : "f:status"]]);
}

/** Takes the system's fields out of a set. */
export function ownable(fields: FieldSet): FieldSet {
  return fields.difference(UNOWNED);
}

/** An object of the kind with nothing set, as Go would make it. */
export function emptyObject(write: FieldWrite): JsonObject {
  const schemas = write.schemas ?? builtInSchemas;
  const object: Record<string, JsonObject> = { metadata: {} };
  if (schemas.has(write.type.schema)) materialize(schemas, { kind: "struct", name: write.type.schema }, object);
  return { apiVersion: apiVersionOf(write.type), kind: write.type.kind, ...object };
}

/** The object without metadata.managedFields. */
export function untracked(object: JsonObject): JsonObject {
  const { metadata } = object;
  if (!isRecord(metadata) || !("managedFields" in metadata)) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest as JsonObject };
}

/** The entries of an object; entries that are not understood are left out. */
export function readManaged(object: JsonObject): Managed {
  const managed = new Map<string, Ownership>();
  for (const item of entriesOf(object) ?? []) {
    if (!isRecord(item) || (item["operation"] !== "Apply" && item["operation"] !== "Update")) continue;
    const entry: Ownership = {
      manager: textOf(item["manager"]),
      operation: item["operation"],
      apiVersion: textOf(item["apiVersion"]),
      subresource: textOf(item["subresource"]),
      time: typeof item["time"] === "string" ? item["time"] : undefined,
      fields: FieldSet.fromJson(item["fieldsV1"]),
    };
    const id = ownershipId(entry);
    const twin = managed.get(id);
    managed.set(id, twin ? { ...twin, fields: twin.fields.union(entry.fields) } : entry);
  }
  return managed;
}

/** The object with these entries, sorted as upstream sorts them. */
export function withManaged(object: JsonObject, managed: Managed): JsonObject {
  const bare = untracked(object);
  if (managed.size === 0) return bare;
  const entries = [...managed.values()].sort(
    (a, b) =>
      byText(a.operation, b.operation) ||
      byText(a.time ?? "", b.time ?? "") ||
      byText(a.manager, b.manager) ||
      byText(a.subresource, b.subresource),
  );
  const managedFields = entries.map((entry): JsonObject => ({
    apiVersion: entry.apiVersion,
    fieldsType: "FieldsV1",
    fieldsV1: entry.fields.toJson(),
    manager: entry.manager,
    operation: entry.operation,
    ...(entry.subresource === "" ? {} : { subresource: entry.subresource }),
    ...(entry.time === undefined ? {} : { time: entry.time }),
  }));
  return { ...bare, metadata: { ...(bare["metadata"] as JsonObject), managedFields } };
}

/** Identity of an entry: an applier is the same whatever version it applies. */
export function ownershipId(entry: Pick<Ownership, "manager" | "operation" | "apiVersion" | "subresource">): string {
  return JSON.stringify([entry.manager, entry.operation, entry.operation === "Apply" ? "" : entry.apiVersion, entry.subresource]);
}

function keep(entries: Map<string, Ownership>, id: string, entry: Ownership): void {
  if (entry.fields.isEmpty) entries.delete(id);
  else entries.set(id, entry);
}

/** At most ten Update entries: the oldest become one, so that objects do not grow without bound. */
function capped(entries: Map<string, Ownership>): Managed {
  const updates = [...entries].filter(([, entry]) => entry.operation === "Update");
  const excess = updates.length - MAX_UPDATE_ENTRIES;
  if (excess <= 0) return entries;
  updates.sort(([, a], [, b]) => byText(a.time ?? "", b.time ?? ""));
  for (const [id, entry] of updates.slice(0, excess + 1)) {
    entries.delete(id);
    const ancient: Ownership = { ...entry, manager: ANCIENT, subresource: "" };
    const twin = entries.get(ownershipId(ancient));
    entries.set(ownershipId(ancient), twin ? { ...ancient, fields: twin.fields.union(entry.fields) } : ancient);
  }
  return entries;
}

function entriesOf(object: JsonObject): readonly unknown[] | undefined {
  const { metadata } = object;
  const list = isRecord(metadata) ? metadata["managedFields"] : undefined;
  return Array.isArray(list) ? list : undefined;
}

function setOf(paths: readonly (readonly string[])[]): FieldSet {
  const set = new FieldSet();
  for (const path of paths) set.insert(path);
  return set;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
