// Writes over HTTP: create, update, delete, subresources, request bodies, tokens, reviews and the proxy.
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { StatusError } from "../../model/errors.ts";
import { EndpointSlices, Namespaces, Pods, Services } from "../../model/resources.ts";
import { namespace, startApi, TOKEN } from "./in-process-api.ts";

const N = "/api/v1/namespaces/default";
const A = "/apis/apps/v1/namespaces/default";
const configMap = (name: string, data: object = {}): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
const pod = (name: string): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "nginx" }] },
});
const deployment = (name: string, replicas = 2): object => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "nginx" }] } },
  },
});

t.test("create, update and delete", async (t) => {
  const { call } = await startApi(t);
  const created = await call("POST", `${N}/configmaps?fieldManager=me`, { body: configMap("a", { x: "1" }) });
  t.equal(created.status, 201);
  t.match(created.json, {
    kind: "ConfigMap",
    metadata: { name: "a", namespace: "default", uid: String, managedFields: [{ manager: "me", operation: "Update" }] },
  });
  const again = await call("POST", `${N}/configmaps`, { body: configMap("a") });
  t.match(again.json, { code: 409, reason: "AlreadyExists", message: 'configmaps "a" already exists' });
  const put = await call("PUT", `${N}/configmaps/a`, { body: configMap("a", { x: "2" }) });
  t.match(put.json, { data: { x: "2" }, metadata: { uid: created.json.metadata?.uid } });
  const stale = { ...configMap("a"), metadata: { name: "a", resourceVersion: String(created.json.metadata?.resourceVersion) } };
  t.match((await call("PUT", `${N}/configmaps/a`, { body: stale })).json, {
    code: 409,
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  });
  t.match((await call("PUT", `${N}/configmaps/b`, { body: configMap("b") })).json, { code: 404, message: 'configmaps "b" not found' });
  t.match((await call("PUT", `${N}/configmaps/a`, { body: configMap("b") })).json, {
    code: 400,
    message: "the name of the object (b) does not match the name on the URL (a)",
  });
  const deleted = await call("DELETE", `${N}/configmaps/a`, { body: { propagationPolicy: "Background" } });
  t.match(deleted.json, { kind: "Status", status: "Success", details: { name: "a", kind: "configmaps", uid: created.json.metadata?.uid } });
  t.equal((await call("DELETE", `${N}/configmaps/a`)).status, 404);
});

t.test("a patch changes nothing of an object's identity", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${N}/configmaps`, { body: { ...configMap("a"), metadata: { name: "a", finalizers: ["example.com/a"] } } });
  const merge = { "content-type": "application/merge-patch+json" };
  const patched = async (metadata: object): Promise<unknown> => {
    const { json, status } = await call("PATCH", `${N}/configmaps/a`, { body: { metadata }, headers: merge });
    return status < 300 ? status : `${json["code"]}: ${json["message"]}`;
  };
  t.equal(await patched({ name: "b" }), "400: the name of the object (b) does not match the name on the URL (a)");
  t.equal(await patched({ namespace: "b" }), "400: the namespace of the provided object does not match the namespace sent on the request");
  t.equal(await patched({ uid: "b" }), '422: ConfigMap "a" is invalid: metadata.uid: Invalid value: "b": field is immutable');
  t.match(await patched({ deletionTimestamp: "2020-01-01T00:00:00Z" }), /^422: .*metadata\.deletionTimestamp: .*: field is immutable$/);
  t.equal(await patched({ creationTimestamp: "2020-01-01T00:00:00Z" }), 200);
  await call("DELETE", `${N}/configmaps/a`);
  t.equal(
    await patched({ finalizers: ["example.com/a", "example.com/b"] }),
    '422: ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/b"}',
  );
  const applied = await call("PATCH", `${N}/configmaps/x?fieldManager=m`, {
    body: configMap("y"),
    headers: { "content-type": "application/apply-patch+yaml" },
  });
  t.match(applied.json, { code: 400, message: "the name of the object (y) does not match the name on the URL (x)" });
});

t.test("generated names, dry run, and namespaces that are not there", async (t) => {
  const { call, store } = await startApi(t);
  const generated = await call("POST", `${N}/configmaps`, { body: { metadata: { generateName: "web-" } } });
  t.match(generated.json.metadata, { name: /^web-[a-z0-9]{5}$/ });
  const dry = await call("POST", `${N}/configmaps?dryRun=All`, { body: configMap("dry") });
  t.equal(dry.status, 201);
  t.notOk(Object.hasOwn(dry.json["metadata"] ?? {}, "resourceVersion"));
  t.equal((await call("GET", `${N}/configmaps/dry`)).status, 404);
  t.match((await call("POST", `${N}/configmaps?dryRun=Some`, { body: configMap("dry") })).json, {
    code: 422,
    message: /Unsupported value/,
  });
  t.match((await call("POST", "/api/v1/namespaces/nope/configmaps", { body: configMap("a") })).json, {
    code: 404,
    message: 'namespaces "nope" not found',
  });
  t.match((await call("POST", `${N}/configmaps`, { body: { metadata: { name: "a", namespace: "other" } } })).json, {
    code: 400,
    message: "the namespace of the provided object does not match the namespace sent on the request",
  });
  t.match((await call("POST", `${N}/configmaps`, { body: { metadata: {} } })).json, {
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
    await call("POST", `${N}/configmaps`, { body: { metadata: { name, labels: { keep: String(name === "c") } } } });
  }
  const deleted = await call("DELETE", `${N}/configmaps?labelSelector=keep%3Dfalse`);
  t.match(deleted.json, { kind: "ConfigMapList", items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }] });
  t.match((await call("GET", `${N}/configmaps`)).json, { items: [{ metadata: { name: "c" } }] });
});

t.test("request bodies", async (t) => {
  const { call } = await startApi(t);
  const post = (body: string | Uint8Array, headers: Record<string, string> = {}, query = ""): ReturnType<typeof call> =>
    call("POST", `${N}/configmaps${query}`, { body, headers });
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

t.test("patches of every type", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${A}/deployments`, { body: deployment("web") });
  const patch = (type: string, body: unknown, query = ""): ReturnType<typeof call> =>
    call("PATCH", `${A}/deployments/web${query}`, { body, headers: { "content-type": `application/${type}` } });
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
  const fresh = await call("PATCH", `${A}/deployments/fresh?fieldManager=applier`, {
    body: deployment("fresh"),
    headers: { "content-type": "application/apply-patch+yaml" },
  });
  t.equal(fresh.status, 201);
  t.match(fresh.json, { metadata: { name: "fresh", managedFields: [{ manager: "applier", operation: "Apply" }] } });
  t.equal(
    (await call("PATCH", `${A}/deployments/none`, { body: {}, headers: { "content-type": "application/merge-patch+json" } })).status,
    404,
  );
});

t.test("status and scale", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${A}/deployments`, { body: deployment("web") });
  const merge = { headers: { "content-type": "application/merge-patch+json" } };
  const status = await call("PATCH", `${A}/deployments/web/status`, { ...merge, body: { status: { replicas: 1 }, spec: { replicas: 9 } } });
  t.match(status.json, { status: { replicas: 1 }, spec: { replicas: 2 } }, "spec is not changed through status");
  t.match((await call("GET", `${A}/deployments/web/scale`)).json, {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name: "web", namespace: "default" },
    spec: { replicas: 2 },
    status: { replicas: 1, selector: "app=web" },
  });
  t.match((await call("PATCH", `${A}/deployments/web/scale`, { ...merge, body: { spec: { replicas: 5 } } })).json, {
    spec: { replicas: 5 },
  });
  const scale = { metadata: { name: "web", namespace: "default" }, spec: { replicas: 0 } };
  t.match((await call("PUT", `${A}/deployments/web/scale`, { body: scale })).json, { spec: { replicas: 0 } });
  t.match((await call("GET", `${A}/deployments/web`)).json, { spec: { replicas: 0 }, metadata: { generation: 3 } });
  t.match((await call("PUT", `${A}/deployments/web/scale`, { body: { ...scale, spec: { replicas: -1 } } })).json, {
    code: 422,
    message: 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  });
  const applied = (replicas: unknown, kind = "Scale"): object => ({
    apiVersion: "autoscaling/v1",
    kind,
    metadata: { name: "web" },
    spec: { replicas },
  });
  const apply = async (body: object, query = "") =>
    (
      await call("PATCH", `${A}/deployments/web/scale?fieldManager=autoscaler${query}`, {
        body,
        headers: { "content-type": "application/apply-patch+yaml" },
      })
    ).json;
  t.match(await apply(applied(8)), { code: 409, message: /^Apply failed with 1 conflict: conflict with [^]*: \.spec\.replicas$/ });
  t.match(await apply(applied(8), "&force=true"), { kind: "Scale", spec: { replicas: 8 } });
  const owner = { manager: "autoscaler", operation: "Apply", subresource: "scale", fieldsV1: { "f:spec": { "f:replicas": {} } } };
  const managed = (await call("GET", `${A}/deployments/web`)).json["metadata"]?.["managedFields"] as unknown as readonly {
    readonly manager: string;
  }[];
  t.match(
    managed.find(({ manager }) => manager === "autoscaler"),
    owner,
  );
  t.match(await apply(applied(9)), { spec: { replicas: 9 } }, "its own field");
  t.match(await apply(applied("many")), { status: "Failure" });
  t.match(await apply(applied(1, "Deployment")), { code: 400, message: /^Incorrect kind specified in apply patch/ });
  t.match(await apply(applied(-1)), { code: 422 });
  t.equal((await call("DELETE", `${A}/deployments/web/scale`)).status, 405);
});

t.test("binding, eviction, logs", async (t) => {
  const { call, store } = await startApi(t);
  await call("POST", `${N}/pods`, { body: pod("p") });
  t.match(store.get(Pods, "default", "p"), {
    spec: { serviceAccountName: "default", priority: 0, tolerations: [{ key: "node.kubernetes.io/not-ready" }, {}] },
  });
  const placed = { ...store.get(Pods, "default", "p"), spec: { ...store.get(Pods, "default", "p")?.spec, nodeName: "n1" } };
  t.match(
    (await call("PUT", `${N}/pods/p`, { body: placed })).json,
    { code: 422, message: /- nodeName: nil\n\+ nodeName: "n1"/ },
    "only by binding",
  );
  const { revision } = store;
  const binding = { apiVersion: "v1", kind: "Binding", metadata: { name: "p" }, target: { kind: "Node", name: "n1" } };
  t.match((await call("POST", `${N}/pods/p/binding`, { body: binding })).json, { kind: "Status", status: "Success", code: 201 });
  t.match(store.get(Pods, "default", "p"), {
    spec: { nodeName: "n1" },
    status: { conditions: [{ type: "PodScheduled", status: "True" }] },
  });
  t.equal(store.revision, revision + 1, "in one write");
  t.match((await call("POST", `${N}/pods/p/binding`, { body: binding })).json, {
    code: 409,
    message: 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  });
  t.equal((await call("GET", `${N}/pods/p/log`)).text, "p/c\n");
  t.equal((await call("POST", `${N}/pods/p/exec?command=ls`)).status, 400, "exec without an upgrade");
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "p", namespace: "default" } };
  t.match((await call("POST", `${N}/pods/p/eviction`, { body: eviction })).json, { kind: "Status", status: "Success", code: 201 });
  t.match(store.get(Pods, "default", "p"), { metadata: { deletionTimestamp: String } });
  const killed = await call("DELETE", `${N}/pods/p?gracePeriodSeconds=0`);
  t.match(killed.json, { kind: "Pod", metadata: { name: "p" } });
  t.notOk(store.get(Pods, "default", "p"));
  const absent = { ...pod("q"), spec: { serviceAccountName: "robot", containers: [{ name: "c", image: "nginx" }] } };
  t.match((await call("POST", `${N}/pods`, { body: absent })).json, {
    code: 403,
    message: 'pods "q" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
  });
});

t.test("ephemeral containers", async (t) => {
  const { call, store } = await startApi(t);
  await call("POST", `${N}/pods`, { body: pod("p") });
  const headers = { "content-type": "application/strategic-merge-patch+json" };
  const add = (name: string): object => ({ spec: { ephemeralContainers: [{ name, image: "busybox", targetContainerName: "c" }] } });
  const patch = async (body: object) => (await call("PATCH", `${N}/pods/p/ephemeralcontainers`, { body, headers })).json;
  t.match(await patch(add("d")), { kind: "Pod", spec: { ephemeralContainers: [{ name: "d", imagePullPolicy: "Always" }] } });
  t.match(await patch({ ...add("e"), metadata: { labels: { a: "b" } } }), {
    spec: { ephemeralContainers: [{ name: "d" }, { name: "e" }] },
  });
  t.notOk(store.get(Pods, "default", "p")?.metadata.labels, "nothing but the ephemeral containers changes");
  t.match(await patch(add("c")), { code: 422, message: 'Pod "p" is invalid: spec.ephemeralContainers[2].name: Duplicate value: "c"' });
  t.match((await call("GET", `${N}/pods/p/ephemeralcontainers`)).json, { kind: "Pod" });
  t.equal((await call("DELETE", `${N}/pods/p/ephemeralcontainers`)).status, 405);
});

t.test("service account tokens and reviews", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${N}/serviceaccounts`, { body: { metadata: { name: "robot" } } });
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
  const answer = await call("POST", `${N}/serviceaccounts/robot/token`, { body: request });
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
    (await call("POST", `${N}/serviceaccounts/robot/token`, { body: { ...request, spec: { boundObjectRef } } })).json["message"];
  await call("POST", `${N}/pods`, { body: pod("other") });
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
  await call("DELETE", `${N}/serviceaccounts/robot`);
  t.equal((await call("GET", "/api", as)).status, 401, "the token dies with its account");
  t.match((await call("POST", `${N}/serviceaccounts/none/token`, { body: request })).json, { code: 404 });
});

t.test("HTTP through the proxy subresources", async (t) => {
  const backend = createServer((request, response) => {
    response.setHeader("X-Seen", `${request.method ?? ""} ${request.url ?? ""}`);
    request.pipe(response);
  });
  await new Promise<void>((resolve) => void backend.listen(0, "127.0.0.1", resolve));
  t.teardown(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const dialled: string[] = [];
  const { call, store, url } = await startApi(t, {
    dial(to) {
      dialled.push(`${to.ip}:${to.port}`);
      return Promise.resolve(connect(port, "127.0.0.1"));
    },
  });
  const webPod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "c", image: "nginx", ports: [{ containerPort: 8080 }] }] },
    status: { phase: "Running", podIP: "127.244.1.5" },
  };
  await store.create(Pods, webPod);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { ports: [{ port: 80 }] },
  });
  t.match((await call("GET", `${N}/services/web/proxy/x`)).json, { code: 503, message: 'no endpoints available for service "web"' });
  await store.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.244.1.5"], conditions: { ready: true } }],
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
  });
  const echoed = await call("POST", `${N}/pods/web/proxy/a//b%20c?d=e`, { body: "hello" });
  t.equal(echoed.text, "hello");
  t.equal(echoed.headers.get("x-seen"), "POST /a//b%20c?d=e");
  t.equal((await call("GET", `${N}/services/web:80/proxy/x`)).headers.get("x-seen"), "GET /x");
  t.equal((await call("GET", `${N}/pods/http:web:9000/proxy/`)).headers.get("x-seen"), "GET /");
  t.same(dialled, ["127.244.1.5:8080", "127.244.1.5:8080", "127.244.1.5:9000"]);
  t.match((await call("GET", `${N}/pods/none/proxy/`)).json, { code: 404 });
  backend.on("upgrade", (request, socket: Socket, head) => {
    const seen = `${request.url ?? ""} ${request.headers.authorization ?? "no credentials"} ${request.headers["x-own"] ?? ""}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Seen: ${seen}\r\n\r\n`);
    socket.write(head);
    socket.pipe(socket);
  });
  t.match(
    await upgraded(t, Number(new URL(url).port), `${N}/services/web/proxy/ws?a=b`),
    /^HTTP\/1\.1 101 [^]*X-Seen: \/ws\?a=b no credentials 1\r\n\r\nhello$/,
  );
  t.match(await upgraded(t, Number(new URL(url).port), `${N}/pods/none/proxy/ws`), /^HTTP\/1\.1 404 /);
});

/** Asks for an upgrade to an echo protocol and says hello; all that comes back until it has, or until the end. */
function upgraded(t: Test, port: number, path: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nX-Own: 1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello`,
  );
  let text = "";
  return new Promise((resolve) => {
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.endsWith("hello")) resolve(text);
    });
    socket.on("close", () => resolve(text));
  });
}

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
    const got = await call("POST", `${N}/configmaps`, { body: configMap(name) });
    t.equal(got.status, status);
    t.equal(got.headers.get("warning"), `299 - "do not call it \\"${name}\\""`);
  }
  const merge = { body: { data: { x: "1" } }, headers: { "content-type": "application/merge-patch+json" } };
  const patched = await call("PATCH", `${N}/configmaps/a`, merge);
  t.equal(patched.headers.get("warning"), '299 - "do not call it \\"a\\""', patched.text);
});
