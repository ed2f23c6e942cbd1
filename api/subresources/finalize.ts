// PUT namespaces/{name}/finalize: replaces spec.finalizers only. Upstream: kubernetes pkg/registry/core/namespace FinalizeREST.
import { badRequest } from "../../model/errors.ts";
import { Namespaces } from "../../model/resources.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { decodeAnyBody } from "../decode.ts";
import type { Target } from "../target.ts";
import { rewrite } from "../verbs/rewrite.ts";
import { writeOptions } from "../write-options.ts";

export async function finalizeNamespace(request: ApiRequest, context: ApiContext, { name = "" }: Target): Promise<Answer> {
  const body = (await decodeAnyBody(request, "Namespace")) ?? {};
  const metadata = (body["metadata"] ?? {}) as { readonly name?: string; readonly resourceVersion?: string };
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  const { finalizers = [] } = (body["spec"] ?? {}) as { readonly finalizers?: readonly string[] };
  const { resourceVersion } = metadata;
  const object = await rewrite(
    context.store,
    Namespaces,
    { namespace: "", name },
    (current) => ({
      ...current,
      metadata: { ...current.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      spec: { ...current.spec, finalizers },
    }),
    { ...writeOptions(request), subresource: "finalize" },
  );
  return objectAnswer(object);
}
