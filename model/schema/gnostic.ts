// An OpenAPI v2 document in protobuf (gnostic's openapi.v2.Document), the only form in which kubectl asks for it.
// Upstream: github.com/google/gnostic openapiv2/OpenAPIv2.proto. Left out: messages that the documents of openapi-v2.ts do not use.
import type { JsonObject } from "../object.ts";

/** How a JSON member is written: its field number, and what it holds. */
interface Rule {
  readonly number: number;
  readonly write: Write;
}
type Write = (number: number, value: unknown) => readonly Uint8Array[];
type Rules = Readonly<Record<string, Rule>>;

/** Encodes the JSON of a whole document. Members that no rule knows are left out, `x-` members become vendor extensions. */
export function encodeOpenApiV2(document: JsonObject): Buffer {
  return Buffer.concat(message(DOCUMENT, document));
}

/** Encodes one member's value where a field number is known. */
const text: Write = (number, value) => bytes(number, Buffer.from(String(value)));
const bool: Write = (number, value) => (value === true ? [varint(number * 8), varint(1)] : []);
const yaml: Write = (number, value) => bytes(number, Buffer.concat(text(2, JSON.stringify(value))));
const list =
  (write: Write): Write =>
  (number, value) =>
    Array.isArray(value) ? value.flatMap((each) => write(number, each)) : [];
const struct =
  (rules: () => Rules, extensions?: number): Write =>
  (number, value) =>
    bytes(number, Buffer.concat(message(rules(), isRecord(value) ? value : {}, extensions)));
/** A message whose only member is `inner`, under `innerNumber`. */
const wrapped =
  (innerNumber: number, inner: Write): Write =>
  (number, value) =>
    bytes(number, Buffer.concat(inner(innerNumber, value)));
/** A map as repeated pairs of a name and a value. */
const named =
  (write: Write): Write =>
  (number, value) =>
    Object.entries(isRecord(value) ? value : {}).flatMap(([name, each]) =>
      bytes(number, Buffer.concat([...text(1, name), ...write(2, each)])),
    );

function message(rules: Rules, value: JsonObject, extensions?: number): readonly Uint8Array[] {
  const own = Object.entries(rules).flatMap(([key, { number, write }]) => (value[key] === undefined ? [] : write(number, value[key])));
  if (extensions === undefined) return own;
  const foreign = Object.fromEntries(Object.entries(value).filter(([key]) => key.startsWith("x-")));
  return [...own, ...named(yaml)(extensions, foreign)];
}

const rule = (number: number, write: Write): Rule => ({ number, write });

const SCHEMA: Rules = {
  $ref: rule(1, text),
  format: rule(2, text),
  description: rule(4, text),
  default: rule(5, yaml),
  uniqueItems: rule(16, bool),
  required: rule(19, list(text)),
  additionalProperties: rule(
    21,
    wrapped(1, (number, value) => schema(number, value)),
  ),
  type: rule(22, wrapped(1, text)),
  items: rule(
    23,
    wrapped(1, (number, value) => schema(number, value)),
  ),
  properties: rule(
    25,
    wrapped(
      1,
      named((number, value) => schema(number, value)),
    ),
  ),
};
const schema: Write = struct(() => SCHEMA, 31);

const QUERY_PARAMETER: Rules = {
  required: rule(1, bool),
  in: rule(2, text),
  name: rule(4, text),
  type: rule(6, text),
  uniqueItems: rule(20, bool),
};
const PATH_PARAMETER: Rules = {
  required: rule(1, bool),
  in: rule(2, text),
  name: rule(4, text),
  type: rule(5, text),
  uniqueItems: rule(19, bool),
};
/** ParametersItem → Parameter → NonBodyParameter → the parameter of its place. */
const parameter: Write = (number, value) => {
  const inPath = isRecord(value) && value["in"] === "path";
  const own: Write = inPath
    ? wrapped(
        4,
        struct(() => PATH_PARAMETER),
      )
    : wrapped(
        3,
        struct(() => QUERY_PARAMETER),
      );
  return wrapped(1, wrapped(2, own))(number, value);
};

const RESPONSE: Rules = { description: rule(1, text) };
const OPERATION: Rules = {
  operationId: rule(5, text),
  produces: rule(6, list(text)),
  consumes: rule(7, list(text)),
  parameters: rule(8, list(parameter)),
  responses: rule(
    9,
    wrapped(
      1,
      named(
        wrapped(
          1,
          struct(() => RESPONSE),
        ),
      ),
    ),
  ),
};
const PATH_ITEM: Rules = {
  patch: rule(
    8,
    struct(() => OPERATION, 13),
  ),
  parameters: rule(9, list(parameter)),
};
const INFO: Rules = { title: rule(1, text), version: rule(2, text) };
const DOCUMENT: Rules = {
  swagger: rule(1, text),
  info: rule(
    2,
    struct(() => INFO),
  ),
  paths: rule(8, wrapped(2, named(struct(() => PATH_ITEM, 10)))),
  definitions: rule(9, wrapped(1, named(schema))),
};

function bytes(number: number, content: Uint8Array): readonly Uint8Array[] {
  return [varint(number * 8 + 2), varint(content.length), content];
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

const isRecord = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);
