// DELETE of one object or of a collection, with DeleteOptions in the body or the query. Upstream: apiserver handlers/delete.go.
import { badRequest, isStatus } from "../../model/errors.ts";
import { type KubeObject, namespaceOf } from "../../model/object.ts";
import { Namespaces, Pods, Services, ServiceAccounts, type ResourceType } from "../../model/resources.ts";
import type { DeleteOptions } from "../../store/index.ts";
import { decodeAnyBody } from "../decode.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import type { ListOptions } from "../list-options.ts";
import { presentationOf } from "../present.ts";
import type { Target } from "../target.ts";
import { writeOptions } from "../write-options.ts";

/** Kinds whose delete answers with the object itself; all others with a Status. */
const RETURNS_OBJECT: ReadonlySet<ResourceType> = new Set<ResourceType>([Pods, Services, ServiceAccounts]);
const POLICIES = ["Orphan", "Background", "Foreground"] as const;

/** Reads DeleteOptions. Throws 400 for what they may not be. */
export async function readDeleteOptions(request: ApiRequest): Promise<DeleteOptions> {
  const body = await decodeAnyBody(request, "DeleteOptions");
  return deleteOptions(request, body ?? {});
}

/** DeleteOptions of a decoded body, completed by the query. */
export function deleteOptions(request: ApiRequest, body: Readonly<Record<string, unknown>>): DeleteOptions {
  const { query } = request;
  const grace = body["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds") ?? undefined;
  const gracePeriodSeconds = grace === undefined ? undefined : Number(grace);
  if (gracePeriodSeconds !== undefined && !Number.isInteger(gracePeriodSeconds))
    throw badRequest(`invalid gracePeriodSeconds: ${String(grace)}`);
  const policyText = body["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined;
  const policy = POLICIES.find((candidate) => candidate === policyText);
  if (policyText !== undefined && policy === undefined) {
    throw badRequest(`invalid propagationPolicy ${JSON.stringify(policyText)}: supported values: ${POLICIES.join(", ")}`);
  }
  const orphan = body["orphanDependents"] ?? query.get("orphanDependents") ?? undefined;
  const propagationPolicy = policy ?? (String(orphan) === "true" ? "Orphan" : undefined);
  const preconditions = body["preconditions"] as DeleteOptions["preconditions"];
  const dryRun = body["dryRun"];
  return {
    ...writeOptions(request, Array.isArray(dryRun) ? dryRun.map(String) : []),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}

export async function deleteObject(request: ApiRequest, context: ApiContext, target: Target): Promise<Answer> {
  const { type, namespace, name = "" } = target;
  const options = await readDeleteOptions(request);
  const { object, gone } = await context.store.delete(type, namespace, name, options);
  if (!gone || RETURNS_OBJECT.has(type)) return objectAnswer(presentationOf(request, context, type).object(object));
  return objectAnswer({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(type.group === "" ? {} : { group: type.group }), kind: type.resource, uid: object.metadata.uid },
  });
}

/** Namespaces are deleted one by one. */
export function hasDeleteCollection(type: ResourceType): boolean {
  return type !== Namespaces;
}

export async function deleteCollection(request: ApiRequest, context: ApiContext, target: Target, list: ListOptions): Promise<Answer> {
  const { type } = target;
  const options = await readDeleteOptions(request);
  const doomed = context.store.list(type, list.query);
  const deleted: KubeObject[] = [];
  for (const object of doomed) {
    try {
      deleted.push((await context.store.delete(type, namespaceOf(object), object.metadata.name, options)).object);
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }
  return presentationOf(request, context, type).list(deleted, { resourceVersion: String(context.store.revision) });
}
