// POST pods/{name}/eviction: a delete by drain. Upstream: kubernetes pkg/registry/core/pod/storage EvictionREST.
// There are no PodDisruptionBudgets, so no eviction is refused with 429.
import { Pods } from "../../model/resources.ts";
import { badRequest } from "../../model/errors.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { decodeAnyBody } from "../decode.ts";
import type { Target } from "../target.ts";
import { deleteOptions } from "../verbs/delete.ts";

export async function evictPod(request: ApiRequest, context: ApiContext, { namespace, name = "" }: Target): Promise<Answer> {
  const body = (await decodeAnyBody(request, "Eviction")) ?? {};
  const { name: bodyName = name } = (body["metadata"] ?? {}) as { readonly name?: string };
  if (bodyName !== "" && bodyName !== name) throw badRequest("name in URL does not match name in Eviction object");
  const options = (body["deleteOptions"] ?? {}) as Readonly<Record<string, unknown>>;
  await context.store.delete(Pods, namespace, name, deleteOptions(request, options));
  return objectAnswer({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, 201);
}
