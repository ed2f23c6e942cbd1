// Decodes a JSON value as a message of the schema table: types checked, unknown fields listed, nulls and zero values dropped as Go drops them.
// Upstream: encoding/json's decoder over k8s.io/api structs.
import type { JsonObject } from "../object.ts";
import { canonicalQuantity, isQuantity } from "./quantity.ts";
import { type ResolvedField, type ScalarName, type SchemaTable, type Shape, goTypeName } from "./table.ts";

/** A value that does not fit its type: `json: cannot unmarshal string into Go struct field …`. */
export class DecodeFault extends Error {
  override readonly name = "DecodeFault";
  /** The same in the words of the converter that strategic merge patches go through (apimachinery pkg/runtime/converter.go). */
  readonly conversion: string;
  constructor(message: string, conversion = message) {
    super(message);
    this.conversion = conversion;
  }
}

interface Place {
  /** The innermost struct's Go name. */
  readonly struct: string;
  /** Field names without indices, as encoding/json has them. */
  readonly fields: string;
  /** Field names with indices, as strict decoding has them. */
  readonly path: string;
}

interface Context {
  readonly schemas: SchemaTable;
  readonly unknownFields: string[];
}

/** Decodes `value` as the named struct. */
export function decodeStruct(
  schemas: SchemaTable,
  name: string,
  value: unknown,
): { readonly object: JsonObject; readonly unknownFields: readonly string[] } {
  const context: Context = { schemas, unknownFields: [] };
  const object = decode(context, { kind: "struct", name }, value, { struct: "", fields: "", path: "" });
  return { object: (object ?? {}) as JsonObject, unknownFields: context.unknownFields };
}

function decode(context: Context, shape: Shape, value: unknown, place: Place): unknown {
  if (value === null || value === undefined) return undefined;
  switch (shape.kind) {
    case "struct":
      return decodeFields(context, shape, value, place);
    case "list":
      if (!Array.isArray(value)) throw mismatch(value, shape, place);
      return value.map((item: unknown, index) => {
        const decoded = decode(context, shape.element, item, { ...place, path: `${place.path}[${index}]` });
        return decoded ?? zeroOf(shape.element);
      });
    case "map": {
      if (!isObject(value)) throw mismatch(value, shape, place);
      const out: Record<string, unknown> = {};
      for (const [key, item] of Object.entries(value)) {
        const decoded = decode(context, shape.value, item, { ...place, fields: place.fields, path: join(place.path, key) });
        setKey(out, key, decoded ?? zeroOf(shape.value));
      }
      return out;
    }
    case "scalar":
      return decodeScalar(shape.scalar, shape, value, place);
  }
}

function decodeFields(context: Context, shape: Shape & { readonly kind: "struct" }, value: unknown, place: Place): unknown {
  if (!isObject(value)) throw mismatch(value, shape, place);
  const fields = context.schemas.fields(shape.name);
  const struct = shape.name.slice(shape.name.lastIndexOf(".") + 1);
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const field = fields.get(key);
    const path = join(place.path, key);
    if (!field) {
      context.unknownFields.push(path);
      continue;
    }
    const decoded = decode(context, field.shape, item, { struct, fields: join(place.fields, key), path });
    if (decoded !== undefined && !isDropped(field, decoded)) out[key] = decoded;
  }
  return out;
}

/** Go's omitempty: empty lists and maps, and zero scalars that are no pointers, are as good as absent. */
export function isDropped(field: ResolvedField, value: unknown): boolean {
  if (!field.omitempty) return false;
  if (field.shape.kind === "list") return Array.isArray(value) && value.length === 0;
  if (field.shape.kind === "map") return !field.pointer && isObject(value) && Object.keys(value).length === 0;
  if (field.shape.kind === "struct" || field.pointer || field.shape.scalar === "IntOrString") return false;
  return value === 0 || value === "" || value === false;
}

function zeroOf(shape: Shape): unknown {
  if (shape.kind === "struct" || shape.kind === "map") return {};
  if (shape.kind === "list") return [];
  if (shape.scalar === "bool") return false;
  if (/^(int|float)/.test(shape.scalar)) return 0;
  return shape.scalar === "Quantity" ? "0" : "";
}

const INTEGERS: Partial<Record<ScalarName, readonly [min: number, max: number]>> = {
  int: [-(2 ** 63), 2 ** 63],
  int32: [-2147483648, 2147483647],
  int64: [-(2 ** 63), 2 ** 63],
};

function decodeScalar(scalar: ScalarName, shape: Shape, value: unknown, place: Place): unknown {
  const integers = INTEGERS[scalar];
  if (integers) return decodeInteger(integers, shape, value, place);
  switch (scalar) {
    case "string":
      if (typeof value !== "string") throw mismatch(value, shape, place);
      return value;
    case "bool":
      if (typeof value !== "boolean") throw mismatch(value, shape, place);
      return value;
    case "float64":
      if (typeof value !== "number") throw mismatch(value, shape, place);
      return value;
    case "[]byte":
      if (typeof value !== "string") throw mismatch(value, shape, place);
      checkBase64(value);
      return value.replace(/[\r\n]/g, "");
    case "IntOrString":
      if (typeof value === "string") return value;
      return decodeInteger([-2147483648, 2147483647], { kind: "scalar", scalar: "int32" }, value, place);
    case "Quantity": {
      const text = typeof value === "number" ? String(value) : value;
      if (typeof text !== "string" || !isQuantity(text)) {
        throw new DecodeFault("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
      }
      return canonicalQuantity(text);
    }
    case "Time":
    case "MicroTime":
      if (typeof value !== "string") throw mismatch(value, { kind: "scalar", scalar: "string" }, { ...place, struct: "", fields: "" });
      return decodeTime(value, scalar);
    default:
      return value;
  }
}

function decodeInteger([min, max]: readonly [number, number], shape: Shape, value: unknown, place: Place): number {
  if (typeof value !== "number") throw mismatch(value, shape, place);
  if (!Number.isInteger(value) || value < min || value > max) throw mismatch(value, shape, place, `number ${value}`);
  return value;
}

function checkBase64(text: string): void {
  const clean = text.replace(/[\r\n]/g, "");
  const bad = /[^A-Za-z0-9+/=]/.exec(clean)?.index ?? (/^[^=]*={0,2}$/.test(clean) ? -1 : clean.indexOf("="));
  if (bad >= 0 || clean.length % 4 !== 0) {
    throw new DecodeFault(`illegal base64 data at input byte ${bad >= 0 ? bad : clean.length - (clean.length % 4)}`);
  }
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function decodeTime(text: string, scalar: "Time" | "MicroTime"): string | undefined {
  if (text === "") return undefined;
  const at = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    const layout = scalar === "Time" ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
    throw new DecodeFault(
      `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  }
  const seconds = new Date(at).toISOString().slice(0, 19);
  const fraction = (RFC3339.exec(text)?.[7] ?? ".").slice(1, 7).padEnd(6, "0");
  return scalar === "Time" ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

function mismatch(value: unknown, shape: Shape, place: Place, found = jsonTypeName(value)): DecodeFault {
  const type = goTypeName(shape);
  const target = place.struct === "" ? "value" : `struct field ${place.struct}.${place.fields}`;
  return new DecodeFault(`json: cannot unmarshal ${found} into Go ${target} of type ${type}`, conversionText(value, shape));
}

function conversionText(value: unknown, shape: Shape): string {
  const number = typeof value === "number";
  const kind = number
    ? Number.isInteger(value)
      ? "int64"
      : "float64"
    : Array.isArray(value)
      ? "slice"
      : isObject(value)
        ? "map"
        : jsonTypeName(value);
  if (shape.kind === "struct") return `cannot restore struct from: ${kind}`;
  if (shape.kind === "list") return `cannot restore slice from ${kind}`;
  if (shape.kind === "map") return `cannot restore map from ${kind}`;
  return number && shape.scalar === "string" ? `cannot convert ${kind} to string` : `unrecognized type: ${shape.scalar}`;
}

function jsonTypeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** Sets an own property whatever its name, `__proto__` included. */
function setKey(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
