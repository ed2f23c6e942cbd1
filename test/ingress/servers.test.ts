// How servers, locations and upstreams come of several Ingresses where these get in each other's way.
// Sources: ingress-nginx controller.go (createServers, getBackendServers, createUpstreams, mergeAlternativeBackends), store.go, location.go.
import t from "tap";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import { RouteCompiler, compileRoutes } from "../../ingress/routes/route-compiler.ts";
import type { RouteTable } from "../../ingress/routes/route-table.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { keyOf } from "../../model/object.ts";
import { answerOf, classes, objects } from "./route-text.ts";

const compile = (ingresses: readonly Ingress[], flags = DEFAULT_FLAGS, config = {}): RouteTable =>
  compileRoutes(flags, { ingresses, classes, config });

/** `host target → answer` of each line that is asked. */
const answers = (table: RouteTable, asked: readonly string[]): readonly string[] =>
  asked.map((line) => `${line} ${answerOf(table, line.slice(0, line.indexOf("/")), line.slice(line.indexOf("/")))}`);

/** `lines` with a default backend for some names; a service `-` takes the rules away. */
function withDefaults(lines: string, defaults: Readonly<Record<string, string>>): readonly Ingress[] {
  return objects(lines).map((made) => {
    const service = defaults[made.metadata.name];
    const bare = made.spec.rules?.[0]?.http?.paths[0]?.backend.service?.name === "-";
    const { rules: _, ...rest } = made.spec;
    const hostless = made.spec.rules?.map(({ host, ...rule }) => (host === "_" ? rule : { host: host ?? "", ...rule })) ?? [];
    const spec = bare ? rest : { ...rest, rules: hostless };
    return {
      ...made,
      spec: service === undefined ? spec : { ...spec, defaultBackend: { service: { name: service, port: { number: 80 } } } },
    };
  });
}

t.test("the catch-all's / is the first default backend without rules, whatever rules without host say", async (t) => {
  const table = compile(
    withDefaults(
      `
      a _ /     Prefix rules
      b _ /foo  Prefix foo
      c _ /     Exact  exact
      d x /     Prefix -
      e x /     Prefix -`,
      { d: "first", e: "second", b: "unused" },
    ),
  );
  t.strictSame(answers(table, ["any/", "any/bar", "any/foo"]), [
    "any/ exact location = /",
    "any/bar first location /",
    "any/foo foo location = /foo",
  ]);
});

t.test("a default backend beside rules without host is not used", async (t) => {
  const table = compile(withDefaults("a _ /foo Prefix foo", { a: "unused" }));
  t.strictSame(answers(table, ["any/foo", "any/bar"]), ["any/foo foo location = /foo", "any/bar 404 location /"]);
});

t.test("a default backend without rules does not redirect and does not rewrite", async (t) => {
  const config = { "force-ssl-redirect": "true" };
  const annotated =
    "a x / Prefix - rewrite-target=/x use-regex=true app-root=/y permanent-redirect=http://z.example force-ssl-redirect=true proxy-body-size=3m";
  const table = compile(withDefaults(annotated, { a: "web" }), DEFAULT_FLAGS, config);
  const [location] = table.fallback.locations;
  t.strictSame(
    [table.fallback.regexMode, table.fallback.appRoot, location?.settings.sslRedirect.force, location?.settings.proxyBodySize],
    [undefined, undefined, false, 3 * 1024 ** 2],
  );
  t.strictSame(location?.steps.rewrite, []);
  t.strictSame(location?.steps.content, []);
  t.equal(compile([], DEFAULT_FLAGS, config).fallback.locations[0]?.settings.sslRedirect.force, false, "nor does the 404 page");
});

t.test("what is told of a location's Service is that of the first rule with its path (template.go getIngressInformation)", async (t) => {
  const both = "a x.example /foo Exact exact\n a x.example /foo Prefix below\n a x.example / Exact root";
  const rules = objects(both);
  const [first] = rules;
  const joined = first && { ...first, spec: { ...first.spec, rules: rules.flatMap(({ spec }) => spec.rules ?? []) } };
  const { locations = [] } = compile(joined ? [joined] : []).hosts.get("x.example") ?? {};
  t.strictSame(
    locations.map(({ served, backend, told }) => `${served} ${backend?.service ?? "-"} ${told?.service ?? "-"}`),
    ["/foo exact exact", "/foo/ below exact", "/ - root", "/ root root"],
  );
});

t.test("--disable-catch-all: Ingresses with a default backend, and no others", async (t) => {
  const flags = { ...DEFAULT_FLAGS, disableCatchAll: true };
  const table = compile(
    withDefaults(
      `
      a _         /hostless Prefix hostless
      b s.example /         Prefix web
      c r.example /         Prefix web`,
      { b: "web" },
    ),
    flags,
  );
  t.strictSame(answers(table, ["any/hostless", "s.example/", "r.example/"]), [
    "any/hostless hostless location = /hostless",
    "s.example/ 404 location /",
    "r.example/ web location /",
  ]);
  t.strictSame([...table.ignored.keys()], ["default/b"]);
});

t.test("an alias of two servers is the first's by name", async (t) => {
  const table = compile(
    objects(`
      a z.example / Prefix older   server-alias=www.example
      b b.example / Prefix younger server-alias=www.example`),
  );
  t.strictSame(answers(table, ["www.example/"]), ["www.example/ younger location /"]);
});

t.test("Exact beside a plain Prefix of its path, on a host with regular expressions: the Prefix is what is below", async (t) => {
  const table = compile(
    objects(`
      a s.example /foo Prefix prefix
      b s.example /foo Exact  exact
      c s.example /x   Prefix regex  use-regex=true`),
  );
  t.strictSame(answers(table, ["s.example/foo", "s.example/foo/x", "s.example/foobar"]), [
    's.example/foo exact location ~* "^/foo"',
    's.example/foo/x prefix location ~* "^/foo/"',
    's.example/foobar exact location ~* "^/foo"',
  ]);
});

/** Main upstream to the canary's, by Service. */
const alternatives = (table: RouteTable): Readonly<Record<string, string>> =>
  Object.fromEntries([...table.alternatives].map(([main, { backend }]) => [main.replace(/^default-|-80$/g, ""), backend.service]));

t.test("a canary that names a main Service has rules of its own; a Service that a canary names first has none", async (t) => {
  const table = compile(
    objects(`
      a        e.example /a Prefix svc-1
      a-canary e.example /a Prefix svc-2 canary=true
      b        e.example /b Prefix svc-2
      b-canary e.example /b Prefix svc-1 canary=true
      c        e.example /c Prefix svc-1
      c-canary e.example /c Prefix svc-2 canary=true
      d-canary f.example /d Prefix svc-1 canary=true`),
  );
  t.strictSame(answers(table, ["e.example/a", "e.example/b", "e.example/c", "f.example/d"]), [
    "e.example/a svc-1 location = /a",
    "e.example/b svc-1 location = /b",
    "e.example/c svc-1 location = /c",
    "f.example/d svc-1 location = /d",
  ]);
  t.strictSame(alternatives(table), { "svc-1": "svc-2" });
});

const merging: readonly (readonly [name: string, lines: string, expected: Readonly<Record<string, string>>])[] = [
  ["a canary of the same host, path and type", "a s.example / Prefix main \n b s.example / Prefix next canary=true", { main: "next" }],
  ["another type", "a s.example / Prefix main \n b s.example / Exact next canary=true", {}],
  [
    "a path that finds no main one takes the canary's Service out",
    "a s.example / Prefix main \n b s.example / Prefix next canary=true \n c s.example /x Prefix next canary=true",
    {},
  ],
  [
    "another Service of the canary stays",
    "a s.example / Prefix main \n b s.example / Prefix next canary=true \n c s.example /x Prefix other canary=true",
    { main: "next" },
  ],
  ["an alias is no host", "a s.example / Prefix main server-alias=t.example \n b t.example / Prefix next canary=true", {}],
  [
    "the first of two",
    "a s.example / Prefix main \n b s.example / Prefix next canary=true \n c s.example / Prefix third canary=true",
    { main: "next" },
  ],
  [
    "/ is looked at before a path that leads to the canary's Service",
    "a s.example / Prefix main \n b s.example /b Prefix next \n c s.example / Prefix next canary=true",
    { main: "next" },
  ],
  ["not into itself", "a s.example / Prefix main \n b s.example / Prefix main canary=true", {}],
];
for (const [name, lines, expected] of merging)
  t.test(name, async (t) => {
    t.strictSame(alternatives(compile(objects(lines))), expected);
  });

t.test("canaries that come and go leave the table that compiling anew gives", async (t) => {
  const all = objects(`
    a        e.example /a Prefix svc-1
    a-canary e.example /a Prefix svc-2 canary=true
    b        g.example /b Prefix svc-2
    b-canary h.example /b Prefix svc-1 canary=true`);
  const asked = ["e.example/a", "g.example/b", "h.example/b"];
  const compiler = new RouteCompiler(DEFAULT_FLAGS);
  compiler.setClass("nginx", classes[0]);
  for (const object of all.toReversed()) {
    compiler.setIngress(keyOf(object), object);
    void compiler.table;
  }
  t.strictSame(answers(compiler.table, asked), answers(compile(all), asked));
  for (const gone of ["a-canary", "b-canary"]) {
    compiler.setIngress(`default/${gone}`, undefined);
    const left = compiler.table;
    t.equal(answerOf(left, "g.example", "/b"), "svc-2 location = /b", `without ${gone}`);
  }
  t.equal(answerOf(compiler.table, "h.example", "/b"), "404 location /");
});

t.test("which class counts", async (t) => {
  const [plain] = objects("a s.example / Prefix web");
  if (!plain) throw new Error("no Ingress");
  const { ingressClassName: _, ...rest } = plain.spec;
  const annotated = (value?: string): Ingress => ({
    ...plain,
    metadata: { ...plain.metadata, ...(value === undefined ? {} : { annotations: { "kubernetes.io/ingress.class": value } }) },
    spec: rest,
  });
  const named = (ingressClassName: string): Ingress => ({ ...plain, spec: { ...rest, ingressClassName } });
  const counts = (object: Ingress, flags: Partial<typeof DEFAULT_FLAGS> = {}): boolean =>
    compile([object], { ...DEFAULT_FLAGS, ...flags }).counted.length > 0;
  t.strictSame([counts(annotated("nginx")), counts(annotated("other")), counts(annotated())], [true, false, false]);
  const without = { watchIngressWithoutClass: true };
  t.strictSame([counts(annotated(), without), counts(annotated("other"), without), counts(annotated(""), without)], [true, false, false]);
  t.equal(counts(named("nginx"), { controllerClass: "k8s.io/other" }), false);
  const byName = { ingressClassByName: true, ingressClass: "nginx", controllerClass: "k8s.io/other" };
  t.equal(counts(named("nginx"), byName), true);
  t.equal(counts(named("gone"), { ...byName, ingressClass: "gone" }), false, "a class must exist, by name too");
});
