// PUT: replaces an object, or one of its subresources. Upstream: apiserver handlers/update.go.
import { notFound } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import { EndpointsResource, Events, Leases, type ResourceType, type Subresource } from "../../model/resources.ts";
import { trackUpdate } from "../patch/index.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { asJsonObject, asKubeObject, decodeObject } from "../decode.ts";
import { named } from "../named.ts";
import { presentationOf } from "../present.ts";
import type { Target } from "../target.ts";
import { writeOptions } from "../write-options.ts";
import { createTracked, managerOf } from "./create.ts";
import { rewrite } from "./rewrite.ts";

/** Kinds that a PUT may create. */
const CREATED_BY_PUT: ReadonlySet<ResourceType> = new Set<ResourceType>([EndpointsResource, Events, Leases]);

export async function updateObject(request: ApiRequest, context: ApiContext, target: Target, subresource?: Subresource): Promise<Answer> {
  const { type, namespace, name = "" } = target;
  const presentation = presentationOf(request, context, type);
  const options = writeOptions(request);
  const object = named(asKubeObject(await decodeObject(request, type)), target);
  if (!context.store.get(type, namespace, name)) {
    if (!CREATED_BY_PUT.has(type) || subresource || object.metadata.uid) throw notFound(type, name);
    return objectAnswer(presentation.object(await createTracked(request, context, type, object, options)), 201);
  }
  const write = { type, manager: managerOf(request), subresource, now: timestamp(context.clock) };
  const updated = await rewrite(
    context.store,
    type,
    { namespace, name },
    (current) => asKubeObject(trackUpdate(asJsonObject(object), asJsonObject(current), write)),
    { ...options, ...(subresource ? { subresource } : {}) },
  );
  return objectAnswer(presentation.object(updated));
}
