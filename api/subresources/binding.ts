// POST pods/{name}/binding: a scheduler assigns a node; admission marks the pod as scheduled in the same write.
// Upstream: kubernetes pkg/registry/core/pod/storage BindingREST.
import { conflict, invalid } from "../../model/errors.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { defineResource, Pods } from "../../model/resources.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { decodeAnyBody } from "../decode.ts";
import type { Target } from "../target.ts";
import { rewrite } from "../verbs/rewrite.ts";
import { writeOptions } from "../write-options.ts";

const BINDINGS = defineResource("v1", "core/v1", "Binding", "bindings");
const PODS_BINDING = defineResource("v1", "core/v1", "Pod", "pods/binding");

export async function bindPod(request: ApiRequest, context: ApiContext, { namespace, name = "" }: Target): Promise<Answer> {
  const body = await decodeAnyBody(request, "Binding");
  const target = body?.["target"] as { readonly name?: unknown } | undefined;
  const node = target?.name;
  if (typeof node !== "string" || node === "") throw invalid(BINDINGS, name, [{ type: "Required", field: "target.name" }]);
  const key = { namespace, name };
  const options = writeOptions(request);
  const assign = (current: Pod): Pod => {
    const { nodeName } = current.spec;
    const refuse = (detail: string): Error => conflict(PODS_BINDING, name, detail);
    if (current.metadata.deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
    if (nodeName) throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(nodeName)}`);
    return { ...current, spec: { ...current.spec, nodeName: node } };
  };
  await rewrite(context.store, Pods, key, assign, { ...options, subresource: "binding" });
  return objectAnswer({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, 201);
}
