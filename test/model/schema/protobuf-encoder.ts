// Encodes a JSON object as kubectl does: the peer of model/schema/protobuf.ts, and generators of random objects of any message.
// Upstream: gogo's generated.pb.go. Zero values of non-pointers are written out, as gogo writes them.
import fc from "fast-check";
import { builtInSchemas, canonicalQuantity, type ScalarName, type SchemaField, type Shape } from "../../../model/schema/index.ts";

const schemas = builtInSchemas;

export function encodeEnvelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const typeMeta = Buffer.concat([bytesField(1, text(apiVersion)), bytesField(2, text(kind))]);
  return Buffer.concat([
    Buffer.from("k8s\0"),
    bytesField(1, typeMeta),
    bytesField(2, raw),
    bytesField(3, text("")),
    bytesField(4, text("")),
  ]);
}

export function encodeMessage(name: string, value: Readonly<Record<string, unknown>>): Buffer {
  const parts = (schemas.get(name)?.fields ?? []).map((field) => {
    if (field.number === undefined) return Buffer.alloc(0);
    if (field.inline) return bytesField(field.number, encodeMessage(field.type, value));
    return encodeField(field, field.number, schemas.shape(field.type), value[field.json ?? ""]);
  });
  return Buffer.concat(parts);
}

function encodeField(field: SchemaField, number: number, shape: Shape, value: unknown): Buffer {
  if (value === undefined && (field.pointer || shape.kind !== "scalar")) return Buffer.alloc(0);
  if (shape.kind === "list" && Array.isArray(value)) return Buffer.concat(value.map((item) => encodeOne(number, shape.element, item)));
  if (shape.kind === "map") {
    const entries = Object.entries(value as object).map(([key, item]) =>
      bytesField(number, Buffer.concat([bytesField(1, text(key)), encodeOne(2, shape.value, item)])),
    );
    return Buffer.concat(entries);
  }
  return encodeOne(number, shape, value);
}

function encodeOne(number: number, shape: Shape, value: unknown): Buffer {
  if (shape.kind === "struct") return bytesField(number, encodeMessage(shape.name, value as Record<string, unknown>));
  if (shape.kind === "list" && Array.isArray(value))
    return bytesField(number, Buffer.concat(value.map((item) => encodeOne(1, shape.element, item))));
  if (shape.kind === "scalar") return encodeScalar(number, shape.scalar, value);
  throw new Error("a map cannot stand in a list");
}

function encodeScalar(number: number, scalar: ScalarName, value: unknown): Buffer {
  switch (scalar) {
    case "bool":
      return varintField(number, value === true ? 1n : 0n);
    case "int":
    case "int32":
    case "int64":
      return varintField(number, BigInt((value as number | undefined) ?? 0));
    case "[]byte":
      return value === undefined ? Buffer.alloc(0) : bytesField(number, Buffer.from(String(value), "base64"));
    case "Quantity":
      return value === undefined ? Buffer.alloc(0) : bytesField(number, bytesField(1, text(String(value))));
    case "IntOrString": {
      const isText = typeof value === "string";
      const parts = [
        varintField(1, isText ? 1n : 0n),
        varintField(2, BigInt(isText ? 0 : ((value as number | undefined) ?? 0))),
        bytesField(3, text(isText ? value : "")),
      ];
      return bytesField(number, Buffer.concat(parts));
    }
    case "Time":
    case "MicroTime": {
      if (value === undefined) return bytesField(number, Buffer.alloc(0));
      const at = Date.parse(String(value));
      const micros = scalar === "Time" ? 0 : Number(String(value).slice(20, 26));
      return bytesField(number, Buffer.concat([varintField(1, BigInt(Math.floor(at / 1000))), varintField(2, BigInt(micros * 1000))]));
    }
    case "RawExtension":
    case "FieldsV1":
      return value === undefined ? Buffer.alloc(0) : bytesField(number, bytesField(1, text(JSON.stringify(value))));
    default:
      return bytesField(number, text(String(value ?? "")));
  }
}

function varint(value: bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(out);
}

const text = (value: string): Buffer => Buffer.from(value, "utf8");
const varintField = (number: number, value: bigint): Buffer => Buffer.concat([varint(BigInt(number * 8)), varint(value)]);
export const bytesField = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes]);

/** Random objects of a message, sparse and not deep, in the normal form that decoding yields. */
export function arbitraryMessage(name: string, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  // TypeMeta has no field number: it is the envelope's, and that of an object inside another is not on the wire.
  const typed = schemas.get(name)?.fields?.some(({ inline, type }) => inline && type === "meta/v1.TypeMeta");
  const fields = [...schemas.fields(name)].filter(([key]) => !typed || (key !== "apiVersion" && key !== "kind"));
  const always = fields.filter(([, field]) => !field.omitempty && !field.pointer && field.shape.kind === "scalar");
  const others = depth > 4 ? [] : fields.filter((field) => !always.includes(field));
  return fc.subarray(others, { maxLength: Math.min(4, others.length) }).chain((chosen) => {
    const values = [...always, ...chosen].map(([key, field]) =>
      arbitraryShape(field.shape, depth + 1, Boolean(field.omitempty) && !field.pointer).map((value): readonly [string, unknown] => [
        key,
        value,
      ]),
    );
    return fc.tuple(...values).map((entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
  });
}

function arbitraryShape(shape: Shape, depth: number, nonZero: boolean): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "struct":
      return arbitraryMessage(shape.name, depth);
    case "list":
      return fc.array(arbitraryShape(shape.element, depth, false), { minLength: 1, maxLength: 2 });
    case "map":
      return fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), arbitraryShape(shape.value, depth, false), {
        minKeys: 1,
        maxKeys: 2,
        noNullPrototype: true,
      });
    case "scalar":
      return arbitraryScalar(shape.scalar, nonZero);
  }
}

function arbitraryScalar(scalar: ScalarName, nonZero: boolean): fc.Arbitrary<unknown> {
  const at = fc.date({ min: new Date("1970-01-01T00:00:01Z"), max: new Date("2100-01-01"), noInvalidDate: true });
  switch (scalar) {
    case "bool":
      return nonZero ? fc.constant(true) : fc.boolean();
    case "int":
    case "int32":
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).filter((value) => !nonZero || value !== 0);
    case "int64":
      return fc.maxSafeInteger().filter((value) => !nonZero || value !== 0);
    case "[]byte":
      return fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    case "IntOrString":
      return fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.string({ minLength: 1, maxLength: 5, unit: "grapheme" }));
    case "Quantity":
      return fc
        .tuple(fc.integer({ min: 1, max: 5000 }), fc.constantFrom("", "m", "Mi", "Gi", "k"))
        .map(([n, unit]) => canonicalQuantity(`${n}${unit}`));
    case "Time":
      return at.map((date) => `${date.toISOString().slice(0, 19)}Z`);
    case "MicroTime":
      return at.map((date) => date.toISOString().replace("Z", "000Z"));
    case "RawExtension":
    case "FieldsV1":
      return fc.constant({ "f:metadata": {} });
    default:
      return fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" });
  }
}
