// What the admission webhook refuses, word for word, and what it lets pass.
import t from "tap";
import { CheckCounts } from "../../ingress/report/check-counts.ts";
import { checkIngress, ingressAdmission } from "../../ingress/report/admission.ts";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import type { Ingress, IngressClass } from "../../model/kinds/networking-v1.ts";
import { ConfigMaps, IngressClasses, Ingresses } from "../../model/resources.ts";
import { testStore } from "../support/store.ts";
import { ingress } from "./raw.ts";

const { store } = await testStore();
const nginx: IngressClass = {
  apiVersion: "networking.k8s.io/v1",
  kind: "IngressClass",
  metadata: { name: "nginx" },
  spec: { controller: "k8s.io/ingress-nginx" },
};
await store.create(IngressClasses, nginx);
await store.create(Ingresses, ingress("web", "shop.example", "web", {}, "/cart"));

const other = (made: Ingress): Ingress => ({ ...made, spec: { ...made.spec, ingressClassName: "other" } });
const P = "nginx.ingress.kubernetes.io/";
const rows: readonly (readonly [name: string, object: Ingress, message: string | undefined])[] = [
  [
    "taken host and path",
    ingress("b", "shop.example", "web", {}, "/cart"),
    'host "shop.example" and path "/cart" is already defined in ingress default/web',
  ],
  ["itself", ingress("web", "shop.example", "other", {}, "/cart"), undefined],
  ["another path", ingress("b", "shop.example", "web", {}, "/"), undefined],
  ["a canary may overlap", ingress("b", "shop.example", "web", { canary: "true" }, "/cart"), undefined],
  ["a foreign class is not looked at", other(ingress("b", "shop.example", "web", {}, "/cart")), undefined],
  [
    "a regular expression as Prefix",
    ingress("b", "b.example", "web", {}, "/id/[0-9]+"),
    "ingress contains invalid paths: path /id/[0-9]+ cannot be used with pathType Prefix",
  ],
  ["the same as ImplementationSpecific", ingress("b", "b.example", "web", {}, "/id/[0-9]+", "ImplementationSpecific"), undefined],
  [
    "a snippet",
    ingress("b", "b.example", "web", { "server-snippet": "#" }),
    `${P}server-snippet annotation cannot be used. Snippet directives are disabled by the Ingress administrator`,
  ],
];
for (const [name, object, message] of rows) {
  t.test(name, async (t) => {
    t.equal(checkIngress(object, DEFAULT_FLAGS, store), message);
  });
}

const two = ingress("b", "b.example", "web", {}, "/a;");
const lines = {
  ...two,
  spec: { ...two.spec, rules: [...(two.spec.rules ?? []), ...(ingress("b", "c.example", "web", {}, "/[b]", "Exact").spec.rules ?? [])] },
};
const catchAll: Ingress = {
  ...two,
  spec: { ingressClassName: "nginx", defaultBackend: { service: { name: "web", port: { number: 80 } } } },
};
const secured = (hosts: readonly string[], secretName: string): Ingress => ({
  ...two,
  spec: { ...two.spec, rules: [], tls: [{ hosts: [...hosts], secretName }] },
});
const resource = ingress("b", "shop.example", "web", {}, "/cart");
const unserved: Ingress = {
  ...resource,
  spec: {
    ...resource.spec,
    rules: [
      {
        host: "shop.example",
        http: { paths: [{ path: "/cart", pathType: "Prefix", backend: { resource: { kind: "Bucket", name: "b" } } }] },
      },
    ],
  },
};

/** What an administrator has set, the object, and the answer (controller.go CheckIngress, in its order; inspector/*.go). */
const settings: readonly (readonly [
  name: string,
  config: Readonly<Record<string, string>>,
  object: Ingress,
  message: string | undefined,
])[] = [
  [
    "each path has its line",
    {},
    lines,
    "ingress contains invalid paths: path /a; cannot be used with pathType Prefix\npath /[b] cannot be used with pathType Exact",
  ],
  ["strict-validate-path-type false", { "strict-validate-path-type": "false" }, lines, undefined],
  [
    "a snippet of any prefix",
    {},
    { ...ingress("b", "b.example", "web"), metadata: { namespace: "default", name: "b", annotations: { "example.com/x-snippet": "" } } },
    "example.com/x-snippet annotation cannot be used. Snippet directives are disabled by the Ingress administrator",
  ],
  [
    "a word of the block list",
    { "annotation-value-word-blocklist": "load_module,lua_package,_by_lua" },
    ingress("b", "b.example", "web", { "auth-url": "http://a/_by_lua" }),
    `${P}auth-url annotation contains invalid word _by_lua`,
  ],
  [
    "the block list looks at our annotations only",
    { "annotation-value-word-blocklist": "word" },
    { ...ingress("b", "b.example", "web"), metadata: { namespace: "default", name: "b", annotations: { other: "word" } } },
    undefined,
  ],
  [
    "a value that is not valid",
    {},
    ingress("b", "b.example", "web", { "limit-rps": "many" }),
    `annotation ${P}limit-rps contains invalid value`,
  ],
  ["a value that falls back to its default", {}, ingress("b", "b.example", "web", { "proxy-body-size": "much" }), undefined],
  ["a denied location is admitted", {}, ingress("b", "b.example", "web", { "auth-type": "basic" }), undefined],
  [
    "risk",
    { "annotations-risk-level": "Low" },
    ingress("b", "b.example", "web", { "rewrite-target": "/" }),
    "annotation group Rewrite contains risky annotation based on ingress configuration",
  ],
  [
    "snippets allowed, but a risk",
    { "allow-snippet-annotations": "true" },
    ingress("b", "b.example", "web", { "server-snippet": "x" }),
    "annotation group ServerSnippet contains risky annotation based on ingress configuration",
  ],
  [
    "snippets allowed, and the risk",
    { "allow-snippet-annotations": "true", "annotations-risk-level": "Critical" },
    ingress("b", "b.example", "web", { "server-snippet": "x" }),
    undefined,
  ],
  [
    "deep inspection of a path",
    {},
    ingress("b", "b.example", "web", {}, "/x/etc/passwd", "ImplementationSpecific"),
    "invalid object: invalid rule in ingress default/b: invalid http path: invalid value found: /x/etc/passwd",
  ],
  [
    "deep inspection comes before the class",
    {},
    other(ingress("b", "b.example", "web", {}, "/a{root /;}", "ImplementationSpecific")),
    "invalid object: invalid rule in ingress default/b: invalid http path: invalid value found: /a{root /;}",
  ],
  ["a path with the word root alone", {}, ingress("b", "b.example", "web", {}, "/root alias", "ImplementationSpecific"), undefined],
  [
    "deep inspection of tls hosts",
    {},
    secured(["a.example", "/var/run/secrets"], "x"),
    "invalid object: invalid host in ingress tls config default/b: invalid value found: /var/run/secrets",
  ],
  [
    "deep inspection of tls Secrets",
    {},
    secured([], "content_by_lua_block"),
    "invalid object: invalid secret in ingress default/b: invalid value found: content_by_lua_block",
  ],
  [
    "words with blanks around them",
    { "annotation-value-word-blocklist": "load_module, lua_package ,_by_lua" },
    ingress("b", "b.example", "web", { "auth-url": "http://a/lua_package" }),
    `${P}auth-url annotation contains invalid word  lua_package `,
  ],
  [
    "an empty word is in every value",
    { "annotation-value-word-blocklist": "load_module," },
    ingress("b", "b.example", "web", { "auth-url": "http://a/" }),
    `${P}auth-url annotation contains invalid word `,
  ],
  ["catch-all", {}, catchAll, undefined],
  [
    "a canary annotation permits the overlap, whatever it says",
    {},
    ingress("b", "shop.example", "web", { canary: "false" }, "/cart"),
    undefined,
  ],
  ["a backend that is no Service does not overlap", {}, unserved, undefined],
];
for (const [name, data, object, message] of settings) {
  t.test(name, async (t) => {
    const { store } = await testStore();
    await store.create(IngressClasses, nginx);
    await store.create(Ingresses, ingress("web", "shop.example", "web", {}, "/cart"));
    await store.create(ConfigMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
      data,
    });
    t.equal(checkIngress(object, DEFAULT_FLAGS, store), message);
  });
}

t.test("--disable-catch-all", async (t) => {
  const message =
    "this deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false";
  const flags = { ...DEFAULT_FLAGS, disableCatchAll: true };
  t.equal(checkIngress(catchAll, flags, store), message);
  t.equal(checkIngress({ ...catchAll, spec: { ...ingress("b", "b.example", "web").spec, ...catchAll.spec } }, flags, store), message);
  t.equal(checkIngress(ingress("b", "b.example", "web"), flags, store), undefined);
});

t.test("warnings, whatever the class, also of what is refused", async (t) => {
  const { store, clock } = await testStore();
  await store.create(IngressClasses, nginx);
  store.admit(...ingressAdmission(() => DEFAULT_FLAGS, new CheckCounts(), clock));
  const regex = ingress("b", "b.example", "web", {}, "/id/[0-9]+");
  const influx = ingress("b", "b.example", "web", { "enable-influxdb": "true", "influxdb-host": "x" });
  const { ingressClassName: _, ...classless } = influx.spec;
  const annotated = (spec: Ingress["spec"]): Ingress => ({
    ...influx,
    metadata: { ...influx.metadata, annotations: { "kubernetes.io/ingress.class": "nginx" } },
    spec,
  });
  const deprecated = ["annotation nginx.ingress.kubernetes.io/enable-influxdb is deprecated"];
  const rows: readonly (readonly [name: string, object: Ingress, outcome: string, warnings: readonly string[]])[] = [
    ["nothing to say", ingress("a", "a.example", "web"), "created", []],
    ["a regular expression as Prefix", regex, "refused", ["path /id/[0-9]+ cannot be used with pathType Prefix"]],
    ["the same of a foreign class", other(regex), "created", ["path /id/[0-9]+ cannot be used with pathType Prefix"]],
    [
      "deprecated annotations",
      { ...influx, metadata: { ...influx.metadata, name: "c" } },
      "created",
      [...deprecated, "annotation nginx.ingress.kubernetes.io/influxdb-host is deprecated"],
    ],
    [
      "the class as an annotation",
      { ...annotated(classless), metadata: { ...annotated(classless).metadata, name: "d" }, spec: { ...classless, rules: [] } },
      "created",
      [`annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`],
    ],
  ];
  for (const [name, object, outcome, expected] of rows) {
    const warnings: string[] = [];
    const warn = (text: string): void => void warnings.push(text);
    const got = await store.create(Ingresses, object, { warn }).then(
      () => "created",
      () => "refused",
    );
    t.equal(got, outcome, name);
    t.strictSame(warnings, expected, name);
  }
});

t.test("what is not served does not overlap; --deep-inspect; the namespace selector is not looked at", async (t) => {
  const { store } = await testStore();
  await store.create(IngressClasses, nginx);
  await store.create(Ingresses, ingress("web", "shop.example", "web", { "limit-rps": "many" }, "/cart"));
  const taken = ingress("b", "shop.example", "web", {}, "/cart");
  t.equal(checkIngress(taken, DEFAULT_FLAGS, store), undefined, "dropped for its annotation");
  await store.create(Ingresses, {
    ...ingress("whole", "whole.example", "web"),
    spec: { ...ingress("w", "whole.example", "web").spec, ...catchAll.spec },
  });
  const whole = ingress("c", "whole.example", "web");
  t.match(checkIngress(whole, DEFAULT_FLAGS, store), /already defined in ingress default\/whole/);
  t.equal(checkIngress(whole, { ...DEFAULT_FLAGS, disableCatchAll: true }, store), undefined, "dropped for its default backend");
  const deep = ingress("b", "b.example", "web", {}, "/etc/nginx", "ImplementationSpecific");
  t.match(checkIngress(deep, DEFAULT_FLAGS, store), /^invalid object/);
  t.equal(checkIngress(deep, { ...DEFAULT_FLAGS, deepInspect: false }, store), undefined);
  const selector = { ...DEFAULT_FLAGS, watchNamespaceSelector: "a=b" };
  t.match(checkIngress(ingress("b", "b.example", "web", { "limit-rps": "many" }), selector, store), /contains invalid value/);
  t.equal(checkIngress(deep, { ...DEFAULT_FLAGS, deepInspect: false, watchNamespace: "other" }, store), undefined);
});

t.test("--annotations-prefix", async (t) => {
  const flags = { ...DEFAULT_FLAGS, annotationsPrefix: "acme.example" };
  const own = ingress("b", "shop.example", "web", {}, "/cart");
  const annotated = (annotations: Readonly<Record<string, string>>): Ingress => ({ ...own, metadata: { ...own.metadata, annotations } });
  t.equal(
    checkIngress(annotated({ [`${P}canary`]: "true" }), flags, store),
    "this deployment has a custom annotation prefix defined. Use 'acme.example' instead of 'nginx.ingress.kubernetes.io'",
  );
  t.equal(checkIngress(annotated({ "acme.example/canary": "true" }), flags, store), undefined);
  t.equal(
    checkIngress(annotated({ "acme.example/auth-url": "{}" }), flags, store),
    "annotation acme.example/auth-url contains invalid value",
  );
});

t.test("another Ingress has a location of nginx, not only a path (location.go, updateServerLocations)", async (t) => {
  const { store: other } = await testStore();
  await other.create(IngressClasses, nginx);
  const [host, annotated] = ["x.example", { "rewrite-target": "/y" }];
  await other.create(Ingresses, ingress("prefix", host, "web", {}, "/a"));
  await other.create(Ingresses, ingress("slash", host, "web", {}, "/b/"));
  await other.create(Ingresses, ingress("exact", host, "web", {}, "/c", "Exact"));
  await other.create(Ingresses, ingress("root", host, "web", {}, "/"));
  await other.create(Ingresses, ingress("rewrite", "y.example", "web", annotated, "/r"));
  const rows: readonly (readonly [path: string, pathType: string, taken: string | undefined, host?: string])[] = [
    ["/a", "Prefix", "prefix"],
    ["/a/", "Prefix", "prefix"],
    ["/a/", "Exact", "prefix"],
    ["/a", "Exact", undefined],
    ["/a/b", "Prefix", undefined],
    ["/b", "Prefix", undefined],
    ["/c", "Prefix", "exact"],
    ["/c", "Exact", "exact"],
    ["/c/", "Prefix", undefined],
    ["/", "Exact", "root"],
    ["/r", "Exact", "rewrite", "y.example"],
    ["/r/", "Prefix", undefined, "y.example"],
  ];
  for (const [path, pathType, taken, of = host] of rows)
    t.equal(
      checkIngress(ingress("new", of, "web", {}, path, pathType), DEFAULT_FLAGS, other),
      taken && `host "${of}" and path "${path}" is already defined in ingress default/${taken}`,
      `${pathType} ${path}`,
    );
});
