// {resource}/{name}/scale: autoscaling/v1 Scale of a Deployment or ReplicaSet. Upstream: kubernetes pkg/registry/apps/*/storage ScaleREST.
// Server-side apply to a Scale is refused with 415.
import { badRequest, invalid } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import type { LabelSelector } from "../../model/kinds/meta-v1.ts";
import type { KubeObject } from "../../model/object.ts";
import { defineResource } from "../../model/resources.ts";
import { PATCH_CONTENT_TYPES, patchObject, trackUpdate } from "../patch/index.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { asJsonObject, asKubeObject, decodeAnyBody } from "../decode.ts";
import { unsupportedMediaType } from "../media-types.ts";
import { selectorText } from "../tables/format.ts";
import { objectOf, type Target } from "../target.ts";
import { managerOf } from "../verbs/create.ts";
import { readPatch } from "../verbs/patch.ts";
import { rewrite } from "../verbs/rewrite.ts";
import { writeOptions } from "../write-options.ts";

const Scales = defineResource("autoscaling/v1", "autoscaling/v1", "Scale", "scales");

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

/** Makes the Scale that is to be written from the present one. */
async function readWish(request: ApiRequest, context: ApiContext, target: Target): Promise<(current: KubeObject) => KubeObject> {
  if (request.method === "PATCH") {
    const { contentType, patch, fieldValidation } = await readPatch(request, context, target);
    if (contentType === "application/apply-patch+yaml")
      throw unsupportedMediaType(PATCH_CONTENT_TYPES.filter((each) => each !== contentType));
    return (current) => {
      const { object, warnings } = patchObject({ type: Scales, contentType, patch, fieldValidation, current: asJsonObject(current) });
      request.warnings.splice(0, request.warnings.length, ...warnings);
      return asKubeObject(object);
    };
  }
  const body = await decodeAnyBody(request, "Scale");
  if (!body)
    throw badRequest(
      "the object provided is unrecognized (must be of type Scale): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
    );
  const scale = asKubeObject(body as Parameters<typeof asKubeObject>[0]);
  if (scale.metadata.name && scale.metadata.name !== target.name) {
    throw badRequest(`the name of the object (${scale.metadata.name}) does not match the name on the URL (${target.name ?? ""})`);
  }
  return () => scale;
}

export async function scaleResource(request: ApiRequest, context: ApiContext, target: Target): Promise<Answer> {
  const { type, namespace, name = "" } = target;
  if (request.method === "GET" || request.method === "HEAD") return objectAnswer(scaleOf(objectOf(context.store, target)));
  const wish = await readWish(request, context, target);
  const write = { type, manager: managerOf(request), subresource: "scale", now: timestamp(context.clock) } as const;
  const updated = await rewrite(
    context.store,
    type,
    { namespace, name },
    (current: Scalable) => {
      const scale = wish(scaleOf(current));
      const { resourceVersion } = scale.metadata;
      const scaled = {
        ...current,
        metadata: { ...current.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
        spec: { ...current.spec, replicas: replicasOf(scale, name) },
      };
      return asKubeObject(trackUpdate(asJsonObject(scaled), asJsonObject(current), write));
    },
    writeOptions(request),
  );
  return objectAnswer(scaleOf(updated));
}
