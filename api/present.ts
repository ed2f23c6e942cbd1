// Turns stored objects into what the client asked for: plain, Table, or metadata only. Upstream: apiserver handlers/response.go.
import { badRequest } from "../model/errors.ts";
import type { KubeObject } from "../model/object.ts";
import { apiVersionOf, type ResourceType } from "../model/resources.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "./context.ts";
import { type Accepted, negotiate } from "./media-types.ts";
import { type IncludeObject, tableOf } from "./tables/index.ts";

/** ListMeta. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** How one request wants its objects. */
export interface Presentation {
  readonly form: Accepted["as"];
  object(object: KubeObject, options?: { readonly withColumns?: boolean }): object;
  list(objects: readonly KubeObject[], metadata: ListMeta): Answer;
}

function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") ?? "";
  if (value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(`unrecognized includeObject value: ${value}`);
}

/** What a dry run would create has no resourceVersion, not an empty one. */
function unversioned(object: KubeObject): KubeObject {
  const { resourceVersion: _none, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Reads the Accept header once. Throws 406. */
export function presentationOf(request: ApiRequest, context: ApiContext, type: ResourceType): Presentation {
  const { as: form, apiVersion } = negotiate(request.incoming.headers.accept);
  const include = includeObject(request.query);
  const table = (objects: readonly KubeObject[], metadata: object, withColumns = true): object =>
    tableOf(type, objects, { nowMs: context.clock.now(), includeObject: include, apiVersion, metadata: { ...metadata }, withColumns });
  const partial = ({ metadata }: KubeObject): object => ({ kind: "PartialObjectMetadata", apiVersion, metadata });
  return {
    form,
    object(made, { withColumns = true } = {}) {
      const object = made.metadata.resourceVersion === "" ? unversioned(made) : made;
      if (form === "Table") return table([object], { resourceVersion: object.metadata.resourceVersion ?? "" }, withColumns);
      return form === "object" ? object : partial(object);
    },
    list(objects, metadata) {
      if (form === "Table") return objectAnswer(table(objects, metadata));
      if (form === "object") {
        return { type: "list", head: { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata }, items: objects };
      }
      return { type: "list", head: { kind: "PartialObjectMetadataList", apiVersion, metadata }, items: objects.map(partial) };
    },
  };
}
