// Reads over HTTP: paths, discovery, lists and their pages, watches, refusals. Sources: shared measurements of kubectl, KEP 3157 (WatchList).
import t, { type Test } from "tap";
import { parsePath } from "../../api/path.ts";
import { VirtualClock } from "../../model/clock.ts";
import type { ConfigMap } from "../../model/kinds/core-v1.ts";
import { ConfigMaps, Jobs } from "../../model/resources.ts";
import { type InProcessApi, startApi, TOKEN } from "./in-process-api.ts";

const configMap = (name: string, labels: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", labels },
});

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

t.test("lists come in pages of one revision", async (t) => {
  const { call, store } = await startApi(t);
  for (const name of ["a", "b", "c", "d"]) await store.create(ConfigMaps, configMap(name, { odd: String(name === "a" || name === "c") }));
  const names = (json: { readonly items?: unknown }): string =>
    (json.items as readonly { readonly metadata: { readonly name: string } }[]).map(({ metadata }) => metadata.name).join(" ");
  const path = "/api/v1/namespaces/default/configmaps";
  const first = (await call("GET", `${path}?limit=2`)).json;
  t.equal(names(first), "a b");
  t.match(first, { kind: "ConfigMapList", metadata: { remainingItemCount: 2 } });
  await store.delete(ConfigMaps, "default", "d");
  await store.create(ConfigMaps, configMap("e"));
  const second = (await call("GET", `${path}?limit=2&continue=${String(first.metadata?.continue)}`)).json;
  t.equal(names(second), "c d", "the first page's revision");
  t.equal(second.metadata?.resourceVersion, first.metadata?.resourceVersion);
  t.notOk(second.metadata?.continue);
  t.equal(names((await call("GET", path)).json), "a b c e");
  const selected = (await call("GET", `${path}?limit=1&labelSelector=odd%3Dtrue`)).json;
  t.ok(selected.metadata?.continue);
  t.notOk(selected.metadata?.remainingItemCount, "upstream counts only unselective lists");
  t.equal(names((await call("GET", `${path}?fieldSelector=metadata.name!%3Da`)).json), "b c e");
  const exact = `${path}?resourceVersion=${String(first.metadata?.resourceVersion)}`;
  t.equal(names((await call("GET", `${exact}&resourceVersionMatch=Exact`)).json), "a b c d");
  t.equal(names((await call("GET", `${exact}&resourceVersionMatch=NotOlderThan`)).json), "a b c e");
});

t.test("a page whose revision is gone offers the inconsistent rest", async (t) => {
  const { call, store } = await startApi(t, { logLimit: 3 });
  for (const name of ["a", "b", "c"]) await store.create(ConfigMaps, configMap(name));
  const path = "/api/v1/namespaces/default/configmaps";
  const first = (await call("GET", `${path}?limit=1`)).json;
  for (let i = 0; i < 9; i++) {
    await store.mutate(ConfigMaps, "default", "c", (draft) => void (draft.data = { i: String(i) }));
  }
  const gone = await call("GET", `${path}?limit=1&continue=${String(first.metadata?.continue)}`);
  t.equal(gone.status, 410);
  t.match(gone.json, { reason: "Expired", message: /^The provided continue parameter is too old/ });
  const rest = (await call("GET", `${path}?continue=${String(gone.json.metadata?.continue)}`)).json;
  t.match(rest, { items: [{ metadata: { name: "b" } }, { metadata: { name: "c" } }] });
  const watch = await call("GET", `${path}?watch=1&resourceVersion=${String(first.metadata?.resourceVersion)}`);
  t.equal(watch.status, 200);
  t.match(watch.json, {
    type: "ERROR",
    object: { kind: "Status", code: 410, reason: "Expired", message: /^too old resource version: \d+ \(\d+\)$/ },
  });
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

/** Opens a watch and reads its events one by one. */
async function openWatch(
  t: Test,
  { url }: InProcessApi,
  path: string,
  headers: Record<string, string> = {},
): Promise<() => Promise<unknown>> {
  const leave = new AbortController();
  t.teardown(() => leave.abort());
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, signal: leave.signal });
  t.equal(response.status, 200, path);
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return async () => {
    while (!rest.includes("\n")) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      rest += value;
    }
    const line = rest.slice(0, rest.indexOf("\n"));
    rest = rest.slice(line.length + 1);
    return JSON.parse(line) as unknown;
  };
}

t.test("a watch shows objects entering and leaving its selection", async (t) => {
  const api = await startApi(t);
  const { store } = api;
  const path = `/api/v1/namespaces/default/configmaps?watch=true&labelSelector=app%3Dweb&resourceVersion=${store.revision}`;
  const next = await openWatch(t, api, path);
  await store.create(ConfigMaps, configMap("other", { app: "db" }));
  await store.create(ConfigMaps, configMap("web", { app: "web" }));
  t.match(await next(), { type: "ADDED", object: { kind: "ConfigMap", metadata: { name: "web" } } });
  await store.mutate(ConfigMaps, "default", "other", (draft) => void (draft.metadata.labels = { app: "web" }));
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "other" } } });
  await store.mutate(ConfigMaps, "default", "web", (draft) => void (draft.data = { a: "b" }));
  t.match(await next(), { type: "MODIFIED", object: { data: { a: "b" } } });
  await store.mutate(ConfigMaps, "default", "web", (draft) => void (draft.metadata.labels = {}));
  t.match(await next(), { type: "DELETED", object: { metadata: { name: "web" } } });
  await store.delete(ConfigMaps, "default", "other");
  t.match(await next(), { type: "DELETED", object: { metadata: { name: "other", resourceVersion: String(store.revision) } } });
});

t.test("a watch list ends its initial events with a bookmark", async (t) => {
  const api = await startApi(t);
  const options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const next = await openWatch(t, api, `/api/v1/namespaces?${options}`);
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "default" } } });
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "kube-system" } } });
  t.match(await next(), {
    type: "BOOKMARK",
    object: {
      kind: "Namespace",
      apiVersion: "v1",
      metadata: { resourceVersion: String(api.store.revision), annotations: { "k8s.io/initial-events-end": "true" } },
    },
  });
});

t.test("a watch as tables; its timeout; idle bookmarks", async (t) => {
  const clock = new VirtualClock();
  const api = await startApi(t, { clock });
  const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };
  const next = await openWatch(t, api, "/api/v1/namespaces?watch=1&allowWatchBookmarks=true&timeoutSeconds=100", table);
  t.match(await next(), {
    type: "ADDED",
    object: { kind: "Table", columnDefinitions: [{ name: "Name" }], rows: [{ cells: ["default", "Active"] }] },
  });
  t.match(await next(), { type: "ADDED", object: { kind: "Table", columnDefinitions: [], rows: [{ cells: ["kube-system", "Active"] }] } });
  await api.store.settle();
  await clock.advance(61_000);
  t.match(await next(), { type: "BOOKMARK", object: { kind: "Table", rows: [{ object: { metadata: { resourceVersion: "3" } } }] } });
  await clock.advance(40_000);
  t.equal(await next(), undefined, "ended by timeoutSeconds");
});

t.test("stopping the server ends its watches", async (t) => {
  const api = await startApi(t);
  const next = await openWatch(t, api, "/api/v1/namespaces?watch=1");
  await next();
  await next();
  await api.api.stop();
  t.equal(await next(), undefined);
});

t.test("large answers are compressed for who asks", async (t) => {
  const { call, store } = await startApi(t);
  await store.create(ConfigMaps, { ...configMap("big"), data: { text: "x".repeat(200_000) } });
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

t.test("Jobs by how many pods succeeded", async (t) => {
  const { call, store } = await startApi(t);
  const names = (json: { readonly items?: unknown }): unknown =>
    (json.items as { readonly metadata: { readonly name: string } }[]).map(({ metadata }) => metadata.name).join(" ");
  const jobs = "/apis/batch/v1/namespaces/default/jobs";
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } };
  const selector = { matchLabels: { a: "b" } };
  for (const name of ["none", "one"]) {
    const spec = { manualSelector: true, selector, template: { ...template, metadata: { labels: { a: "b" } } } };
    t.equal((await call("POST", jobs, { body: { metadata: { name }, spec } })).status, 201);
  }
  await store.mutate(Jobs, "default", "one", (job) => void (job.status = { succeeded: 1 }), { subresource: "status" });
  t.equal(names((await call("GET", `${jobs}?fieldSelector=status.successful%3D1`)).json), "one");
  t.equal(names((await call("GET", `${jobs}?fieldSelector=status.successful%3D0`)).json), "none");
});
