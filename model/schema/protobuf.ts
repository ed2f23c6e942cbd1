// Decodes the bodies that kubectl >= 1.32 sends: the Kubernetes protobuf envelope around a gogo-encoded message, into JSON form.
// Upstream: apimachinery pkg/runtime/serializer/protobuf and the generated.proto files. Left out: encoding (JSON answers are accepted).
import { badRequest } from "../errors.ts";
import type { JsonObject } from "../object.ts";
import { isDropped } from "./decode.ts";
import { canonicalQuantity } from "./quantity.ts";
import { type ScalarName, type SchemaTable, type Shape, builtInSchemas } from "./table.ts";
import type { SchemaField } from "./schema-type.ts";
import { type WireField, WireFault, float64Of, integerOf, readFields, readVarints, textOf } from "./wire.ts";

/** The magic before every body: "k8s" and a zero byte. */
const PREFIX = [0x6b, 0x38, 0x73, 0x00];
const MAX_DEPTH = 100;

export interface ProtobufObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** JSON form, with apiVersion and kind. */
  readonly object: JsonObject;
}

/** True when the bytes start with the Kubernetes protobuf envelope. */
export function isProtobuf(body: Uint8Array): boolean {
  return PREFIX.every((byte, index) => body[index] === byte);
}

/** Decodes `application/vnd.kubernetes.protobuf`. Throws 400 on bytes that are no envelope, truncated, too deep, or of an unknown kind. */
export function decodeProtobuf(body: Uint8Array, schemas: SchemaTable = builtInSchemas): ProtobufObject {
  if (!isProtobuf(body)) throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  try {
    const envelope = readFields(body.subarray(PREFIX.length));
    const typeMeta = readFields(bytesOf(envelope, 1) ?? new Uint8Array());
    const apiVersion = textOf(bytesOf(typeMeta, 1));
    const kind = textOf(bytesOf(typeMeta, 2));
    if (kind === "" || apiVersion === "") throw new WireFault("Object 'Kind' is missing in the protobuf envelope");
    const name = messageName(schemas, apiVersion, kind);
    if (name === undefined) throw new WireFault(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
    const message = decodeMessage(schemas, name, bytesOf(envelope, 2) ?? new Uint8Array(), 0);
    return { apiVersion, kind, object: { ...message, apiVersion, kind } as JsonObject };
  } catch (error) {
    if (error instanceof WireFault) throw badRequest(`unable to decode protobuf body: ${error.message}`);
    throw error;
  }
}

const META_KINDS = new Set(["DeleteOptions"]);

/** "apps/v1" + "Deployment" → "apps/v1.Deployment": a package is named by the group's first label. */
export function messageName(schemas: SchemaTable, apiVersion: string, kind: string): string | undefined {
  if (META_KINDS.has(kind)) return `meta/v1.${kind}`;
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["core", apiVersion];
  const name = `${group?.split(".")[0]}/${version}.${kind}`;
  if (schemas.has(name)) return name;
  return schemas.has(`${apiVersion}.${kind}`) ? `${apiVersion}.${kind}` : undefined;
}

function decodeMessage(schemas: SchemaTable, name: string, bytes: Uint8Array, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new WireFault("message is nested too deeply");
  const groups = Map.groupBy(readFields(bytes), (field) => field.number);
  const out: Record<string, unknown> = {};
  for (const field of schemas.get(name)?.fields ?? []) {
    const occurrences = field.number === undefined ? undefined : groups.get(field.number);
    if (!occurrences) continue;
    if (field.inline) {
      for (const occurrence of occurrences) Object.assign(out, decodeMessage(schemas, field.type, expectBytes(occurrence), depth + 1));
      continue;
    }
    const json = field.json ?? "";
    const shape = schemas.shape(field.type);
    const value = decodeField(schemas, shape, occurrences, depth);
    if (value === undefined || isZero(field, shape, value)) continue;
    out[json] = value;
  }
  return out;
}

/** Gogo writes zero values out; what is not a pointer is dropped as Go's JSON drops it. */
function isZero(field: SchemaField, shape: Shape, value: unknown): boolean {
  if (isDropped({ ...field, json: field.json ?? "", shape }, value)) return true;
  return !field.pointer && shape.kind === "scalar" && shape.scalar === "IntOrString" && value === 0;
}

function decodeField(schemas: SchemaTable, shape: Shape, occurrences: readonly WireField[], depth: number): unknown {
  if (shape.kind === "list") {
    return occurrences.flatMap((occurrence) => decodeElements(schemas, shape.element, occurrence, depth));
  }
  if (shape.kind === "map") {
    const entries = occurrences.map((occurrence) => decodeEntry(schemas, shape.value, expectBytes(occurrence), depth));
    return Object.fromEntries(entries);
  }
  const last = occurrences.at(-1);
  if (!last) return undefined;
  // A named list (ExtraValue) is a message of its own with one repeated field; protobuf merges a message that comes in parts.
  if (shape.kind === "struct") {
    const parts = occurrences.map((occurrence) => decodeMessage(schemas, shape.name, expectBytes(occurrence), depth + 1));
    return Object.assign({}, ...parts) as unknown;
  }
  return decodeScalar(shape.scalar, last);
}

function decodeElements(schemas: SchemaTable, shape: Shape, field: WireField, depth: number): unknown[] {
  if (shape.kind === "scalar" && /^(int|bool)/.test(shape.scalar) && field.wire === 2) {
    return readVarints(expectBytes(field)).map((value) => decodeScalar(shape.scalar, { ...field, wire: 0, value }));
  }
  return [decodeElement(schemas, shape, field, depth)];
}

function decodeElement(schemas: SchemaTable, shape: Shape, field: WireField, depth: number): unknown {
  if (shape.kind === "struct") return decodeMessage(schemas, shape.name, expectBytes(field), depth + 1);
  if (shape.kind === "scalar") return decodeScalar(shape.scalar, field);
  const items = readFields(expectBytes(field)).filter((inner) => inner.number === 1);
  if (shape.kind === "list") return items.map((item) => decodeElement(schemas, shape.element, item, depth + 1));
  throw new WireFault("maps of maps are not supported");
}

function decodeEntry(schemas: SchemaTable, shape: Shape, bytes: Uint8Array, depth: number): readonly [string, unknown] {
  const fields = readFields(bytes);
  const value = fields.findLast((field) => field.number === 2);
  const key = textOf(bytesOf(fields, 1));
  return [key, decodeElement(schemas, shape, value ?? { number: 2, wire: 2, value: new Uint8Array() }, depth + 1)];
}

function decodeScalar(scalar: ScalarName, field: WireField): unknown {
  switch (scalar) {
    case "string":
      return textOf(expectBytes(field));
    case "bool":
      return integerOf(field) !== 0;
    case "int":
    case "int32":
    case "int64":
      return integerOf(field);
    case "float64":
      return float64Of(field);
    case "[]byte":
      return Buffer.from(expectBytes(field)).toString("base64");
    case "Quantity":
      return canonicalQuantity(textOf(bytesOf(readFields(expectBytes(field)), 1)) || "0");
    case "IntOrString":
      return decodeIntOrString(readFields(expectBytes(field)));
    case "Time":
    case "MicroTime":
      return decodeTime(readFields(expectBytes(field)), scalar);
    case "RawExtension":
    case "FieldsV1":
      return decodeRaw(bytesOf(readFields(expectBytes(field)), 1));
  }
}

function decodeIntOrString(fields: readonly WireField[]): number | string {
  const number = (wanted: number): number => {
    const field = fields.findLast((item) => item.number === wanted);
    return field ? integerOf(field) : 0;
  };
  return number(1) === 1 ? textOf(bytesOf(fields, 3)) : number(2);
}

function decodeTime(fields: readonly WireField[], scalar: "Time" | "MicroTime"): string | undefined {
  const at = (wanted: number): number => {
    const field = fields.findLast((item) => item.number === wanted);
    return field ? integerOf(field) : 0;
  };
  const seconds = at(1);
  if (fields.length === 0) return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 || date.getUTCFullYear() < 1) {
    throw new WireFault("timestamp is out of range");
  }
  const text = date.toISOString().slice(0, 19);
  return scalar === "Time" ? `${text}Z` : `${text}.${String(Math.floor(at(2) / 1000)).padStart(6, "0")}Z`;
}

function decodeRaw(bytes: Uint8Array | undefined): unknown {
  if (!bytes || bytes.length === 0) return undefined;
  try {
    return JSON.parse(textOf(bytes)) as unknown;
  } catch {
    throw new WireFault("an embedded object is not JSON");
  }
}

function bytesOf(fields: readonly WireField[], number: number): Uint8Array | undefined {
  const field = fields.findLast((item) => item.number === number);
  return field && expectBytes(field);
}

function expectBytes(field: WireField): Uint8Array {
  if (field.value instanceof Uint8Array && field.wire === 2) return field.value;
  throw new WireFault(`field ${field.number} has wire type ${field.wire}, expected 2`);
}
