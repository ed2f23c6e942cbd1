// The schema table: every message's fields, with the facts that decoding, defaulting, patches, OpenAPI and protobuf need.
// Upstream: the struct tags and markers of k8s.io/api types.go. Left out: kinds that are not served.
import { ownSchemas } from "./own-schemas.ts";
import type { SchemaField, SchemaType } from "./schema-type.ts";
import types from "./types.json" with { type: "json" };

const SCALARS = [
  "string",
  "bool",
  "int",
  "int32",
  "int64",
  "float64",
  "[]byte",
  "IntOrString",
  "Quantity",
  "Time",
  "MicroTime",
  "RawExtension",
  "FieldsV1",
] as const;
export type ScalarName = (typeof SCALARS)[number];

/** What a type text means. `name` is the named type it was reached through, if any. */
export type Shape =
  | { readonly kind: "scalar"; readonly scalar: ScalarName; readonly name?: string; readonly values?: readonly string[] }
  | { readonly kind: "list"; readonly element: Shape; readonly name?: string }
  | { readonly kind: "map"; readonly value: Shape; readonly name?: string }
  | { readonly kind: "struct"; readonly name: string };

/** A field with its type resolved. */
export interface ResolvedField extends SchemaField {
  readonly json: string;
  readonly shape: Shape;
}

const isScalar = (type: string): type is ScalarName => SCALARS.some((scalar) => scalar === type);

/** Lookups over a set of types; more can be registered while running (own kinds, custom resources). */
export class SchemaTable {
  readonly #types: Map<string, SchemaType>;
  readonly #shapes = new Map<string, Shape>();
  readonly #fields = new Map<string, ReadonlyMap<string, ResolvedField>>();

  constructor(initial: Readonly<Record<string, SchemaType>> = {}) {
    this.#types = new Map(Object.entries(initial));
  }
  /** Names of all types. */
  get names(): readonly string[] {
    return [...this.#types.keys()];
  }
  has(name: string): boolean {
    return this.#types.has(name);
  }
  get(name: string): SchemaType | undefined {
    return this.#types.get(name);
  }
  /** Adds or replaces a type. */
  register(name: string, type: SchemaType): void {
    this.#types.set(name, type);
    this.#shapes.clear();
    this.#fields.clear();
  }
  /** A table of its own with the same types. */
  copy(): SchemaTable {
    return new SchemaTable(Object.fromEntries(this.#types));
  }
  /** Resolves a type text such as `[]core/v1.Container`; throws on a type that is not in the table. */
  shape(text: string): Shape {
    const known = this.#shapes.get(text);
    if (known) return known;
    const shape = this.#resolve(text);
    this.#shapes.set(text, shape);
    return shape;
  }
  /** The JSON fields of a struct by name, inline structs flattened into it. */
  fields(name: string): ReadonlyMap<string, ResolvedField> {
    const known = this.#fields.get(name);
    if (known) return known;
    const fields = new Map<string, ResolvedField>();
    for (const field of this.#types.get(name)?.fields ?? []) {
      if (field.inline) for (const [key, inner] of this.fields(field.type)) fields.set(key, inner);
      else if (field.json !== undefined) fields.set(field.json, { ...field, json: field.json, shape: this.shape(field.type) });
    }
    this.#fields.set(name, fields);
    return fields;
  }
  /** True when server-side apply owns the struct as a whole. */
  isAtomic(name: string): boolean {
    return this.#types.get(name)?.structType === "atomic";
  }
  #resolve(text: string): Shape {
    if (isScalar(text)) return { kind: "scalar", scalar: text };
    if (text.startsWith("[]")) return { kind: "list", element: this.shape(text.slice(2)) };
    if (text.startsWith("map[string]")) return { kind: "map", value: this.shape(text.slice(11)) };
    const type = this.#types.get(text);
    if (!type) throw new Error(`schema: unknown type ${text}`);
    if (type.fields) return { kind: "struct", name: text };
    const target = this.shape(type.alias ?? "string");
    if (target.kind === "struct") return target;
    return target.kind === "scalar" && type.enum?.length ? { ...target, name: text, values: type.enum } : { ...target, name: text };
  }
}

/** The built-in types. Shared: register on a `copy()`. */
export const builtInSchemas: SchemaTable = new SchemaTable({
  ...(types as unknown as Readonly<Record<string, SchemaType>>),
  ...ownSchemas,
});

/** How Go prints a shape's type in messages: `int32`, `[]v1.Container`, `map[string]string`. */
export function goTypeName(shape: Shape): string {
  if (shape.kind === "struct" || shape.name !== undefined) {
    const name = shape.name ?? "";
    return name.slice(name.indexOf("/") + 1);
  }
  if (shape.kind === "list") return `[]${goTypeName(shape.element)}`;
  if (shape.kind === "map") return `map[string]${goTypeName(shape.value)}`;
  const special: Partial<Record<ScalarName, string>> = {
    "[]byte": "[]uint8",
    IntOrString: "intstr.IntOrString",
    Quantity: "resource.Quantity",
    Time: "v1.Time",
    MicroTime: "v1.MicroTime",
    RawExtension: "runtime.RawExtension",
    FieldsV1: "v1.FieldsV1",
  };
  return special[shape.scalar] ?? shape.scalar;
}
