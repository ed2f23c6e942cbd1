// JSON Patch (RFC 6902).
// Upstream: apiserver pkg/endpoints/handlers/patch.go jsonPatcher. The operations are the rfc6902 package's.
import { type Operation, applyPatch as applyOperations } from "rfc6902";
import { StatusError, badRequest } from "../../model/errors.ts";
import { type JsonObject, draft } from "../../model/object.ts";
import { isRecord } from "./typed-schema.ts";

const MAX_OPERATIONS = 10_000;
const SKIPPED = /\/(__proto__|constructor|prototype)(\/|$)/;
const OPERATIONS = ["add", "remove", "replace", "move", "copy", "test"];

/** The patched copy. Throws 400 on a patch that is none, 422 when an operation does not apply. */
export function applyJsonPatch(current: JsonObject, patch: unknown): JsonObject {
  if (!Array.isArray(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${patch === null ? "null" : isRecord(patch) ? "object" : typeof patch} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  if (patch.length > MAX_OPERATIONS) {
    throw new StatusError(
      413,
      "RequestEntityTooLarge",
      `Request entity is too large: The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  const document = draft(current);
  const operations = patch.map(operationOf);
  const failed = applyOperations(document, operations).some((error) => error !== null);
  if (failed || !isRecord(document)) throw unprocessable();
  return document;
}

function operationOf(item: unknown): Operation {
  if (!isRecord(item)) throw badRequest("error decoding patch: json: cannot unmarshal value into Go value of type handlers.jsonPatchOp");
  const { op, path, from } = item;
  if (typeof op !== "string" || !OPERATIONS.includes(op) || typeof path !== "string") throw unprocessable();
  if ((path !== "" && !path.startsWith("/")) || ((op === "move" || op === "copy") && typeof from !== "string")) throw unprocessable();
  // The rfc6902 package skips these tokens, and would change the wrong place.
  if (SKIPPED.test(path) || (typeof from === "string" && SKIPPED.test(from))) throw unprocessable();
  return { ...item, op, path } as Operation;
}

/** Upstream hides which operation failed: kubectl prints `the server rejected our request due to an error in our request`. */
function unprocessable(): StatusError {
  return new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}
