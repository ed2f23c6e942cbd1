// Lists, page by page from one revision. Upstream: apiserver handlers/get.go ListResource, pkg/storage/etcd3 GetList.
import { isStatus, StatusError } from "../../model/errors.ts";
import { type KubeObject, keyOf } from "../../model/object.ts";
import { compareText } from "../../model/text.ts";
import { splitKey } from "../../model/object.ts";
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import { decodeContinue, encodeContinue, type ListOptions, parseRevision, tooLargeRevision } from "../list-options.ts";
import { presentationOf } from "../present.ts";
import type { Target } from "../target.ts";

const CONTINUE_EXPIRED =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, " +
  "or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an " +
  "inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/** True when `key` comes after `other` in list order: namespace, then name. */
function isAfter(key: string, other: string): boolean {
  const [a, b] = [splitKey(key), splitKey(other)];
  return (compareText(a.namespace, b.namespace) || compareText(a.name, b.name)) > 0;
}

interface Found {
  readonly objects: readonly KubeObject[];
  readonly revision: number;
}

function find({ store }: ApiContext, { type }: Target, options: ListOptions): Found {
  const { query, resourceVersion, resourceVersionMatch, limit } = options;
  if (options.continue !== "") {
    if (resourceVersion !== "" && resourceVersion !== "0") {
      throw new StatusError(400, "BadRequest", "specifying resource version is not allowed when using continue");
    }
    const { revision, after } = decodeContinue(options.continue);
    const at = revision < 0 ? store.revision : revision;
    const objects = listAtToken(() => (revision < 0 ? store.list(type, query) : store.listAt(type, revision, query)), after);
    return { objects: objects.filter((object) => isAfter(keyOf(object), after)), revision: at };
  }
  const present: Found = { objects: store.list(type, query), revision: store.revision };
  if (resourceVersion === "" || resourceVersion === "0") return present;
  const asked = parseRevision(resourceVersion);
  if (asked > store.revision) throw tooLargeRevision(asked, store.revision);
  const exact = resourceVersionMatch === "Exact" || (resourceVersionMatch === "" && limit > 0);
  return exact ? { objects: store.listAt(type, asked, query), revision: asked } : present;
}

/** Reads a later page; when its revision is gone, the 410 carries a token for the inconsistent rest. */
function listAtToken(read: () => readonly KubeObject[], after: string): readonly KubeObject[] {
  try {
    return read();
  } catch (error) {
    if (!isStatus(error, "Expired")) throw error;
    const gone = new StatusError(410, "Expired", CONTINUE_EXPIRED);
    throw Object.assign(gone, { status: { ...gone.status, metadata: { continue: encodeContinue({ revision: -1, after }) } } });
  }
}

export function listObjects(request: ApiRequest, context: ApiContext, target: Target, options: ListOptions): Answer {
  const presentation = presentationOf(request, context, target.type);
  const { objects, revision } = find(context, target, options);
  const page = options.limit > 0 ? objects.slice(0, options.limit) : objects;
  const last = page.at(-1);
  const remaining = objects.length - page.length;
  return presentation.list(page, {
    resourceVersion: String(revision),
    ...(remaining > 0 && last ? { continue: encodeContinue({ revision, after: keyOf(last) }) } : {}),
    ...(remaining > 0 && !options.selective ? { remainingItemCount: remaining } : {}),
  });
}
