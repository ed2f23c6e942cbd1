// Defaulting of every served kind: one function per kind, in a list.
// Upstream: pkg/apis/*/v1/defaults.go and zz_generated.defaults.go.
import type { Draft, KubeObject } from "../object.ts";
import type { ResourceType } from "../resources.ts";
import { defaultConfig } from "./defaults/config.ts";
import { defaultNetwork } from "./defaults/network.ts";
import { defaultPods } from "./defaults/pod.ts";
import { defaultServices } from "./defaults/service.ts";
import { type SchemaTable, type Shape, builtInSchemas } from "./table.ts";

type Defaults = Readonly<Record<string, (object: never) => void>>;

/** Message name → its SetDefaults function. A kind that is missing has none. */
const DEFAULTS: Defaults = { ...defaultPods, ...defaultServices, ...defaultNetwork, ...defaultConfig };

/** Fills in, in place, what upstream's SetDefaults_* functions fill in for a kind. Idempotent. */
export function applyDefaults<T extends KubeObject>(type: ResourceType<T>, object: Draft<T>, schemas: SchemaTable = builtInSchemas): void {
  if (type.schema === "" || !schemas.has(type.schema)) return;
  materialize(schemas, { kind: "struct", name: type.schema }, object);
  DEFAULTS[type.schema]?.(object as never);
}

/**
 * Go structs that are no pointers are always there, and serialise as `{}`: `resources`, `status`, `strategy`. Fields whose default stands in
 * the table are filled on the way.
 */
export function materialize(schemas: SchemaTable, shape: Shape, value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (shape.kind === "scalar") return;
  if (shape.kind !== "struct") {
    const inner = shape.kind === "list" ? shape.element : shape.value;
    if (inner.kind !== "scalar") for (const item of Object.values(value)) materialize(schemas, inner, item);
    return;
  }
  const record = value as Record<string, unknown>;
  for (const [key, field] of schemas.fields(shape.name)) {
    if (record[key] === undefined) {
      if (field.shape.kind === "struct" && !field.pointer) record[key] = {};
      else if (field.default !== undefined && (field.pointer || !isZeroDefault(field.default))) setDefault(record, key, field.default);
      else continue;
    }
    if (field.shape.kind !== "scalar") materialize(schemas, field.shape, record[key]);
  }
}

const isZeroDefault = (text: string): boolean => text === '""' || text === "0" || text === "false";

function setDefault(record: Record<string, unknown>, key: string, text: string): void {
  if (!text.startsWith("ref(")) record[key] = JSON.parse(text) as unknown;
}
