import type { JsonObject } from "../../model/object.ts";
import type { Subresource, ResourceType } from "../../model/resources.ts";
import type { SchemaTable } from "../../model/schema/index.ts";
/** Who writes, and when: what a managedFields entry records. */
export interface FieldWrite {
  readonly type: ResourceType;
  readonly manager: string;
  readonly subresource?: Subresource | undefined;
  /** RFC 3339 seconds: `timestamp(clock)`. */
  readonly now: string;
  readonly schemas?: SchemaTable | undefined;
}
/** The manager's name: the fieldManager parameter, else the User-Agent up to its first slash. */
export function managerName(_fieldManager: string | undefined, _userAgent: string | undefined): string {
  throw new Error("not yet");
}
/** The (defaulted) object to create with metadata.managedFields filled in. */
export function trackCreate(_object: JsonObject, _write: FieldWrite): JsonObject {
  throw new Error("not yet");
}
/** The (defaulted) object that replaces `live`, with ownership of the changed fields moved to the writer. */
export function trackUpdate(_object: JsonObject, _live: JsonObject, _write: FieldWrite): JsonObject {
  throw new Error("not yet");
}
