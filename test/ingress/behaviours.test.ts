// Behaviours of upstream that its own tests take for granted: what the template, the Lua balancers and the parsers do, row by row.
import { createServer } from "node:http";
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

const withTls = (made: Ingress, host: string): Ingress => ({ ...made, spec: { ...made.spec, tls: [{ hosts: [host] }] } });

const catchAll = (name: string, service: string, annotations: Readonly<Record<string, string>> = {}): Ingress => {
  const { rules: _, ...spec } = ingress(name, "x", service, annotations).spec;
  return {
    ...ingress(name, "x", service, annotations),
    spec: { ...spec, defaultBackend: { service: { name: service, port: { number: 80 } } } },
  };
};

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
    config: { "hide-headers": "X-Service,x-other" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
    headers: { "x-service": undefined, "x-pod": "web-0" },
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
    path: "/?x=1",
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
  {
    what: "cors: the pattern is open at its beginning (buildCorsOriginRegex)",
    ingresses: [ingress("a", "a.example", "web", { "enable-cors": "true", "cors-allow-origin": "https://b.example" })],
    asked: on("a.example", "/", { headers: { Origin: "evilhttps://b.example" } }),
    status: 200,
    headers: { "access-control-allow-origin": "evilhttps://b.example" },
  },
  // lua_ingress.lua redirect_to_https
  {
    what: "https redirect: the port is named, 443 too",
    ingresses: [ingress("a", "a.example", "web", { "force-ssl-redirect": "true", "use-port-in-redirects": "true" })],
    asked: on("a.example", "/x"),
    status: 308,
    headers: { location: "https://a.example:443/x" },
  },
  {
    what: "https redirect: a code that is none leaves 308",
    config: { "http-redirect-code": "418" },
    ingresses: [ingress("a", "a.example", "web", { "force-ssl-redirect": "true" })],
    asked: on("a.example", "/x"),
    status: 308,
  },
  {
    what: "https redirect: another code",
    config: { "http-redirect-code": "302" },
    ingresses: [ingress("a", "a.example", "web", { "force-ssl-redirect": "true" })],
    asked: on("a.example", "/x"),
    status: 302,
  },
  {
    what: "https redirect: only http is redirected",
    config: { "use-forwarded-headers": "true" },
    ingresses: [ingress("a", "a.example", "web", { "force-ssl-redirect": "true" })],
    asked: on("a.example", "/x", { headers: { "X-Forwarded-Proto": "ws" } }),
    status: 200,
  },
  {
    what: "https redirect: the wildcard's certificate counts for an exact host (certificate.lua)",
    ingresses: [withTls(ingress("w", "*.example", "web"), "*.example"), ingress("a", "a.example", "web")],
    asked: on("a.example", "/x"),
    status: 308,
  },
  {
    what: "https redirect: a tls section that names another host counts, with the default certificate",
    ingresses: [withTls(ingress("a", "a.example", "web"), "b.example")],
    asked: on("a.example", "/x"),
    status: 308,
  },
  // controller.go mergeAlternativeBackends: catch-all
  {
    what: "a canary with a default backend is an alternative of the catch-all",
    ingresses: [catchAll("main", "web"), catchAll("next", "failing", { canary: "true", "canary-by-header": "X-Next" })],
    asked: on("any.example", "/", { headers: { "X-Next": "always" } }),
    status: 418,
  },
  {
    what: "and is not asked without its header",
    ingresses: [catchAll("main", "web"), catchAll("next", "failing", { canary: "true", "canary-by-header": "X-Next" })],
    asked: on("any.example"),
    status: 200,
  },
  // configmap.go ReadConfig
  {
    what: "global-auth-url that is no URL is none",
    config: { "global-auth-url": "auth.default" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 200,
  },
  {
    what: "global-auth-url asks everywhere",
    config: { "global-auth-url": "http://failing.default/" },
    ingresses: [ingress("a", "a.example", "web")],
    asked: on("a.example"),
    status: 500,
  },
  {
    what: "enable-global-auth false leaves an Ingress out",
    config: { "global-auth-url": "http://failing.default/" },
    ingresses: [ingress("a", "a.example", "web", { "enable-global-auth": "false" })],
    asked: on("a.example"),
    status: 200,
  },
  {
    what: "custom-http-errors of the ConfigMap below 300 are none",
    config: { "custom-http-errors": "200,x" },
    ingresses: [ingress("a", "a.example", "web", { "default-backend": "failing" })],
    asked: on("a.example"),
    status: 200,
  },
  // template.go buildAuthSignURL
  {
    what: "auth-signin",
    ingresses: [ingress("a", "a.example", "web", { "auth-url": "http://refusing.default/", "auth-signin": "http://in.example?cat=0" })],
    asked: on("a.example", "/x?y=1"),
    status: 302,
    headers: { location: "http://in.example?cat=0&rd=http://a.example%2Fx%3Fy%3D1" },
  },
  {
    what: "auth-signin with its own parameter",
    ingresses: [
      ingress("a", "a.example", "web", {
        "auth-url": "http://refusing.default/",
        "auth-signin": "http://in.example?cat&rd=$request_method",
      }),
    ],
    asked: on("a.example"),
    status: 302,
    headers: { location: "http://in.example?cat&rd=GET" },
  },
  {
    what: "auth-signin-redirect-param",
    ingresses: [
      ingress("a", "a.example", "web", {
        "auth-url": "http://refusing.default/",
        "auth-signin": "http://in.example",
        "auth-signin-redirect-param": "orig",
      }),
    ],
    asked: on("a.example", "/"),
    status: 302,
    headers: { location: "http://in.example?orig=http://a.example%2F" },
  },
];

async function prepare(config: Readonly<Record<string, string>> = {}): Promise<World> {
  const world = await harness.start({ config });
  await world.service("web");
  await world.service("failing", { server: () => createServer((_, response) => response.writeHead(418).end("short and stout")) });
  await world.service("refusing", { server: () => createServer((_, response) => response.writeHead(401).end()) });
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

await t.test("use-port-in-redirects: nginx's own redirects name a port that is not the scheme's", async (t) => {
  await using world = await harness.start({ flags: ["--http-port=8080"] });
  await world.service("web");
  await addIngress(
    world,
    ingress("with", "with.example", "web", { "use-port-in-redirects": "true" }, "/dir/"),
    ingress("without", "without.example", "web", {}, "/dir/"),
  );
  for (const [host, location] of [
    ["with.example", "http://with.example:8080/dir/"],
    ["without.example", "http://without.example/dir/"],
  ] as const)
    t.equal((await ask(world.socket(8080), on(host, "/dir"))).headers["location"], location);
});
