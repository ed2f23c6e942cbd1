// The URL grammar of the API server: which resource, name and subresource a path means.
// Upstream: apiserver pkg/endpoints/request/requestinfo.go. The deprecated /watch/ prefix is understood.
import { badRequest } from "../model/errors.ts";

/** A path below /api/v1 or /apis/{group}/{version} that names a resource. */
export interface ResourcePath {
  readonly type: "resource";
  readonly group: string;
  readonly version: string;
  /** Absent: cluster-scoped, or all namespaces. */
  readonly namespace?: string;
  readonly resource: string;
  readonly name?: string;
  readonly subresource?: string;
  /** What follows the subresource, with its leading slash: the path of a proxy request. "" when nothing does. */
  readonly rest: string;
  /** The path began with /watch/. */
  readonly watch: boolean;
}

/** Any other path, as its decoded segments. */
export interface PlainPath {
  readonly type: "plain";
  readonly segments: readonly string[];
}

const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`invalid URL escape ${JSON.stringify(segment)}`);
  }
}

/** Takes a URL's pathname apart. Throws 400 on a broken escape. */
export function parsePath(pathname: string): ResourcePath | PlainPath {
  const raw = pathname.split("/").slice(1);
  const segments = raw.filter((segment, i) => segment !== "" || i < raw.length - 1).map(decode);
  const plain: PlainPath = { type: "plain", segments };
  const isCore = segments[0] === "api";
  if (!isCore && segments[0] !== "apis") return plain;
  const prefix = isCore ? 2 : 3;
  if (segments.length <= prefix) return plain;
  const group = isCore ? "" : (segments[1] ?? "");
  const version = segments[prefix - 1] ?? "";
  const watch = segments[prefix] === "watch" && segments.length > prefix + 1;
  let at = prefix + (watch ? 1 : 0);
  let namespace: string | undefined;
  if (segments[at] === "namespaces" && segments.length > at + 2 && !NAMESPACE_SUBRESOURCES.has(segments[at + 2] ?? "")) {
    namespace = segments[at + 1];
    at += 2;
  }
  const [resource = "", name, subresource] = segments.slice(at);
  const restAt = at + 3;
  const rest = raw.length > restAt ? `/${raw.slice(restAt).join("/")}` : "";
  return {
    type: "resource",
    group,
    version,
    ...(namespace === undefined ? {} : { namespace }),
    resource,
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
    rest,
    watch,
  };
}
