// The resource that a request names, found in the store's table. Upstream: apiserver pkg/endpoints/installer.go.
import { StatusError } from "../model/errors.ts";
import type { KubeObject } from "../model/object.ts";
import { notFound } from "../model/errors.ts";
import type { ResourceType, Subresource } from "../model/resources.ts";
import type { Store } from "../store/index.ts";
import type { ResourcePath } from "./path.ts";

/** A resource path whose resource exists and whose scope fits. */
export interface Target {
  readonly type: ResourceType;
  /** "" for a cluster-scoped resource, and for all namespaces. */
  readonly namespace: string;
  /** True when the path spans all namespaces. */
  readonly everywhere: boolean;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly rest: string;
  readonly watch: boolean;
}

/** 404 for a path that leads nowhere. */
export function noSuchResource(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource");
}

/** 405, upstream's text. */
export function methodNotAllowed(): StatusError {
  return new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

/** Finds the resource of a path. Throws 404 when it is not served or its scope is another. */
export function targetOf(store: Store, path: ResourcePath): Target {
  const { group, version, resource, namespace, name, subresource, rest, watch } = path;
  const type = store.resources.find((t) => t.resource === resource && t.group === group && t.version === version);
  if (!type || (namespace !== undefined && !type.namespaced)) throw noSuchResource();
  if (type.namespaced && namespace === undefined && name !== undefined) throw noSuchResource();
  return {
    type,
    namespace: namespace ?? "",
    everywhere: type.namespaced && namespace === undefined,
    name: name === "" ? undefined : name,
    subresource,
    rest,
    watch,
  };
}

/** The object that a target names. Throws 404 with upstream's text. */
export function objectOf(store: Store, target: Target): KubeObject {
  const name = target.name ?? "";
  const object = store.get(target.type, target.namespace, name);
  if (!object) throw notFound(target.type, name);
  return object;
}

/** True when a resource has this subresource. */
export function hasSubresource(type: ResourceType, name: string): name is Subresource {
  return type.subresources.some((subresource) => subresource === name);
}
