import type { JsonObject } from "../object.ts";
import type { ResourceType } from "../resources.ts";
import type { SchemaTable } from "./table.ts";
/** The query parameter fieldValidation; the default is Warn. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";
export interface DecodeOptions {
  /** The request's Content-Type; absent means JSON. */
  readonly contentType?: string | undefined;
  readonly fieldValidation?: FieldValidation | undefined;
  readonly schemas?: SchemaTable;
}
export interface Decoded {
  /** With apiVersion and kind filled in, nulls and Go's zero values dropped. */
  readonly object: JsonObject;
  /** One Warning header each. */
  readonly warnings: readonly string[];
}
/** Parses a create or update body (JSON, YAML or protobuf by content type) as an object of `type`; throws 400, or 415. */
export function decodeBody(_type: ResourceType, _body: Uint8Array, _options: DecodeOptions = {}): Decoded {
  throw new Error("not yet");
}
/** Decodes any value as a named message of the table ("meta/v1.DeleteOptions", "autoscaling/v1.Scale"). */
export function decodeValue(_schema: string, _value: unknown, _schemas?: SchemaTable): { readonly object: JsonObject; readonly unknownFields: readonly string[] } {
  throw new Error("not yet");
}
