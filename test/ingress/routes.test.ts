// Matching, ordering and merging as text: Ingresses in one line each, requests with the location that answers them.
import t from "tap";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import { dumpRoutes } from "../../ingress/explain/dump.ts";
import { dumpNginx } from "../../ingress/explain/dump-nginx.ts";
import { findServer } from "../../ingress/request/match.ts";
import { escapePath } from "../../ingress/request/request-path.ts";
import { compileRoutes, RouteCompiler } from "../../ingress/routes/route-compiler.ts";
import { keyOf } from "../../model/object.ts";
import { ingress } from "./raw.ts";
import { answerOf, classes, objects } from "./route-text.ts";

const PLAIN = `
  a   s.example    /cart        Prefix  cart
  b   s.example    /cart        Exact   cart-exact
  c   s.example    /cart/items  Prefix  items
  d   s.example    /slash/      Prefix  slash
  e   *.w.example  /            Prefix  wild
  f   x.w.example  /only        Prefix  exact-host
  g   s.example    /cart        Prefix  loser`;

// Sources: ingress-nginx controller.go, template.go, locations.go; trailing slash, port, case and dot tried with nginx.
const plain: readonly (readonly [host: string, target: string, answer: string])[] = [
  ["s.example", "/cart", "cart-exact location = /cart"],
  ["s.example", "/cart/", "cart location /cart/"],
  ["s.example", "/cart/x", "cart location /cart/"],
  ["s.example", "/cartx", "404 location /"],
  ["s.example", "/Cart", "404 location /"],
  ["s.example", "/cart/items", "items location = /cart/items"],
  ["s.example", "/cart/items/1?x", "items location /cart/items/"],
  ["s.example", "/cart//items/./1", "items location /cart/items/"],
  ["s.example", "/x/../cart/y", "cart location /cart/"],
  ["s.example", "/%63art", "cart-exact location = /cart"],
  ["s.example", "/slash", "301"],
  ["s.example", "/slash/", "slash location /slash/"],
  ["s.example", "/../x", "400"],
  ["s.example", "/%zz", "400"],
  ["S.EXAMPLE.:8080", "/cart/x", "cart location /cart/"],
  ["a.w.example", "/", "wild location /"],
  ["a.b.w.example", "/", "404 location /"],
  ["w.example", "/", "404 location /"],
  ["x.w.example", "/only", "exact-host location = /only"],
  ["x.w.example", "/other", "404 location /"],
  ["unknown", "/", "404 location /"],
  ["", "/", "404 location /"],
];

t.test("plain mode", async (t) => {
  const table = compileRoutes(DEFAULT_FLAGS, { ingresses: objects(PLAIN), classes });
  for (const [host, target, answer] of plain) t.equal(answerOf(table, host, target), answer, `${host}${target}`);
});

t.test("regex mode is the whole host's, across Ingresses", async (t) => {
  const table = compileRoutes(DEFAULT_FLAGS, {
    ingresses: objects(`
      a r.example /api(/|$)(.*)  ImplementationSpecific api  rewrite-target=/$2
      b r.example /foo           Exact                  foo
      c r.example /foo/bar       Prefix                 bar`),
    classes,
  });
  const rows: readonly (readonly [string, string])[] = [
    ["/api", 'api location ~* "^/api(/|$)(.*)"'],
    ["/API/x", 'api location ~* "^/api(/|$)(.*)"'],
    ["/foobar", 'foo location ~* "^/foo"'],
    ["/foo/BARBAZ", 'bar location ~* "^/foo/bar"'],
    ["/x/api/", '404 location ~* "^/"'],
  ];
  for (const [target, answer] of rows) t.equal(answerOf(table, "r.example", target), answer, target);
  t.strictSame(findServer(table, "r.example").regexMode, { owner: "default/a", annotation: "rewrite-target", path: "/api(/|$)(.*)" });
});

t.test("the dump lists servers, locations, conflicts and ignored Ingresses", async (t) => {
  const odd = ingress("odd", "o.example", "x");
  const table = compileRoutes(DEFAULT_FLAGS, {
    ingresses: [...objects(PLAIN), { ...odd, spec: { ...odd.spec, ingressClassName: "traefik" } }],
    classes,
  });
  t.equal(
    dumpRoutes(table),
    `s.example
  location = /cart/items -> default/items:80  by default/c
  location /cart/items/ -> default/items:80  by default/c
  location /slash/ -> default/slash:80  by default/d
  location /cart/ -> default/cart:80  by default/a
  location = /cart -> default/cart-exact:80  by default/b
  location / -> 404 page  by default/a
  # default/g loses /cart to default/a
x.w.example
  location = /only -> default/exact-host:80  by default/f
  location /only/ -> default/exact-host:80  by default/f
  location / -> 404 page  by default/f
*.w.example
  location / -> default/wild:80  by default/e
_
  location / -> 404 page
# default/odd is ignored: IngressClass traefik does not exist
`,
  );
  t.match(dumpNginx(table), /server_name ~\^\(\?<subdomain>\[\\w-\]\+\)\\\.w\\\.example\$;/);
});

t.test("one change at a time gives the table that compiling all at once gives", async (t) => {
  const all = objects(PLAIN);
  const compiler = new RouteCompiler(DEFAULT_FLAGS);
  for (const object of all.toReversed()) {
    compiler.setIngress(keyOf(object), object);
    void compiler.table;
  }
  compiler.setClass("nginx", classes[0]);
  const extra = ingress("extra", "s.example", "extra", { "use-regex": "true" });
  compiler.setIngress("default/extra", extra);
  void compiler.table;
  compiler.setIngress("default/extra", undefined);
  t.equal(dumpRoutes(compiler.table), dumpRoutes(compileRoutes(DEFAULT_FLAGS, { ingresses: all, classes })));
});

t.test("a thousand Ingresses: one change recompiles one host", async (t) => {
  const compiler = new RouteCompiler(DEFAULT_FLAGS);
  compiler.setClass("nginx", classes[0]);
  for (let i = 0; i < 1000; i++) compiler.setIngress(`default/i${i}`, ingress(`i${i}`, `h${i}.example`, "web", {}, `/p${i}`));
  const before = compiler.table;
  compiler.setIngress("default/i5", ingress("i5", "h5.example", "other", {}, "/p5"));
  const after = compiler.table;
  t.equal(after.hosts.get("h6.example"), before.hosts.get("h6.example"));
  t.not(after.hosts.get("h5.example"), before.hosts.get("h5.example"));
});

t.test("a rewritten path is escaped as nginx escapes it", async (t) => {
  t.equal(escapePath("/a b/c?d%e\xe9"), "/a%20b/c%3Fd%25e%E9");
});
