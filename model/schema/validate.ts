// Structural decoding at the edge: request bytes → an object that has its kind's shape, or upstream's 400.
// Upstream: apiserver pkg/endpoints/handlers/create.go (decoding), rest.go transformDecodeError, encoding/json's type errors.
import { StatusError, badRequest } from "../errors.ts";
import type { JsonObject } from "../object.ts";
import { type ResourceType, apiVersionOf } from "../resources.ts";
import { DecodeFault, decodeStruct } from "./decode.ts";
import { type ParsedBody, parseJson, parseYaml } from "./parse.ts";
import { decodeProtobuf, isProtobuf } from "./protobuf.ts";
import { type SchemaTable, builtInSchemas } from "./table.ts";

/** The query parameter fieldValidation; the default is Warn. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

export interface DecodeOptions {
  /** The request's Content-Type; absent means JSON. */
  readonly contentType?: string | undefined;
  readonly fieldValidation?: FieldValidation | undefined;
  readonly schemas?: SchemaTable | undefined;
}

export interface Decoded {
  /** With apiVersion and kind filled in, nulls and Go's zero values dropped. */
  readonly object: JsonObject;
  /** One Warning header each. */
  readonly warnings: readonly string[];
}

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const MEDIA_TYPES = ["application/json", "application/yaml", PROTOBUF];

/** Parses a create or update body (JSON, YAML or protobuf by content type) as an object of `type`; throws 400, or 415. */
export function decodeBody(type: ResourceType, body: Uint8Array, options: DecodeOptions = {}): Decoded {
  const schemas = options.schemas ?? builtInSchemas;
  const mediaType = (options.contentType ?? "").split(";")[0]?.trim().toLowerCase() || "application/json";
  if (!MEDIA_TYPES.includes(mediaType)) {
    const accepted = MEDIA_TYPES.join(", ");
    throw new StatusError(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
    );
  }
  if (mediaType === PROTOBUF) {
    if (!isProtobuf(body))
      throw unrecognized(type, body, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
    const { object, apiVersion, kind } = decodeProtobuf(body, schemas);
    return asType(type, { value: { ...object, apiVersion, kind }, duplicates: [] }, body, options, schemas);
  }
  return asType(type, parseText(type, body, mediaType), body, options, schemas);
}

/** Checks a parsed value's apiVersion and kind and decodes it as `type`. */
function asType(type: ResourceType, parsed: ParsedBody, body: Uint8Array, options: DecodeOptions, schemas: SchemaTable): Decoded {
  const { value } = parsed;
  if (!isObject(value)) {
    throw unrecognized(
      type,
      body,
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonTypeName(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const expected = apiVersionOf(type);
  const apiVersion = textOr(value["apiVersion"], expected);
  const kind = textOr(value["kind"], type.kind);
  const version = apiVersion.slice(apiVersion.indexOf("/") + 1);
  const refuse = (detail: string): StatusError =>
    badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${type.kind}: ${detail}`);
  if (kind !== type.kind)
    throw refuse(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in this server`);
  if (apiVersion !== expected) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${expected})`);
  }
  const typed = { ...value, apiVersion, kind };
  let decoded;
  try {
    decoded = decodeValue(type.schema, typed, schemas);
  } catch (error) {
    if (error instanceof DecodeFault) throw refuse(error.message);
    throw error;
  }
  const problems = strictProblems(parsed.duplicates, decoded.unknownFields);
  const mode = options.fieldValidation ?? "Warn";
  if (mode === "Strict" && problems.length > 0) throw refuse(strictText(problems));
  return { object: decoded.object, warnings: mode === "Warn" ? problems : [] };
}

/** Decodes any value as a named message of the table ("meta/v1.DeleteOptions"); with no schema it passes as it is. Throws DecodeFault. */
export function decodeValue(
  schema: string,
  value: unknown,
  schemas: SchemaTable = builtInSchemas,
): { readonly object: JsonObject; readonly unknownFields: readonly string[] } {
  if (schema === "" || !schemas.has(schema)) return { object: (isObject(value) ? value : {}) as JsonObject, unknownFields: [] };
  return decodeStruct(schemas, schema, value);
}

/** `unknown field "spec.foo"`, `duplicate field "spec.bar"`, as warnings and errors list them. */
export function strictProblems(duplicates: readonly string[], unknownFields: readonly string[]): readonly string[] {
  return [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknownFields.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
}

/** The text of runtime.NewStrictDecodingError. */
export function strictText(problems: readonly string[]): string {
  return `strict decoding error: ${problems.join(", ")}`;
}

function parseText(type: ResourceType, body: Uint8Array, mediaType: string): ParsedBody {
  const text = new TextDecoder().decode(body);
  try {
    return mediaType === "application/yaml" ? parseYaml(text) : parseJson(text);
  } catch (error) {
    if (error instanceof StatusError) throw unrecognized(type, body, `couldn't get version/kind; json parse error: ${error.message}`);
    throw error;
  }
}

function unrecognized(type: ResourceType, body: Uint8Array, detail: string): StatusError {
  return badRequest(`the object provided is unrecognized (must be of type ${type.kind}): ${detail} (${summarize(body)})`);
}

function summarize(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const head = body.subarray(0, 30);
  const shown = body[0] === 0x7b ? new TextDecoder().decode(head) : Buffer.from(head).toString("hex");
  return body.length > 30 ? `${shown} ...` : shown;
}

function jsonTypeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : value === null ? "null" : typeof value;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const textOr = (value: unknown, fallback: string): string => (typeof value === "string" && value !== "" ? value : fallback);
