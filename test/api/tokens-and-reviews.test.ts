// Service account tokens, and the reviews that tell who somebody is and what they may do.
import t from "tap";
import { CORE, pod } from "./example-objects.ts";
import { startApi } from "./in-process-api.ts";

t.test("service account tokens and reviews", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${CORE}/serviceaccounts`, { body: { metadata: { name: "robot" } } });
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
  const answer = await call("POST", `${CORE}/serviceaccounts/robot/token`, { body: request });
  t.equal(answer.status, 201);
  const token = String(answer.json.status?.token);
  const as = { headers: { authorization: `Bearer ${token}` } };
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  t.match((await call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", { body: review, ...as })).json, {
    status: {
      userInfo: {
        username: "system:serviceaccount:default:robot",
        groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
      },
    },
  });
  const bound = async (boundObjectRef: object): Promise<unknown> =>
    (await call("POST", `${CORE}/serviceaccounts/robot/token`, { body: { ...request, spec: { boundObjectRef } } })).json["message"];
  await call("POST", `${CORE}/pods`, { body: pod("other") });
  t.equal(await bound({ apiVersion: "v1", kind: "Pod", name: "none" }), 'pods "none" not found');
  t.equal(
    await bound({ apiVersion: "v1", kind: "Pod", name: "other" }),
    'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
  );
  t.equal(await bound({ apiVersion: "v1", kind: "ConfigMap", name: "c" }), "cannot bind token to object of type /v1, Kind=ConfigMap");
  const tokenReview = (text: string): object => ({ apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token: text } });
  const tokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";
  t.match((await call("POST", tokenReviews, { body: tokenReview(token) })).json, { status: { authenticated: true } });
  t.match((await call("POST", tokenReviews, { body: tokenReview(`${token}x`) })).json, { status: { authenticated: false } });
  t.match((await call("POST", tokenReviews, { body: tokenReview("a.b.c") })).json, { status: { authenticated: false } });
  const access = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: { verb: "get", resource: "pods" } },
  };
  const accessPath = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  t.match((await call("POST", accessPath, { body: access })).json, { kind: "SelfSubjectAccessReview", status: { allowed: true } });
  t.match((await call("POST", accessPath, { body: { ...access, spec: {} } })).json, { code: 400 });
  t.equal((await call("GET", accessPath)).status, 405);
  await call("DELETE", `${CORE}/serviceaccounts/robot`);
  t.equal((await call("GET", "/api", as)).status, 401, "the token dies with its account");
  t.match((await call("POST", `${CORE}/serviceaccounts/none/token`, { body: request })).json, { code: 404 });
});
