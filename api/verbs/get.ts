// GET of one object. Upstream: apiserver handlers/get.go. Every read is of the present state, which satisfies any resourceVersion.
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import { objectAnswer } from "../context.ts";
import { presentationOf } from "../present.ts";
import { objectOf, type Target } from "../target.ts";

export function getObject(request: ApiRequest, context: ApiContext, target: Target): Answer {
  const presentation = presentationOf(request, context, target.type);
  return objectAnswer(presentation.object(objectOf(context.store, target)));
}
