// From a request to its handler: the routes of the API server. Upstream: apiserver pkg/server/routes, pkg/endpoints/installer.go.
import { absentList } from "./absent.ts";
import { ANONYMOUS, unauthorized, type User } from "./authentication.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "./context.ts";
import { deprecationOf } from "./deprecations.ts";
import { discoveryAnswer } from "./discovery.ts";
import { EXTENSION_GROUP_VERSION, extensionHandler } from "./extension.ts";
import { HEALTH_PATHS, healthAnswer } from "./health.ts";
import { parseListOptions } from "./list-options.ts";
import { openApiAnswer } from "./openapi.ts";
import { parsePath, type PlainPath, type ResourcePath } from "./path.ts";
import { answerReview, reviewOf } from "./reviews.ts";
import { subresourceHandlers } from "./subresources/index.ts";
import { upgradeRequired } from "./streams/index.ts";
import { verbOfMethod } from "./subresources/served-subresource.ts";
import { hasSubresource, methodNotAllowed, noSuchResource, type Target, targetOf } from "./target.ts";
import { createObject } from "./verbs/create.ts";
import { deleteCollection, deleteObject, hasDeleteCollection } from "./verbs/delete.ts";
import { getObject } from "./verbs/get.ts";
import { listObjects } from "./verbs/list.ts";
import { patchObject } from "./verbs/patch.ts";
import { updateObject } from "./verbs/update.ts";
import { watchObjects } from "./verbs/watch.ts";

/** Paths that answer without credentials. */
function isPublic(segments: readonly string[]): boolean {
  return HEALTH_PATHS.has(segments[0] ?? "") || (segments[0] === "version" && segments.length <= 2);
}

/** The user of a request. Throws 401 unless the path is open to all. */
export function authorize(request: Omit<ApiRequest, "user">, context: ApiContext): User {
  const user = context.authenticator.authenticate(request.incoming);
  if (user) return user;
  if (!isPublic(request.url.pathname.split("/").slice(1))) throw unauthorized();
  return ANONYMOUS;
}

/** Answers a request. Throws StatusError for every refusal. */
export async function dispatch(request: ApiRequest, context: ApiContext): Promise<Answer> {
  const path = parsePath(request.url.pathname);
  if (path.type === "plain") return answerPlain(path, request, context);
  if (`${path.group}/${path.version}` === EXTENSION_GROUP_VERSION) {
    const handler = extensionHandler([path.resource, ...(path.name === undefined ? [] : [path.name])]);
    if (handler) return request.method === "GET" || request.method === "POST" ? handler(request, context) : refuse();
  }
  const review = reviewOf(path);
  if (review) return request.method === "POST" ? answerReview(request, context, review) : refuse();
  const absent = request.method === "GET" && !request.query.has("watch") ? absentList(path, context.store.revision) : undefined;
  return absent ?? answerResource(path, request, context);
}

function refuse(): never {
  throw methodNotAllowed();
}

function answerPlain({ segments }: PlainPath, request: ApiRequest, context: ApiContext): Answer | Promise<Answer> {
  const [root = ""] = segments;
  const answer = plainAnswer(root, segments, request, context);
  if (!answer) throw noSuchResource();
  if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
  return answer;
}

function plainAnswer(root: string, segments: readonly string[], request: ApiRequest, context: ApiContext): Answer | undefined {
  const named = segments.filter((segment) => segment !== "");
  if (HEALTH_PATHS.has(root)) return healthAnswer(segments, request, context);
  if (root === "version" && named.length === 1) return objectAnswer(context.version);
  if (root === "metrics" && named.length === 1) {
    return { type: "text", code: 200, body: context.metrics.dump(context.store), contentType: "text/plain; version=0.0.4; charset=utf-8" };
  }
  if (root === "openapi") return openApiAnswer(named.slice(1), request, context);
  if (named.length === 0)
    return objectAnswer({
      paths: ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
    });
  return discoveryAnswer(segments, request, context);
}

async function answerResource(path: ResourcePath, request: ApiRequest, context: ApiContext): Promise<Answer> {
  const target = targetOf(context.store, path);
  const deprecation = deprecationOf(target.type);
  if (deprecation !== undefined) request.warnings.push(deprecation);
  if (target.subresource !== undefined) return answerSubresource(target, target.subresource, request, context);
  return target.name === undefined || target.watch ? answerCollection(target, request, context) : answerObject(target, request, context);
}

function answerCollection(target: Target, request: ApiRequest, context: ApiContext): Answer | Promise<Answer> {
  const place = {
    watch: target.watch,
    ...(target.everywhere || !target.type.namespaced ? {} : { namespace: target.namespace }),
    ...(target.name === undefined ? {} : { name: target.name }),
  };
  switch (request.method) {
    case "GET":
    case "HEAD": {
      const options = parseListOptions(target.type, request.query, place);
      return options.watch ? watchObjects(request, context, target, options) : listObjects(request, context, target, options);
    }
    case "POST":
      return createObject(request, context, target);
    case "DELETE":
      if (target.everywhere || !hasDeleteCollection(target.type)) throw methodNotAllowed();
      return deleteCollection(request, context, target, parseListOptions(target.type, request.query, place));
    default:
      throw methodNotAllowed();
  }
}

function answerObject(target: Target, request: ApiRequest, context: ApiContext): Answer | Promise<Answer> {
  switch (request.method) {
    case "GET":
    case "HEAD": {
      if (request.query.get("watch") === "true" || request.query.get("watch") === "1") {
        return answerCollection({ ...target, watch: true }, request, context);
      }
      return getObject(request, context, target);
    }
    case "PUT":
      return updateObject(request, context, target);
    case "PATCH":
      return patchObject(request, context, target);
    case "DELETE":
      return deleteObject(request, context, target);
    default:
      throw methodNotAllowed();
  }
}

function answerSubresource(target: Target, name: string, request: ApiRequest, context: ApiContext): Answer | Promise<Answer> {
  if (!hasSubresource(target.type, name)) throw noSuchResource();
  const served = subresourceHandlers.get(name);
  if (!served || (target.rest !== "" && name !== "proxy")) throw noSuchResource();
  const verb = verbOfMethod(request.method);
  if (verb === undefined || !served.verbs.includes(verb)) throw methodNotAllowed();
  if (!served.handle) throw upgradeRequired();
  return served.handle(request, context, target);
}
