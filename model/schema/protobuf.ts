import type { JsonObject } from "../object.ts";
import type { SchemaTable } from "./table.ts";
export interface ProtobufObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** JSON form, with apiVersion and kind. */
  readonly object: JsonObject;
}
/** True when the bytes start with the Kubernetes protobuf envelope. */
export function isProtobuf(_body: Uint8Array): boolean {
  throw new Error("not yet");
}
/** Decodes `application/vnd.kubernetes.protobuf`; `schemaOf` names the message of an apiVersion and kind. Throws 400. */
export function decodeProtobuf(_body: Uint8Array, _schemas?: SchemaTable): ProtobufObject {
  throw new Error("not yet");
}
