// PATCH of all four kinds, and creation by apply. Upstream: apiserver handlers/patch.go.
import { isStatus, notFound } from "../../model/errors.ts";
import { badRequest, invalid } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import type { KubeObject } from "../../model/object.ts";
import { defineResource, type ResourceType, type Subresource } from "../../model/resources.ts";
import { applyPatch, PATCH_CONTENT_TYPES, type PatchContentType, type PatchRequest } from "../patch/index.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { asJsonObject, asKubeObject } from "../decode.ts";
import { bodyMediaType, unsupportedMediaType } from "../media-types.ts";
import { checkImmutable, named } from "../named.ts";
import { presentationOf } from "../present.ts";
import { readBody } from "../request-body.ts";
import type { Target } from "../target.ts";
import { fieldValidationOf, writeOptions } from "../write-options.ts";
import { managerOf } from "./create.ts";
import { rewrite } from "./rewrite.ts";

const APPLY: PatchContentType = "application/apply-patch+yaml";
const PATCH_OPTIONS = defineResource("meta.k8s.io/v1", "", "PatchOptions", "patchoptions");

/** What a patch request asks for, apart from the object that it is applied to. */
export type PatchWish = Omit<PatchRequest, "current" | "type" | "subresource">;

/** Reads a patch and its parameters. Throws 415, 413, 400 or 422. */
export async function readPatch(request: ApiRequest, context: ApiContext, { name = "", namespace }: Target): Promise<PatchWish> {
  const { query, incoming } = request;
  const mediaType = bodyMediaType(incoming.headers["content-type"]);
  const contentType = PATCH_CONTENT_TYPES.find((each) => each === mediaType);
  if (!contentType) throw unsupportedMediaType(PATCH_CONTENT_TYPES);
  const fieldManager = query.get("fieldManager") ?? "";
  const force = query.get("force");
  if (contentType === APPLY && fieldManager === "") {
    throw invalid(PATCH_OPTIONS, "", [{ type: "Required", field: "fieldManager", detail: "is required for apply patch" }]);
  }
  if (contentType !== APPLY && force !== null) {
    throw invalid(PATCH_OPTIONS, "", [{ type: "Forbidden", field: "force", detail: "may not be specified for non-apply patch" }]);
  }
  const patch = await readBody(incoming);
  if (patch.length === 0) throw badRequest("the patch is empty");
  return {
    contentType,
    patch,
    force: force === "true",
    fieldValidation: fieldValidationOf(request),
    manager: managerOf(request),
    now: timestamp(context.clock),
    name,
    namespace,
  };
}

export async function patchObject(request: ApiRequest, context: ApiContext, target: Target, subresource?: Subresource): Promise<Answer> {
  const { type, namespace, name = "" } = target;
  const presentation = presentationOf(request, context, type);
  const options = writeOptions(request);
  const wish = await readPatch(request, context, target);
  // A conflict makes it patch again: the warnings are those of the last try, after those that the request had.
  const before = request.warnings.length;
  const patched = (current: KubeObject | undefined): KubeObject => {
    const result = applyPatch({ ...wish, type, subresource, current: current && asJsonObject(current) });
    request.warnings.splice(before, Infinity, ...result.warnings);
    const made = named(asKubeObject(result.object), target);
    if (current) checkImmutable(type, made, current);
    return made;
  };
  if (!context.store.get(type, namespace, name)) {
    if (wish.contentType !== APPLY || subresource) throw notFound(type, name);
    const created = await createByApply(context, type, patched(undefined), options);
    if (created) return objectAnswer(presentation.object(created), 201);
  }
  const updated = await rewrite(context.store, type, { namespace, name }, patched, { ...options, ...(subresource ? { subresource } : {}) });
  return objectAnswer(presentation.object(updated));
}

/** Undefined when someone else created it meanwhile: then it is to be patched. */
async function createByApply(
  { store }: ApiContext,
  type: ResourceType,
  object: KubeObject,
  options: ReturnType<typeof writeOptions>,
): Promise<KubeObject | undefined> {
  try {
    return await store.create(type, object, options);
  } catch (error) {
    if (isStatus(error, "AlreadyExists")) return undefined;
    throw error;
  }
}
