// Behaviours of upstream that its own tests take for granted: what the template, the Lua balancers and the parsers do, row by row.
import { createServer, type Server } from "node:http";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { ask, type Asked, type Got } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

interface Row {
  readonly what: string;
  readonly ingresses: readonly Ingress[];
  readonly config?: Readonly<Record<string, string>>;
  readonly configMaps?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly asked: Asked;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Headers that the pod saw; undefined: it did not. */
  readonly sees?: Readonly<Record<string, string | undefined>>;
  /** Path that the pod saw. */
  readonly path?: string;
  readonly service?: string;
}

const on = (host: string, path = "/", more: Partial<Asked> = {}): Asked => ({ host, path, ...more });

const ROWS: readonly Row[] = [
  // nginx.tmpl: app-root stands in the server block, for `/` alone.
  {
    what: "app-root of an Ingress whose path is another",
    ingresses: [ingress("a", "a.example", "web", { "app-root": "/app" }, "/app")],
    asked: on("a.example", "/"),
    status: 302,
    headers: { location: "http://a.example/app" },
  },
  {
    what: "app-root comes before a denied location",
    ingresses: [ingress("a", "a.example", "web", { "app-root": "/app", "auth-type": "basic" })],
    asked: on("a.example", "/"),
    status: 302,
  },
  {
    what: "app-root leaves other paths",
    ingresses: [ingress("a", "a.example", "web", { "app-root": "/app" }, "/app")],
    asked: on("a.example", "/app/x"),
    status: 200,
    path: "/app/x",
  },
  // redirect.go: a temporal redirect must be a URL, a permanent one need not.
  {
    what: "temporal-redirect to a path is none",
    ingresses: [ingress("a", "a.example", "web", { "temporal-redirect": "/new" })],
    asked: on("a.example"),
    status: 200,
  },
  {
    what: "permanent-redirect to a path",
    ingresses: [ingress("a", "a.example", "web", { "permanent-redirect": "/new" })],
    asked: on("a.example"),
    status: 301,
    headers: { location: "http://a.example/new" },
  },
  {
    what: "relative-redirects",
    ingresses: [ingress("a", "a.example", "web", { "permanent-redirect": "/new", "relative-redirects": "true" })],
    asked: on("a.example"),
    status: 301,
    headers: { location: "/new" },
  },
  {
    what: "relative-redirects: the slash that is missing too",
    ingresses: [ingress("a", "a.example", "web", { "relative-redirects": "true" }, "/dir/")],
    asked: on("a.example", "/dir?x=1"),
    status: 301,
    headers: { location: "/dir/?x=1" },
  },
  // ngx_srv_redirect.lua
  {
    what: "from-to-www with trusted headers",
    config: { "use-forwarded-headers": "true" },
    ingresses: [ingress("a", "a.example", "web", { "from-to-www-redirect": "true" })],
    asked: on("www.a.example", "/x/", { headers: { "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443" } }),
    status: 308,
    headers: { location: "https://a.example:443/x" },
  },
  {
    what: "from-to-www without trust",
    ingresses: [ingress("a", "a.example", "web", { "from-to-www-redirect": "true" })],
    asked: on("www.a.example", "/x", { headers: { "X-Forwarded-Proto": "https" } }),
    status: 308,
    headers: { location: "http://a.example:80/x" },
  },
  // customheaders/main.go: names as they are allowed, values as they stand.
  {
    what: "custom-headers",
    config: { "global-allowed-response-headers": "X-One" },
    configMaps: { mine: { "X-One": "costs $5" } },
    ingresses: [ingress("a", "a.example", "web", { "custom-headers": "default/mine" })],
    asked: on("a.example"),
    status: 200,
    headers: { "x-one": "costs $5" },
  },
  {
    what: "custom-headers: the letters of the name count",
    config: { "global-allowed-response-headers": "x-one" },
    configMaps: { mine: { "X-One": "1" } },
    ingresses: [ingress("a", "a.example", "web", { "custom-headers": "default/mine" })],
    asked: on("a.example"),
    status: 503,
  },
  {
    what: "custom-headers: a value with a line break",
    config: { "global-allowed-response-headers": "X-One" },
    configMaps: { mine: { "X-One": "1\n2" } },
    ingresses: [ingress("a", "a.example", "web", { "custom-headers": "default/mine" })],
    asked: on("a.example"),
    status: 503,
  },
  {
    what: "custom-headers without its namespace is not found",
    config: { "global-allowed-response-headers": "X-One" },
    configMaps: { mine: { "X-One": "1" } },
    ingresses: [ingress("a", "a.example", "web", { "custom-headers": "mine" })],
    asked: on("a.example"),
    status: 503,
  },
  {
    what: "add-headers knows variables",
    config: { "add-headers": "default/mine" },
    configMaps: { mine: { "X-Host": "$host" } },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
    headers: { "x-host": "a.example" },
  },
  // ConfigMap keys about headers of pods.
  {
    what: "proxy-set-headers",
    config: { "proxy-set-headers": "default/mine" },
    configMaps: { mine: { "X-Team": "blue", "X-Seen-Host": "$http_host" } },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
    sees: { "x-team": "blue", "x-seen-host": "a.example" },
  },
  {
    what: "hide-headers",
    config: { "hide-headers": "X-Secret,x-other" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
    headers: { "x-secret": undefined, "x-pod": "web-0" },
  },
  {
    what: "proxy-add-original-uri-header",
    config: { "proxy-add-original-uri-header": "true" },
    ingresses: [ingress("a", "a.example", "web", { "rewrite-target": "/new" }, "/old")],
    asked: on("a.example", "/old?x=1"),
    status: 200,
    path: "/new?x=1",
    sees: { "x-original-uri": "/old?x=1" },
  },
  {
    what: "no X-Original-URI by default",
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example", "/x"),
    status: 200,
    sees: { "x-original-uri": undefined },
  },
  {
    what: "generate-request-id false",
    config: { "generate-request-id": "false" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
    sees: { "x-request-id": undefined },
  },
  {
    what: "generate-request-id false keeps what was sent",
    config: { "generate-request-id": "false" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example", "/", { headers: { "X-Request-ID": "mine" } }),
    status: 200,
    sees: { "x-request-id": "mine" },
  },
  // xforwardedprefix needs a rewrite.
  {
    what: "x-forwarded-prefix without a rewrite",
    ingresses: [ingress("a", "a.example", "web", { "x-forwarded-prefix": "/pre" })],
    asked: on("a.example"),
    status: 200,
    sees: { "x-forwarded-prefix": undefined },
  },
  {
    what: "x-forwarded-prefix with one",
    ingresses: [ingress("a", "a.example", "web", { "x-forwarded-prefix": "/pre", "rewrite-target": "/" }, "/x")],
    asked: on("a.example", "/x"),
    status: 200,
    sees: { "x-forwarded-prefix": "/pre" },
  },
  // nginx.tmpl CUSTOM_ERRORS: the error's request is not the pod's.
  {
    what: "custom-http-errors: the error's Service sees the error, not the proxy's headers",
    ingresses: [
      ingress("a", "a.example", "failing", { "custom-http-errors": "418", "default-backend": "web", "upstream-vhost": "pod.example" }),
    ],
    asked: on("a.example", "/tea?x=1"),
    status: 200,
    path: "/",
    sees: {
      "x-code": "418",
      "x-original-uri": "/tea?x=1",
      "x-ingress-name": "a",
      "x-service-name": "failing",
      "x-forwarded-host": undefined,
      "x-real-ip": undefined,
      "x-forwarded-for": "127.0.0.1",
      host: "a.example",
    },
  },
  {
    what: "default-backend without endpoints: the path and the proxy's headers, no original URI",
    ingresses: [ingress("a", "a.example", "empty", { "default-backend": "web" })],
    asked: on("a.example", "/tea"),
    status: 200,
    path: "/tea",
    sees: { "x-code": "503", "x-original-uri": undefined, "x-forwarded-host": "a.example" },
  },
  {
    what: "disable-proxy-intercept-errors: the pod's error passes",
    ingresses: [
      ingress("a", "a.example", "failing", {
        "custom-http-errors": "418",
        "default-backend": "web",
        "disable-proxy-intercept-errors": "true",
      }),
    ],
    asked: on("a.example"),
    status: 418,
  },
  // cors/main.go
  {
    what: "cors: a list without one origin sends nothing",
    ingresses: [ingress("a", "a.example", "web", { "enable-cors": "true", "cors-allow-origin": "a.example" })],
    asked: on("a.example", "/", { headers: { Origin: "http://a.example" } }),
    status: 200,
    headers: { "access-control-allow-origin": undefined },
  },
  {
    what: "cors: null is an origin",
    ingresses: [ingress("a", "a.example", "web", { "enable-cors": "true", "cors-allow-origin": "https://b.example, null" })],
    asked: on("a.example", "/", { headers: { Origin: "null" } }),
    status: 200,
    headers: { "access-control-allow-origin": "null" },
  },
  {
    what: "cors: any scheme, one level of wildcard",
    ingresses: [ingress("a", "a.example", "web", { "enable-cors": "true", "cors-allow-origin": "app://*.b.example:9" })],
    asked: on("a.example", "/", { headers: { Origin: "app://x.b.example:9" } }),
    status: 200,
    headers: { "access-control-allow-origin": "app://x.b.example:9" },
  },
];

/** Tells what it saw. */
const echo = (pod: string): Server =>
  createServer((request, response) => {
    response.setHeader("x-pod", pod).setHeader("x-secret", "1");
    response.end(JSON.stringify({ path: request.url, headers: request.headers }));
  });

async function prepare(config: Readonly<Record<string, string>> = {}): Promise<World> {
  const world = await harness.start({ config });
  await world.service("web", { server: echo });
  await world.service("failing", { server: () => createServer((_, response) => response.writeHead(418).end("short and stout")) });
  await world.service("empty", { replicas: 0 });
  return world;
}

const configMap = (world: World, name: string, data: Readonly<Record<string, string>>): Promise<unknown> => {
  return world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data });
};

const saw = (answer: Got): { readonly path: string; readonly headers: Readonly<Record<string, string>> } =>
  JSON.parse(answer.body.toString());

for (const { what, ingresses, config, configMaps = {}, asked, status, headers = {}, sees, path } of ROWS) {
  await t.test(what, async (t) => {
    await using world = await prepare(config);
    for (const [name, data] of Object.entries(configMaps)) await configMap(world, name, data);
    await addIngress(world, ...ingresses);
    const answer = await ask(world.socket(80), asked);
    t.equal(answer.status, status, answer.body.toString());
    for (const [name, value] of Object.entries(headers)) t.equal(answer.headers[name], value, name);
    if (path !== undefined) t.equal(saw(answer).path, path);
    for (const [name, value] of Object.entries(sees ?? {})) t.equal(saw(answer).headers[name], value, name);
  });
}

await t.test("one upstream for each Service: the first Ingress that names it decides how it is balanced", async (t) => {
  await using world = await prepare();
  await world.scale("web", 4, { server: echo });
  await addIngress(world, ingress("first", "one.example", "web", { "upstream-hash-by": "$arg_user" }));
  await world.clock.advance(2000);
  await addIngress(world, ingress("second", "two.example", "web"));
  const pods = async (host: string): Promise<number> => {
    const seen = new Set<unknown>();
    for (let i = 0; i < 8; i++) seen.add((await ask(world.socket(80), on(host, "/?user=ann"))).headers["x-pod"]);
    return seen.size;
  };
  t.strictSame([await pods("one.example"), await pods("two.example")], [1, 1]);
});

await t.test("affinity is the upstream's: other locations heed the cookie and do not set it", async (t) => {
  await using world = await prepare();
  await world.scale("web", 5, { server: echo });
  await addIngress(world, ingress("sticky", "one.example", "web", { affinity: "cookie" }), ingress("plain", "two.example", "web"));
  const first = await ask(world.socket(80), on("one.example"));
  const cookie = [first.headers["set-cookie"]].flat()[0]?.split(";")[0] ?? "";
  t.match(cookie, /^INGRESSCOOKIE=\d+\.\d+\.\d+\.\d+\|[0-9a-f]{32}$/);
  const other = await ask(world.socket(80), on("two.example"));
  t.equal(other.headers["set-cookie"], undefined);
  for (let i = 0; i < 6; i++)
    t.equal(
      (await ask(world.socket(80), on("two.example", "/", { headers: { Cookie: cookie } }))).headers["x-pod"],
      first.headers["x-pod"],
    );
  const foreign = await ask(world.socket(80), on("one.example", "/", { headers: { Cookie: "INGRESSCOOKIE=a|b" } }));
  t.equal(foreign.headers["set-cookie"], undefined, "the key of another upstream is kept (sticky.lua balance)");
});

await t.test("auth-url: what the authentication server sees", async (t) => {
  await using world = await prepare();
  const seen: Readonly<Record<string, unknown>>[] = [];
  await world.service("auth", {
    server: () => createServer((request, response) => (seen.push({ ...request.headers, method: request.method }), response.end())),
  });
  await addIngress(
    world,
    ingress("get", "get.example", "web", { "auth-url": "http://auth.default:80/" }),
    ingress("post", "post.example", "web", { "auth-url": "http://auth.default:80/", "auth-method": "POST" }),
  );
  const headers = { "X-Forwarded-Proto": "https", Cookie: "a=1", "X-Own": "2" };
  for (const host of ["get.example", "post.example"]) await ask(world.socket(80), on(host, "/x?y=1", { headers }));
  const common = {
    host: "auth.default",
    cookie: "a=1",
    "x-own": "2",
    "x-original-url": undefined,
    "x-forwarded-proto": undefined,
    "x-original-method": "GET",
    "x-sent-from": "nginx-ingress-controller",
    "x-auth-request-redirect": "/x?y=1",
    "x-forwarded-for": "127.0.0.1",
    connection: "close",
  };
  for (const [i, more] of [
    { method: "GET", "x-original-url": "http://get.example/x?y=1", "x-original-uri": undefined, "x-scheme": undefined },
    { method: "POST", "x-original-url": "http://post.example/x?y=1", "x-original-uri": "/x?y=1", "x-scheme": "http" },
  ].entries())
    for (const [name, value] of Object.entries({ ...common, ...more })) t.equal(seen[i]?.[name], value, name);
});

await t.test("auth-proxy-set-headers: without the ConfigMap the location is 503", async (t) => {
  await using world = await prepare();
  await world.service("auth");
  const auth = (map: string): Readonly<Record<string, string>> => ({ "auth-url": "http://auth.default/", "auth-proxy-set-headers": map });
  await configMap(world, "mine", { "X-A": "1" });
  await configMap(world, "wrong", { "X A": "1" });
  for (const [map, status] of [
    ["default/mine", 200],
    ["default/absent", 503],
    ["mine", 503],
    ["default/wrong", 503],
    ["other/mine", 503],
  ] as const) {
    const name = map.replace("/", "-");
    await addIngress(world, ingress(name, `${name}.example`, "web", auth(map)));
    t.equal((await ask(world.socket(80), on(`${name}.example`))).status, status, map);
  }
});

await t.test("mirror: the client's headers, and Host of the target alone", async (t) => {
  await using world = await prepare();
  const mirrored = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  await world.service("mirror", { server: () => createServer((request, response) => (mirrored.resolve(request.headers), response.end())) });
  await addIngress(world, ingress("a", "a.example", "web", { "mirror-target": "http://mirror.default$request_uri" }));
  await ask(world.socket(80), on("a.example", "/x", { headers: { "X-Own": "2" } }));
  const headers = await mirrored.promise;
  t.match(headers, { host: "mirror.default", "x-own": "2", connection: "close" });
  t.notOk("x-real-ip" in headers);
});
