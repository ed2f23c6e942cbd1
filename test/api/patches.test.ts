// Patches of every type over HTTP, and what none of them may change.
import t from "tap";
import { APPS, configMap, CORE, deployment } from "./example-objects.ts";
import { startApi } from "./in-process-api.ts";

t.test("patches of every type", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${APPS}/deployments`, { body: deployment("web") });
  const patch = (type: string, body: unknown, query = ""): ReturnType<typeof call> =>
    call("PATCH", `${APPS}/deployments/web${query}`, { body, headers: { "content-type": `application/${type}` } });
  t.match((await patch("merge-patch+json", { spec: { replicas: 3 } })).json, {
    kind: "Deployment",
    spec: { replicas: 3 },
    metadata: { generation: 2 },
  });
  t.match((await patch("json-patch+json", [{ op: "replace", path: "/spec/replicas", value: 4 }])).json, { spec: { replicas: 4 } });
  const containers = [
    { name: "c", image: "nginx:2" },
    { name: "d", image: "redis" },
  ];
  const strategic = await patch("strategic-merge-patch+json", { spec: { template: { spec: { containers } } } });
  t.match(strategic.json, { spec: { template: { spec: { containers: [{ image: "nginx:2" }, { image: "redis" }] } } } });
  t.match((await patch("merge-patch+json", { metadata: { resourceVersion: "1" } })).json, { code: 409, reason: "Conflict" });
  t.match((await patch("merge-patch+json", "{")).json, { code: 400 });
  t.match((await patch("merge-patch", {})).json, {
    code: 415,
    message:
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
  });
  t.match((await patch("apply-patch+yaml", deployment("web", 5))).json, {
    code: 422,
    message: /fieldManager: Required value: is required for apply patch/,
  });
  t.match((await patch("apply-patch+yaml", deployment("web", 5), "?fieldManager=applier")).json, {
    code: 409,
    reason: "Conflict",
    message: /conflict/,
  });
  t.match((await patch("apply-patch+yaml", deployment("web", 5), "?fieldManager=applier&force=true")).json, { spec: { replicas: 5 } });
  const fresh = await call("PATCH", `${APPS}/deployments/fresh?fieldManager=applier`, {
    body: deployment("fresh"),
    headers: { "content-type": "application/apply-patch+yaml" },
  });
  t.equal(fresh.status, 201);
  t.match(fresh.json, { metadata: { name: "fresh", managedFields: [{ manager: "applier", operation: "Apply" }] } });
  t.equal(
    (await call("PATCH", `${APPS}/deployments/none`, { body: {}, headers: { "content-type": "application/merge-patch+json" } })).status,
    404,
  );
});

t.test("a patch changes nothing of an object's identity", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${CORE}/configmaps`, { body: { ...configMap("a"), metadata: { name: "a", finalizers: ["example.com/a"] } } });
  const merge = { "content-type": "application/merge-patch+json" };
  const patched = async (metadata: object): Promise<unknown> => {
    const { json, status } = await call("PATCH", `${CORE}/configmaps/a`, { body: { metadata }, headers: merge });
    return status < 300 ? status : `${json["code"]}: ${json["message"]}`;
  };
  t.equal(await patched({ name: "b" }), "400: the name of the object (b) does not match the name on the URL (a)");
  t.equal(await patched({ namespace: "b" }), "400: the namespace of the provided object does not match the namespace sent on the request");
  t.equal(await patched({ uid: "b" }), '422: ConfigMap "a" is invalid: metadata.uid: Invalid value: "b": field is immutable');
  t.match(await patched({ deletionTimestamp: "2020-01-01T00:00:00Z" }), /^422: .*metadata\.deletionTimestamp: .*: field is immutable$/);
  t.equal(await patched({ creationTimestamp: "2020-01-01T00:00:00Z" }), 200);
  await call("DELETE", `${CORE}/configmaps/a`);
  t.equal(
    await patched({ finalizers: ["example.com/a", "example.com/b"] }),
    '422: ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/b"}',
  );
  const applied = await call("PATCH", `${CORE}/configmaps/x?fieldManager=m`, {
    body: configMap("y"),
    headers: { "content-type": "application/apply-patch+yaml" },
  });
  t.match(applied.json, { code: 400, message: "the name of the object (y) does not match the name on the URL (x)" });
});
