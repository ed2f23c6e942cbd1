import type { JsonObject } from "../object.ts";
import type { ResourceType } from "../resources.ts";
import type { SchemaTable } from "./table.ts";
/** GET /openapi/v3: `{paths: {"api/v1": {serverRelativeURL}}}`. */
export function openApiV3Root(_resources: readonly ResourceType[], _schemas?: SchemaTable): JsonObject {
  throw new Error("not yet");
}
/** GET /openapi/v3/api/v1 or /openapi/v3/apis/group/version; `groupVersion` is "v1" or "apps/v1". Undefined when nothing is served there. */
export function openApiV3(_groupVersion: string, _resources: readonly ResourceType[], _schemas?: SchemaTable): JsonObject | undefined {
  throw new Error("not yet");
}
