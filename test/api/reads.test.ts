// Reads over HTTP: paths, refusals, discovery, forms of answers, what the extension tells. Sources: shared measurements of kubectl.
import t from "tap";
import { parsePath } from "../../api/path.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { stored } from "./example-objects.ts";
import { startApi } from "./in-process-api.ts";

t.test("paths", async (t) => {
  const cases: readonly (readonly [path: string, expected: string])[] = [
    ["/api/v1/pods", "/v1 pods"],
    ["/api/v1/pods/", "/v1 pods"],
    ["/api/v1/namespaces", "/v1 namespaces"],
    ["/api/v1/namespaces/x", "/v1 namespaces x"],
    ["/api/v1/namespaces/x/finalize", "/v1 namespaces x finalize"],
    ["/api/v1/namespaces/x/pods", "/v1 ns=x pods"],
    ["/api/v1/namespaces/x/pods/y/log", "/v1 ns=x pods y log"],
    ["/api/v1/namespaces/x/services/http:y:80/proxy/a//b%20c", "/v1 ns=x services http:y:80 proxy rest=/a//b%20c"],
    ["/apis/apps/v1/namespaces/x/deployments/y/scale", "apps/v1 ns=x deployments y scale"],
    ["/api/v1/watch/namespaces/x/pods", "/v1 ns=x pods watch"],
    ["/api/v1", "plain api,v1"],
    ["/apis/apps/v1", "plain apis,apps,v1"],
    ["/healthz/etcd", "plain healthz,etcd"],
  ];
  for (const [pathname, expected] of cases) {
    const path = parsePath(pathname);
    const words =
      path.type === "plain"
        ? ["plain", path.segments.join(",")]
        : [
            `${path.group}/${path.version}`,
            ...(path.namespace === undefined ? [] : [`ns=${path.namespace}`]),
            path.resource,
            ...(path.name === undefined ? [] : [path.name]),
            ...(path.subresource === undefined ? [] : [path.subresource]),
            ...(path.rest === "" ? [] : [`rest=${path.rest}`]),
            ...(path.watch ? ["watch"] : []),
          ];
    t.equal(words.join(" "), expected, pathname);
  }
  t.throws(() => parsePath("/api/v1/pods/%zz"), { code: 400 });
});

t.test("refusals are Status objects with upstream's words", async (t) => {
  const { call } = await startApi(t);
  const cases: readonly (readonly [request: string, code: number, reason: string, message: string, headers?: Record<string, string>])[] = [
    ["GET /nowhere", 404, "NotFound", "the server could not find the requested resource"],
    ["GET /api/v1/foos", 404, "NotFound", "the server could not find the requested resource"],
    ["GET /apis/apps/v2/deployments", 404, "NotFound", "the server could not find the requested resource"],
    ["GET /api/v1/namespaces/default/pods/x/nothing", 404, "NotFound", "the server could not find the requested resource"],
    ["GET /api/v1/namespaces/default/pods/x", 404, "NotFound", 'pods "x" not found'],
    ["GET /apis/apps/v1/namespaces/default/deployments/x", 404, "NotFound", 'deployments.apps "x" not found'],
    ["PUT /api/v1/namespaces/default/pods", 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"],
    ["DELETE /api/v1/pods", 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"],
    ["POST /version", 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"],
    [
      "GET /api/v1/pods",
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json, application/yaml",
      { accept: "application/vnd.kubernetes.protobuf" },
    ],
    [
      "POST /api/v1/namespaces/default/configmaps",
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
      { "content-type": "text/plain" },
    ],
    ["GET /apis/batch/v1/jobs?fieldSelector=spec.foo%3D1", 400, "BadRequest", 'field label "spec.foo" not supported for Job'],
    ["GET /api/v1/pods?fieldSelector=spec.foo%3D1", 400, "BadRequest", "field label not supported: spec.foo"],
    [
      "GET /api/v1/configmaps?fieldSelector=data%3D1",
      400,
      "BadRequest",
      '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    [
      "GET /api/v1/pods?resourceVersionMatch=Exact",
      422,
      "Invalid",
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ],
    [
      "GET /api/v1/pods?watch=1&sendInitialEvents=true",
      422,
      "Invalid",
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    ],
    ["GET /api/v1/pods?resourceVersion=999", 504, "Timeout", "Too large resource version: 999, current: 3"],
    ["GET /api/v1/pods?continue=nonsense", 400, "BadRequest", "continue key is not valid: illegal base64 data or unknown version"],
    ["GET /api/v1/pods/%zz", 400, "BadRequest", 'invalid URL escape "%zz"'],
    ["GET /api", 401, "Unauthorized", "Unauthorized", { authorization: "" }],
    ["GET /version", 401, "Unauthorized", "Unauthorized", { authorization: "Bearer wrong" }],
  ];
  for (const [request, code, reason, message, headers] of cases) {
    const [method = "", path = ""] = request.split(" ");
    const { authorization, ...rest } = headers ?? {};
    const body = rest["content-type"] === undefined ? {} : { body: "x" };
    const reply = await call(method, path, { ...body, headers: { ...rest, ...(authorization === undefined ? {} : { authorization }) } });
    t.match(reply.json, { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code }, request);
    t.equal(reply.status, code, request);
  }
});

t.test("health, version and metrics", async (t) => {
  const { call, url } = await startApi(t);
  for (const path of ["/healthz", "/livez", "/readyz", "/readyz/etcd"]) {
    t.equal(await (await fetch(`${url}${path}`)).text(), "ok", `${path} without credentials`);
  }
  t.equal((await call("GET", "/readyz?verbose")).text, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n");
  t.equal((await call("GET", "/readyz/nothing")).status, 404);
  const version = (await (await fetch(`${url}/version`)).json()) as object;
  t.match(version, { major: "1", minor: "33", gitVersion: /^v1\.33\./, platform: /^\w+\/\w+$/ });
  t.match((await call("GET", "/metrics")).text, /^apiserver_storage_objects\{resource="namespaces"\} 2$/m);
});

t.test("discovery in every form", async (t) => {
  const { call } = await startApi(t);
  const accept = (v: string): { headers: Record<string, string> } => ({
    headers: { accept: `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList,application/json` },
  });
  for (const v of ["v2", "v2beta1"]) {
    const reply = await call("GET", "/apis", accept(v));
    t.equal(reply.headers.get("content-type"), `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`);
    t.equal(String(reply.json.apiVersion), `apidiscovery.k8s.io/${v}`);
  }
  t.match((await call("GET", "/api", accept("v2"))).json, {
    kind: "APIGroupDiscoveryList",
    items: [{ versions: [{ version: "v1", freshness: "Current" }] }],
  });
  t.match((await call("GET", "/api")).json, { kind: "APIVersions", versions: ["v1"] });
  t.match((await call("GET", "/apis")).json, { kind: "APIGroupList", groups: [{ name: "apps" }] });
  t.match((await call("GET", "/apis/apps")).json, { kind: "APIGroup", name: "apps", preferredVersion: { groupVersion: "apps/v1" } });
  const core = (await call("GET", "/api/v1")).json as unknown as {
    readonly resources: readonly { readonly name: string; readonly kind: string }[];
  };
  t.match(
    core.resources.find(({ name }) => name === "pods/eviction"),
    { kind: "Eviction", group: "policy", version: "v1" },
  );
  t.match(
    core.resources.find(({ name }) => name === "namespaces"),
    { verbs: ["create", "delete", "get", "list", "patch", "update", "watch"] },
  );
  t.equal((await call("DELETE", "/api/v1/namespaces")).status, 405);
  t.match(
    core.resources.find(({ name }) => name === "pods/ephemeralcontainers"),
    { kind: "Pod" },
  );
  t.match((await call("GET", "/apis/apps/v1")).text, /"deployments\/scale"/);
  t.match((await call("GET", "/openapi/v3")).json, {
    paths: { "apis/apps/v1": { serverRelativeURL: /^\/openapi\/v3\/apis\/apps\/v1\?hash=/ } },
  });
  const document = await call("GET", "/openapi/v3/apis/apps/v1");
  t.match(document.text, /x-kubernetes-group-version-kind/);
  const cached = await call("GET", "/openapi/v3/apis/apps/v1", { headers: { "if-none-match": document.headers.get("etag") ?? "" } });
  t.equal(cached.status, 304);
});

t.test("tables, metadata and YAML on request", async (t) => {
  const { call } = await startApi(t);
  const as = (form: string): { headers: Record<string, string> } => ({
    headers: { accept: `application/json;as=${form};v=v1;g=meta.k8s.io,application/json` },
  });
  const table = (await call("GET", "/api/v1/namespaces", as("Table"))).json;
  t.match(table, { kind: "Table", apiVersion: "meta.k8s.io/v1", columnDefinitions: [{ name: "Name", format: "name" }] });
  t.match(table.rows?.[0 as never], { cells: ["default", "Active", /s$/], object: { kind: "PartialObjectMetadata" } });
  const full = (await call("GET", "/api/v1/namespaces?includeObject=Object", as("Table"))).json;
  t.match(full.rows?.[0 as never], { object: { kind: "Namespace" } });
  t.match((await call("GET", "/api/v1/namespaces", as("PartialObjectMetadataList"))).json, { kind: "PartialObjectMetadataList" });
  t.match((await call("GET", "/api/v1/namespaces/default", as("PartialObjectMetadata"))).json, { kind: "PartialObjectMetadata" });
  t.match((await call("GET", "/api/v1/namespaces/default", { headers: { accept: "application/yaml" } })).text, /^kind: Namespace$/m);
});

t.test("large answers are compressed for who asks", async (t) => {
  const { call, store } = await startApi(t);
  await store.create(ConfigMaps, { ...stored("big"), data: { text: "x".repeat(200_000) } });
  const path = "/api/v1/namespaces/default/configmaps";
  t.equal((await call("GET", path, { headers: { "accept-encoding": "gzip" } })).headers.get("content-encoding"), "gzip");
  t.equal((await call("GET", path, { headers: { "accept-encoding": "identity" } })).headers.get("content-encoding"), null);
  t.equal((await call("GET", "/api/v1/namespaces", { headers: { "accept-encoding": "gzip" } })).headers.get("content-encoding"), null);
});

t.test("the extension serves what features tell", async (t) => {
  const { call } = await startApi(t, {
    diagnostics: [
      { name: "rules", status: () => ({ services: 2 }), dump: ({ node = "" }) => `rules of ${node}\n` },
      { name: "dns", explain: ({ host }) => Promise.resolve({ title: "DNS", lines: [`${host} is 127.96.0.9`], ip: "127.96.0.9" }) },
      { name: "proxy", explain: ({ ip, port }) => Promise.resolve({ title: "proxy", lines: [`to ${String(ip)}:${port}`] }) },
    ],
    async *trace() {
      yield { at: 1, flow: 1, node: "n", hop: "dial", decision: "pass", matched: [] } as const;
    },
  });
  const base = "/apis/loopkube.dev/v1alpha1";
  t.match((await call("GET", `${base}/status`)).json, { rules: { services: 2 } });
  t.equal((await call("GET", `${base}/dump?name=rules&node=n1`)).text, "rules of n1\n");
  t.match((await call("GET", `${base}/dump?name=zone`)).json, {
    code: 404,
    message: 'nothing named "zone" can be dumped; there is: rules',
  });
  t.match((await call("GET", `${base}/explain?from=host&to=http://web/`)).json, {
    steps: [
      { name: "dns", lines: ["web is 127.96.0.9"] },
      { name: "proxy", lines: ["to 127.96.0.9:80"] },
    ],
  });
  t.match((await call("GET", `${base}/explain?from=pod/a&to=web`)).json, { code: 404, message: 'pods "a" not found' });
  t.match((await call("GET", `${base}/explain?from=moon&to=web`)).json, { code: 400 });
  t.equal((await call("GET", `${base}/trace`)).text, '{"at":1,"flow":1,"node":"n","hop":"dial","decision":"pass","matched":[]}\n');
});
