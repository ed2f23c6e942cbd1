// Patches and field ownership, as pure functions over JSON objects.
export {
  type PatchContentType,
  type PatchRequest,
  type PatchResult,
  type UntrackedPatch,
  PATCH_CONTENT_TYPES,
  applyPatch,
  patchObject,
} from "./patch.ts";
export { type FieldWrite, managerName, trackCreate, trackUpdate } from "./managed-fields.ts";
