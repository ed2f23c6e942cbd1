// The kinds that are only ever POSTed: questions about who one is and what one may do. Every authenticated user may do everything.
// Upstream: kubernetes pkg/registry/authentication and pkg/registry/authorization.
import { badRequest } from "../model/errors.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "./context.ts";
import { decodeAnyBody } from "./decode.ts";
import type { ResourcePath } from "./path.ts";

/** One POST-only resource. `status` answers the question of a spec. */
export interface Review {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly singular: string;
  readonly namespaced: boolean;
  status(spec: Readonly<Record<string, unknown>>, request: ApiRequest, context: ApiContext): object;
}

const allowed = (spec: Readonly<Record<string, unknown>>): object => {
  if (spec["resourceAttributes"] === undefined && spec["nonResourceAttributes"] === undefined) {
    throw badRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  return { allowed: true };
};

/** A user other than the asker is allowed when he would be authenticated. */
const subjectAllowed = (spec: Readonly<Record<string, unknown>>): object => {
  const groups = Array.isArray(spec["groups"]) ? spec["groups"] : [];
  if (spec["user"] === "system:anonymous" || groups.includes("system:unauthenticated")) return { allowed: false };
  return allowed(spec);
};

const AUTHENTICATION = { group: "authentication.k8s.io", version: "v1", namespaced: false };
const AUTHORIZATION = { group: "authorization.k8s.io", version: "v1", namespaced: false };

/** Every review, in discovery order. */
export const REVIEWS: readonly Review[] = [
  {
    ...AUTHENTICATION,
    kind: "SelfSubjectReview",
    resource: "selfsubjectreviews",
    singular: "selfsubjectreview",
    status: (_spec, { user }) => ({ userInfo: user }),
  },
  {
    ...AUTHENTICATION,
    kind: "TokenReview",
    resource: "tokenreviews",
    singular: "tokenreview",
    status(spec, _request, { authenticator }) {
      const user = authenticator.tokenUser(String(spec["token"] ?? ""));
      return user ? { authenticated: true, user } : { authenticated: false, user: {} };
    },
  },
  {
    ...AUTHORIZATION,
    namespaced: true,
    kind: "LocalSubjectAccessReview",
    resource: "localsubjectaccessreviews",
    singular: "localsubjectaccessreview",
    status: subjectAllowed,
  },
  {
    ...AUTHORIZATION,
    kind: "SelfSubjectAccessReview",
    resource: "selfsubjectaccessreviews",
    singular: "selfsubjectaccessreview",
    status: allowed,
  },
  {
    ...AUTHORIZATION,
    kind: "SelfSubjectRulesReview",
    resource: "selfsubjectrulesreviews",
    singular: "selfsubjectrulesreview",
    status: () => ({
      resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
      nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
      incomplete: false,
    }),
  },
  {
    ...AUTHORIZATION,
    kind: "SubjectAccessReview",
    resource: "subjectaccessreviews",
    singular: "subjectaccessreview",
    status: subjectAllowed,
  },
];

/** The review that a path names, if any. */
export function reviewOf({ group, version, resource, name, namespace }: ResourcePath): Review | undefined {
  if (name !== undefined) return undefined;
  return REVIEWS.find(
    (review) =>
      review.resource === resource &&
      review.group === group &&
      review.version === version &&
      review.namespaced === (namespace !== undefined),
  );
}

/** Answers a POSTed review: the object with its status filled in. */
export async function answerReview(request: ApiRequest, context: ApiContext, review: Review): Promise<Answer> {
  const body = (await decodeAnyBody(request, review.kind)) ?? {};
  const spec = typeof body["spec"] === "object" && body["spec"] !== null ? (body["spec"] as Record<string, unknown>) : {};
  const status = review.status(spec, request, context);
  return objectAnswer(
    {
      ...body,
      kind: review.kind,
      apiVersion: `${review.group}/${review.version}`,
      metadata: { creationTimestamp: null, ...(typeof body["metadata"] === "object" ? body["metadata"] : {}) },
      ...(review.resource === "selfsubjectreviews" ? {} : { spec }),
      status,
    },
    201,
  );
}
