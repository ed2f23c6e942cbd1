// {resource}/{name}/scale: autoscaling/v1 Scale of a Deployment or ReplicaSet. Upstream: kubernetes pkg/registry/apps/*/storage ScaleREST.
// An applied Scale is applied to its object's spec.replicas, so that both share the ownership of that field.
import { badRequest, invalid } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import type { LabelSelector } from "../../model/kinds/meta-v1.ts";
import type { KubeObject } from "../../model/object.ts";
import { apiVersionOf, type ResourceType } from "../../model/resources.ts";
import { applyPatch, patchObject, trackUpdate } from "../patch/index.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { asJsonObject, asKubeObject, decodeAnyBody } from "../decode.ts";
import { selectorText } from "../tables/format.ts";
import { Scales } from "../tables/scales.ts";
import { presentationOf } from "../present.ts";
import { objectOf, type Target } from "../target.ts";
import { managerOf } from "../verbs/create.ts";
import { type PatchWish, readPatch } from "../verbs/patch.ts";
import { rewrite } from "../verbs/rewrite.ts";
import { writeOptions } from "../write-options.ts";

/** The parts of a scalable object that a Scale shows. */
interface Scalable extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly selector?: LabelSelector };
  readonly status?: { readonly replicas?: number };
}

function scaleOf(object: Scalable): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const scale = {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: { replicas: object.status?.replicas ?? 0, selector: selectorText(object.spec?.selector).replace(/^<.*>$/, "") },
  };
  return asKubeObject(scale);
}

/** The replicas that a written Scale asks for. Throws 422. */
function replicasOf(scale: KubeObject, name: string): number {
  const replicas = (scale as Scalable).spec?.replicas ?? 0;
  if (Number.isInteger(replicas) && replicas >= 0) return replicas;
  throw invalid(Scales, name, [{ type: "Invalid", field: "spec.replicas", value: replicas, detail: "must be greater than or equal to 0" }]);
}

/** Makes the object that is to be written from the present one, whose Scale a client has written. */
async function readWish(request: ApiRequest, context: ApiContext, target: Target): Promise<(current: Scalable) => KubeObject> {
  const { type, name = "" } = target;
  const write = { type, manager: managerOf(request), subresource: "scale", now: timestamp(context.clock) } as const;
  const scaled = (current: Scalable, scale: KubeObject): KubeObject => {
    const { resourceVersion } = scale.metadata;
    const metadata = { ...current.metadata, ...(resourceVersion ? { resourceVersion } : {}) };
    const object = { ...current, metadata, spec: { ...current.spec, replicas: replicasOf(scale, name) } };
    return asKubeObject(trackUpdate(asJsonObject(object), asJsonObject(current), write));
  };
  if (request.method === "PATCH") {
    const wish = await readPatch(request, context, target);
    if (wish.contentType === "application/apply-patch+yaml") return (current) => applied(wish, current, type);
    const { contentType, patch, fieldValidation } = wish;
    return (current) => {
      const { object, warnings } = patchObject({
        type: Scales,
        contentType,
        patch,
        fieldValidation,
        current: asJsonObject(scaleOf(current)),
      });
      request.warnings.splice(0, request.warnings.length, ...warnings);
      return scaled(current, asKubeObject(object));
    };
  }
  const scale = await readScale(request, name);
  return (current) => scaled(current, scale);
}

/** Applied as a Scale first, for its shape; then to the object, where it may conflict with others. */
function applied(wish: PatchWish, current: Scalable, type: ResourceType): KubeObject {
  const { name } = wish;
  const merged = applyPatch({ ...wish, type: Scales, current: asJsonObject(scaleOf(current)), force: true });
  const replicas = replicasOf(asKubeObject(merged.object), name);
  const configuration = { apiVersion: apiVersionOf(type), kind: type.kind, metadata: { name }, spec: { replicas } };
  const patch = Buffer.from(JSON.stringify(configuration));
  return asKubeObject(applyPatch({ ...wish, patch, type, subresource: "scale", current: asJsonObject(current) }).object);
}

/** The Scale of a PUT. Throws 400. */
async function readScale(request: ApiRequest, name: string): Promise<KubeObject> {
  const body = await decodeAnyBody(request, "Scale");
  if (!body) {
    const detail = "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)";
    throw badRequest(`the object provided is unrecognized (must be of type Scale): ${detail}`);
  }
  const scale = asKubeObject(body as Parameters<typeof asKubeObject>[0]);
  if (scale.metadata.name && scale.metadata.name !== name) {
    throw badRequest(`the name of the object (${scale.metadata.name}) does not match the name on the URL (${name})`);
  }
  return scale;
}

export async function scaleResource(request: ApiRequest, context: ApiContext, target: Target): Promise<Answer> {
  const { type, namespace, name = "" } = target;
  const presentation = presentationOf(request, context, Scales);
  if (request.method === "GET" || request.method === "HEAD") {
    return objectAnswer(presentation.object(scaleOf(objectOf(context.store, target))));
  }
  const wish = await readWish(request, context, target);
  const written = await rewrite(context.store, type, { namespace, name }, wish, writeOptions(request));
  return objectAnswer(presentation.object(scaleOf(written)));
}
