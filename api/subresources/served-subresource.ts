// What a subresource is made of.
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import type { Target } from "../target.ts";

export type TargetHandler = (request: ApiRequest, context: ApiContext, target: Target) => Answer | Promise<Answer>;

export interface ServedSubresource {
  readonly verbs: readonly string[];
  /** Group, version and kind that it speaks; absent: the resource's own. */
  readonly kind?: readonly [group: string, version: string, kind: string];
  /** Absent: it is only reached by an upgraded connection. */
  readonly handle?: TargetHandler;
  readonly upgrade?: boolean;
}

/** The API verb of an HTTP method on a named object. */
export function verbOfMethod(method: string): string | undefined {
  const verbs: Readonly<Record<string, string>> = {
    GET: "get",
    HEAD: "get",
    POST: "create",
    PUT: "update",
    PATCH: "patch",
    DELETE: "delete",
    OPTIONS: "get",
  };
  return verbs[method];
}
