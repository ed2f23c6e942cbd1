// metav1.ListOptions of a request: selectors, paging, resourceVersion semantics; and the continue token.
// Upstream: apimachinery meta/internalversion/validation, apiserver pkg/storage/continue.go and interfaces.go.
import { badRequest, type FieldError, invalid, StatusError } from "../model/errors.ts";
import { defineResource, type ResourceType } from "../model/resources.ts";
import { parseLabelSelector } from "../model/selectors.ts";
import type { ListQuery } from "../store/index.ts";
import { fieldSelector } from "./field-labels.ts";

export interface ListOptions {
  readonly query: ListQuery;
  /** True when a label or field selector narrows the list. */
  readonly selective: boolean;
  readonly watch: boolean;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
  /** As sent: "" is "most recent". */
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly limit: number;
  readonly continue: string;
}

const LIST_OPTIONS = defineResource("meta.k8s.io/v1", "", "ListOptions", "listoptions");
const FIELD = "resourceVersionMatch";

const flag = (query: URLSearchParams, name: string): boolean | undefined => {
  const value = query.get(name);
  return value === null ? undefined : value !== "false" && value !== "0";
};

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Reads the query of a list or watch. Throws 400 or 422 with upstream's words. */
export function parseListOptions(
  type: ResourceType,
  query: URLSearchParams,
  place: { readonly namespace?: string; readonly name?: string; readonly watch?: boolean },
): ListOptions {
  const labels = query.get("labelSelector") ?? "";
  const fields = query.get("fieldSelector") ?? "";
  const requirements = [
    ...(fields === "" ? [] : fieldSelector(type, fields)),
    ...(place.name === undefined ? [] : [{ path: "metadata.name", negated: false, value: place.name }]),
  ];
  const options: ListOptions = {
    query: {
      ...(place.namespace === undefined ? {} : { namespace: place.namespace }),
      ...(labels === "" ? {} : { labels: parseLabelSelector(labels) }),
      ...(requirements.length === 0 ? {} : { fields: requirements }),
    },
    selective: labels !== "" || requirements.length > 0,
    watch: place.watch === true || flag(query, "watch") === true,
    allowWatchBookmarks: flag(query, "allowWatchBookmarks") === true,
    sendInitialEvents: flag(query, "sendInitialEvents"),
    timeoutSeconds: integer(query, "timeoutSeconds"),
    resourceVersion: query.get("resourceVersion") ?? "",
    resourceVersionMatch: query.get("resourceVersionMatch") ?? "",
    limit: integer(query, "limit") ?? 0,
    continue: query.get("continue") ?? "",
  };
  const errors = options.watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) throw invalid(LIST_OPTIONS, "", errors);
  return options;
}

const forbid = (detail: string, field = FIELD): FieldError => ({ type: "Forbidden", field, detail });

function matchErrors(match: string): FieldError[] {
  if (match === "" || match === "Exact" || match === "NotOlderThan") return [];
  return [{ type: "NotSupported", field: FIELD, value: match, supported: ["Exact", "NotOlderThan", ""] }];
}

function listErrors(options: ListOptions): FieldError[] {
  const { resourceVersion, resourceVersionMatch: match } = options;
  const errors: FieldError[] = [];
  if (options.sendInitialEvents !== undefined) errors.push(forbid("sendInitialEvents is forbidden for list", "sendInitialEvents"));
  if (match === "") return errors;
  if (options.continue !== "") errors.push(forbid("resourceVersionMatch is forbidden when continue is provided"));
  if (resourceVersion === "") errors.push(forbid("resourceVersionMatch is forbidden unless resourceVersion is provided"));
  errors.push(...matchErrors(match));
  if (match === "Exact" && resourceVersion === "0") {
    errors.push(forbid('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  return errors;
}

function watchErrors({
  sendInitialEvents,
  resourceVersionMatch: match,
  allowWatchBookmarks,
  resourceVersion,
  ...options
}: ListOptions): FieldError[] {
  if (sendInitialEvents === undefined) {
    return match === "" ? [] : [forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")];
  }
  const errors: FieldError[] = [];
  if (match !== "NotOlderThan") {
    errors.push(forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  }
  if (options.continue !== "") errors.push(forbid("resourceVersionMatch is forbidden when continue is provided"));
  if (sendInitialEvents && !allowWatchBookmarks && resourceVersion !== "") return errors;
  return errors;
}

/** A resourceVersion as a number; throws 422 when it is none. */
export function parseRevision(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw invalid(LIST_OPTIONS, "", [
    {
      type: "Invalid",
      field: "resourceVersion",
      value: text,
      detail: `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    },
  ]);
}

/** 504 for a revision that does not exist yet. */
export function tooLargeRevision(asked: number, current: number): StatusError {
  return new StatusError(504, "Timeout", `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** Where the next page begins: the revision of the first page (−1: inconsistent), and the last key that was sent. */
export interface ContinueToken {
  readonly revision: number;
  readonly after: string;
}

export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: after })).toString("base64url");
}

/** Throws 400 for anything that `encodeContinue` has not made. */
export function decodeContinue(text: string): ContinueToken {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    if (typeof token === "object" && token !== null && "rv" in token && "start" in token) {
      if (Number.isInteger(token.rv) && typeof token.start === "string") return { revision: Number(token.rv), after: token.start };
    }
  } catch {
    // Falls through: not JSON is as wrong as other JSON.
  }
  throw badRequest("continue key is not valid: illegal base64 data or unknown version");
}
