// POST pods/{name}/binding: a scheduler assigns a node. Upstream: kubernetes pkg/registry/core/pod/storage BindingREST.
import { conflict, invalid } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { defineResource, Pods } from "../../model/resources.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { decodeAnyBody } from "../decode.ts";
import type { Target } from "../target.ts";
import { rewrite } from "../verbs/rewrite.ts";
import { writeOptions } from "../write-options.ts";

const BINDINGS = defineResource("v1", "core/v1", "Binding", "bindings");

export async function bindPod(request: ApiRequest, context: ApiContext, { namespace, name = "" }: Target): Promise<Answer> {
  const body = await decodeAnyBody(request, "Binding");
  const target = body?.["target"] as { readonly name?: unknown } | undefined;
  const node = target?.name;
  if (typeof node !== "string" || node === "") throw invalid(BINDINGS, name, [{ type: "Required", field: "target.name" }]);
  const key = { namespace, name };
  const options = writeOptions(request);
  const assign = (current: Pod): Pod => {
    if (current.metadata.deletionTimestamp !== undefined) throw conflict(Pods, name, `pod ${name} is being deleted, cannot be assigned to a host`);
    if (current.spec.nodeName) throw conflict(Pods, name, `pod ${name} is already assigned to node ${JSON.stringify(current.spec.nodeName)}`);
    return { ...current, spec: { ...current.spec, nodeName: node } };
  };
  await rewrite(context.store, Pods, key, assign, { ...options, subresource: "binding" });
  const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: timestamp(context.clock) };
  const tell = (current: Pod): Pod => {
    const others = (current.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
    return { ...current, status: { ...current.status, conditions: [...others, scheduled] } };
  };
  await rewrite(context.store, Pods, key, tell, { ...options, subresource: "status" });
  return objectAnswer({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, 201);
}
