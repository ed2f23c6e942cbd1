// Writes over HTTP: create, update and delete, request bodies, and the warnings of admission.
import { gzipSync } from "node:zlib";
import t from "tap";
import { StatusError } from "../../model/errors.ts";
import { Namespaces } from "../../model/resources.ts";
import { configMap, CORE } from "./example-objects.ts";
import { namespace, startApi } from "./in-process-api.ts";

t.test("create, update and delete", async (t) => {
  const { call } = await startApi(t);
  const created = await call("POST", `${CORE}/configmaps?fieldManager=me`, { body: configMap("a", { x: "1" }) });
  t.equal(created.status, 201);
  t.match(created.json, {
    kind: "ConfigMap",
    metadata: { name: "a", namespace: "default", uid: String, managedFields: [{ manager: "me", operation: "Update" }] },
  });
  const again = await call("POST", `${CORE}/configmaps`, { body: configMap("a") });
  t.match(again.json, { code: 409, reason: "AlreadyExists", message: 'configmaps "a" already exists' });
  const put = await call("PUT", `${CORE}/configmaps/a`, { body: configMap("a", { x: "2" }) });
  t.match(put.json, { data: { x: "2" }, metadata: { uid: created.json.metadata?.uid } });
  const stale = { ...configMap("a"), metadata: { name: "a", resourceVersion: String(created.json.metadata?.resourceVersion) } };
  t.match((await call("PUT", `${CORE}/configmaps/a`, { body: stale })).json, {
    code: 409,
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  });
  t.match((await call("PUT", `${CORE}/configmaps/b`, { body: configMap("b") })).json, { code: 404, message: 'configmaps "b" not found' });
  t.match((await call("PUT", `${CORE}/configmaps/a`, { body: configMap("b") })).json, {
    code: 400,
    message: "the name of the object (b) does not match the name on the URL (a)",
  });
  const deleted = await call("DELETE", `${CORE}/configmaps/a`, { body: { propagationPolicy: "Background" } });
  t.match(deleted.json, { kind: "Status", status: "Success", details: { name: "a", kind: "configmaps", uid: created.json.metadata?.uid } });
  t.equal((await call("DELETE", `${CORE}/configmaps/a`)).status, 404);
});

t.test("generated names, dry run, and namespaces that are not there", async (t) => {
  const { call, store } = await startApi(t);
  const generated = await call("POST", `${CORE}/configmaps`, { body: { metadata: { generateName: "web-" } } });
  t.match(generated.json.metadata, { name: /^web-[a-z0-9]{5}$/ });
  const dry = await call("POST", `${CORE}/configmaps?dryRun=All`, { body: configMap("dry") });
  t.equal(dry.status, 201);
  t.notOk(Object.hasOwn(dry.json["metadata"] ?? {}, "resourceVersion"));
  t.equal((await call("GET", `${CORE}/configmaps/dry`)).status, 404);
  t.match((await call("POST", `${CORE}/configmaps?dryRun=Some`, { body: configMap("dry") })).json, {
    code: 422,
    message: /Unsupported value/,
  });
  t.match((await call("POST", "/api/v1/namespaces/nope/configmaps", { body: configMap("a") })).json, {
    code: 404,
    message: 'namespaces "nope" not found',
  });
  t.match((await call("POST", `${CORE}/configmaps`, { body: { metadata: { name: "a", namespace: "other" } } })).json, {
    code: 400,
    message: "the namespace of the provided object does not match the namespace sent on the request",
  });
  t.match((await call("POST", `${CORE}/configmaps`, { body: { metadata: {} } })).json, {
    code: 422,
    message: /name or generateName is required/,
  });
  await store.create(Namespaces, namespace("going"));
  t.match((await call("DELETE", "/api/v1/namespaces/going")).json, { kind: "Namespace", status: { phase: "Terminating" } });
  t.match((await call("POST", "/api/v1/namespaces/going/configmaps", { body: configMap("a") })).json, {
    code: 403,
    message: 'configmaps "a" is forbidden: unable to create new content in namespace going because it is being terminated',
    details: { causes: [{ reason: "NamespaceTerminating" }] },
  });
  t.match((await call("DELETE", "/api/v1/namespaces/default")).json, {
    code: 403,
    message: 'namespaces "default" is forbidden: this namespace may not be deleted',
  });
  const released = await call("PUT", "/api/v1/namespaces/going/finalize", {
    body: { apiVersion: "v1", kind: "Namespace", metadata: { name: "going" }, spec: {} },
  });
  t.equal(released.status, 200);
  t.equal((await call("GET", "/api/v1/namespaces/going")).status, 404);
});

t.test("a collection is deleted by selector", async (t) => {
  const { call } = await startApi(t);
  for (const name of ["a", "b", "c"]) {
    await call("POST", `${CORE}/configmaps`, { body: { metadata: { name, labels: { keep: String(name === "c") } } } });
  }
  const deleted = await call("DELETE", `${CORE}/configmaps?labelSelector=keep%3Dfalse`);
  t.match(deleted.json, { kind: "ConfigMapList", items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }] });
  t.match((await call("GET", `${CORE}/configmaps`)).json, { items: [{ metadata: { name: "c" } }] });
});

t.test("request bodies", async (t) => {
  const { call } = await startApi(t);
  const post = (body: string | Uint8Array, headers: Record<string, string> = {}, query = ""): ReturnType<typeof call> =>
    call("POST", `${CORE}/configmaps${query}`, { body, headers });
  t.equal((await post("kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yaml\n", { "content-type": "application/yaml" })).status, 201);
  const zipped = gzipSync(JSON.stringify(configMap("zipped")));
  t.equal((await post(zipped, { "content-encoding": "gzip" })).status, 201);
  t.match((await post("not gzip", { "content-encoding": "gzip" })).json, { code: 400 });
  t.match((await post(JSON.stringify(configMap("big", { x: "y".repeat(3_200_000) })))).json, {
    code: 413,
    reason: "RequestEntityTooLarge",
    message: "Request entity too large: limit is 3145728",
  });
  t.match((await post("{nonsense")).json, {
    code: 400,
    message:
      "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character 'n' looking for beginning of object key string ({nonsense)",
  });
  t.match((await post("")).json, { code: 400 });
  t.match((await post('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}')).json, { code: 400 });
  const unknown = JSON.stringify({ ...configMap("strict"), nonsense: 1 });
  t.match((await post(unknown, {}, "?fieldValidation=Strict")).json, {
    code: 400,
    message: /strict decoding error: unknown field "nonsense"/,
  });
  const warned = await post(unknown, {}, "?fieldValidation=Warn");
  t.equal(warned.headers.get("warning"), '299 - "unknown field \\"nonsense\\""');
  t.match((await post("\0\0garbage", { "content-type": "application/vnd.kubernetes.protobuf" })).json, { code: 400 });
});

t.test("what admission warns of comes with the answer, be it a refusal", async (t) => {
  const { call, store } = await startApi(t);
  store.admit({
    name: "Warns",
    admit({ object, options }) {
      options.warn?.(`do not call it "${object.metadata.name}"`);
      if (object.metadata.name === "never") throw new StatusError(400, "BadRequest", "no");
    },
  });
  for (const [name, status] of [
    ["a", 201],
    ["never", 400],
  ] as const) {
    const got = await call("POST", `${CORE}/configmaps`, { body: configMap(name) });
    t.equal(got.status, status);
    t.equal(got.headers.get("warning"), `299 - "do not call it \\"${name}\\""`);
  }
  const merge = { body: { data: { x: "1" } }, headers: { "content-type": "application/merge-patch+json" } };
  const patched = await call("PATCH", `${CORE}/configmaps/a`, merge);
  t.equal(patched.headers.get("warning"), '299 - "do not call it \\"a\\""', patched.text);
});
