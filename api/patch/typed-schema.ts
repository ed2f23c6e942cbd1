// The schema table as server-side apply sees it: what is owned field by field, item by item, or as a whole.
// Upstream: kube-openapi pkg/schemaconv (listType, mapType, structType → structured-merge-diff schema).
import type { ResolvedField, SchemaTable, Shape } from "../../model/schema/index.ts";
import type { PathElement } from "./field-set.ts";

export type Typed =
  | { readonly kind: "scalar"; readonly scalar: string }
  /** Owned as a whole, whatever is in it. */
  | { readonly kind: "atomic"; readonly shape: Shape | undefined }
  | { readonly kind: "struct"; field(name: string): Typed | undefined }
  | { readonly kind: "map"; readonly value: Typed }
  | { readonly kind: "list"; readonly element: Typed; readonly keys: readonly string[]; readonly defaults: ReadonlyMap<string, unknown> }
  | { readonly kind: "set"; readonly element: Typed }
  /** No schema: objects by field, lists as a whole. */
  | { readonly kind: "deduced" };

const DEDUCED: Typed = { kind: "deduced" };
const cache = new WeakMap<ResolvedField, Typed>();

/** The type of a message of the table; without one, everything is deduced from the values. */
export function typedOf(schemas: SchemaTable, schema: string): Typed {
  if (schema === "" || !schemas.has(schema)) return DEDUCED;
  return shapeTyped(schemas, { kind: "struct", name: schema });
}

/** A deduced type made definite by the value at hand. */
export function resolve(typed: Typed, value: unknown): Typed {
  if (typed.kind !== "deduced") return typed;
  if (Array.isArray(value)) return { kind: "atomic", shape: undefined };
  return typeof value === "object" && value !== null ? { kind: "map", value: DEDUCED } : { kind: "scalar", scalar: "any" };
}

function shapeTyped(schemas: SchemaTable, shape: Shape): Typed {
  switch (shape.kind) {
    case "scalar":
      return shape.scalar === "RawExtension" || shape.scalar === "FieldsV1"
        ? { kind: "atomic", shape }
        : { kind: "scalar", scalar: shape.scalar };
    case "list":
      return { kind: "atomic", shape };
    case "map":
      return { kind: "map", value: shapeTyped(schemas, shape.value) };
    case "struct":
      if (schemas.isAtomic(shape.name)) return { kind: "atomic", shape };
      return structTyped(schemas, shape.name);
  }
}

function structTyped(schemas: SchemaTable, name: string): Typed {
  const fields = schemas.fields(name);
  return {
    kind: "struct",
    field(key) {
      const field = fields.get(key);
      return field && fieldTyped(schemas, field);
    },
  };
}

function fieldTyped(schemas: SchemaTable, field: ResolvedField): Typed {
  const known = cache.get(field);
  if (known) return known;
  const typed = makeFieldTyped(schemas, field);
  cache.set(field, typed);
  return typed;
}

function makeFieldTyped(schemas: SchemaTable, field: ResolvedField): Typed {
  const { shape } = field;
  if (field.mapType === "atomic" || field.structType === "atomic") return { kind: "atomic", shape };
  if (shape.kind !== "list") return shapeTyped(schemas, shape);
  const element = shapeTyped(schemas, shape.element);
  if (field.listType === "set") return { kind: "set", element };
  if (field.listType !== "map" || shape.element.kind !== "struct") return { kind: "atomic", shape };
  const inner = schemas.fields(shape.element.name);
  const defaults = new Map<string, unknown>();
  for (const key of field.listMapKeys ?? []) {
    const text = inner.get(key)?.default;
    if (text !== undefined && !text.startsWith("ref(")) defaults.set(key, JSON.parse(text));
  }
  return { kind: "list", element, keys: [...(field.listMapKeys ?? [])].sort(), defaults };
}

/** The path element of an item of a list or set; a string is why it has none. */
export function itemElement(typed: Typed & { readonly kind: "list" | "set" }, item: unknown): PathElement | { readonly problem: string } {
  if (typed.kind === "set") return `v:${JSON.stringify(item)}`;
  if (!isRecord(item)) return { problem: "associative list with keys may not have non-map elements" };
  const key: Record<string, unknown> = {};
  for (const name of typed.keys) {
    const value = item[name] ?? typed.defaults.get(name);
    if (value === undefined) {
      return {
        problem: `associative list with keys has an element that omits key field ${JSON.stringify(name)} (and doesn't have default value)`,
      };
    }
    key[name] = value;
  }
  return `k:${JSON.stringify(key)}`;
}

/** Items by path element; of items with equal keys the first stands. Items without a key are left out. */
export function itemsByElement(typed: Typed & { readonly kind: "list" | "set" }, list: readonly unknown[]): Map<PathElement, unknown> {
  const items = new Map<PathElement, unknown>();
  for (const item of list) {
    const element = itemElement(typed, item);
    if (typeof element === "string" && !items.has(element)) items.set(element, item);
  }
  return items;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
