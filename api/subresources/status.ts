// {resource}/{name}/status: get, update and patch of the status alone. Upstream: each registry's StatusREST.
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import type { Target } from "../target.ts";
import { getObject } from "../verbs/get.ts";
import { patchObject } from "../verbs/patch.ts";
import { updateObject } from "../verbs/update.ts";

export function statusOfObject(request: ApiRequest, context: ApiContext, target: Target): Answer | Promise<Answer> {
  if (request.method === "PUT") return updateObject(request, context, target, "status");
  if (request.method === "PATCH") return patchObject(request, context, target, "status");
  return getObject(request, context, target);
}
