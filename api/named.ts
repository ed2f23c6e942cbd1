// What a write may say about the identity of the object that its URL names.
// Upstream: apiserver pkg/endpoints/handlers/rest.go checkName, registry/rest/meta.go, apimachinery ValidateObjectMetaAccessorUpdate.
import { badRequest, invalid } from "../model/errors.ts";
import type { KubeObject } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Target } from "./target.ts";

/** The object at the place that the URL names. Throws 400 when it says another name or namespace. */
export function named(object: KubeObject, { type, namespace, name = "" }: Target): KubeObject {
  const { metadata } = object;
  if (type.namespaced && metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (metadata.name !== undefined && metadata.name !== "" && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  return { ...object, metadata: { ...metadata, name, ...(type.namespaced ? { namespace } : {}) } };
}

/** Throws 422 when a patch changes the uid, or a write marks an object as being deleted. */
export function checkImmutable(type: ResourceType, { metadata }: KubeObject, { metadata: old }: KubeObject): void {
  const changed: readonly (readonly [field: string, value: unknown])[] = [
    ["metadata.uid", metadata.uid !== undefined && metadata.uid !== old.uid ? metadata.uid : undefined],
    ["metadata.deletionTimestamp", old.deletionTimestamp === undefined ? metadata.deletionTimestamp : undefined],
  ];
  const refused = changed.filter(([, value]) => value !== undefined);
  if (refused.length === 0) return;
  throw invalid(
    type,
    old.name,
    refused.map(([field, value]) => ({ type: "Invalid", field, value, detail: "field is immutable" })),
  );
}
