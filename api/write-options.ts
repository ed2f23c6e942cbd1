// dryRun, fieldManager and fieldValidation of a writing request. Upstream: apimachinery meta/v1/validation.
import { badRequest, invalid } from "../model/errors.ts";
import { defineResource } from "../model/resources.ts";
import type { WriteOptions } from "../store/index.ts";
import type { ApiRequest } from "./context.ts";

const OPTIONS = defineResource("meta.k8s.io/v1", "", "CreateOptions", "createoptions");

/** The store's options for a write of a client. Throws 422 for another dryRun than All. */
export function writeOptions(request: ApiRequest, bodyDryRun: readonly string[] = []): WriteOptions {
  const dryRun = [...request.query.getAll("dryRun").filter((value) => value !== ""), ...bodyDryRun];
  if (dryRun.some((value) => value !== "All")) {
    throw invalid(OPTIONS, "", [{ type: "NotSupported", field: "dryRun", value: dryRun, supported: ["All"] }]);
  }
  return { dryRun: dryRun.length > 0, user: request.user.username, external: true, warn: (text) => void request.warnings.push(text) };
}

/** How unknown and duplicate fields are treated; upstream's default is Warn. */
export function fieldValidationOf(request: ApiRequest): "Ignore" | "Warn" | "Strict" {
  const value = request.query.get("fieldValidation") ?? "";
  if (value === "") return "Warn";
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  throw badRequest(
    `fieldValidation parameter is invalid: Unsupported value: ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`,
  );
}
