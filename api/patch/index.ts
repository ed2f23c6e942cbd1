// Patches and field ownership, as pure functions over JSON objects.
export { type PatchContentType, type PatchRequest, type PatchResult, PATCH_CONTENT_TYPES, applyPatch } from "./patch.ts";
export { type FieldWrite, managerName, trackCreate, trackUpdate } from "./managed-fields.ts";
