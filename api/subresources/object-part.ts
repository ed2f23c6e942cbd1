// Subresources that are a part of the object under the object's own kind: get shows all of it, update and patch change that part alone.
// `status` of any resource, `ephemeralcontainers` of pods (kubectl debug). Upstream: each registry's StatusREST, pod's EphemeralContainersREST.
import type { Subresource } from "../../model/resources.ts";
import { getObject } from "../verbs/get.ts";
import { patchObject } from "../verbs/patch.ts";
import { updateObject } from "../verbs/update.ts";
import type { ServedSubresource } from "./served-subresource.ts";

/** Serves a part; what belongs to it is the store's strategy to know. */
export function objectPart(subresource: Subresource): ServedSubresource {
  return {
    verbs: ["get", "patch", "update"],
    handle(request, context, target) {
      if (request.method === "PUT") return updateObject(request, context, target, subresource);
      if (request.method === "PATCH") return patchObject(request, context, target, subresource);
      return getObject(request, context, target);
    },
  };
}
