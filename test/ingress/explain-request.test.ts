// `explain request`: the steps of one request in order, and a live request that names its trace.
import t from "tap";
import { IngressClasses } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start({ config: { "loopkube-trace": "true" } });
await world.service("web", { replicas: 2 });
await world.service("next", { replicas: 1 });
await world.create(IngressClasses, {
  apiVersion: "networking.k8s.io/v1",
  kind: "IngressClass",
  metadata: { name: "other" },
  spec: { controller: "example.com/other" },
});
const foreign = ingress("foreign", "shop.example", "web", {}, "/elsewhere");
// The same second, so the greater name comes first: it decides for the Service.
const wild = ingress("wild", "*.example", "web", { "upstream-hash-by": "$http_x_user" }, "/only-here");
await addIngress(
  world,
  ingress("shop", "shop.example", "web", { "enable-cors": "true" }, "/cart"),
  ingress("canary", "shop.example", "next", { canary: "true", "canary-by-header": "X-Next" }, "/cart"),
  { ...foreign, spec: { ...foreign.spec, ingressClassName: "other" } },
  wild,
  ingress("pages", "pages.example", "web", {
    "whitelist-source-range": "10.0.0.0/8",
    "custom-http-errors": "403",
    "default-backend": "next",
  }),
  ingress("guarded", "guarded.example", "web", {
    "auth-url": "http://auth.example/",
    "auth-signin": "https://login.example/",
    "custom-http-errors": "403,404",
    "default-backend": "next",
    "limit-rps": "5",
  }),
  ingress("sticky", "sticky.example", "next", { affinity: "cookie", "proxy-next-upstream": "off" }),
);

async function explain(
  method: string,
  url: string,
  headers: readonly (readonly [string, string])[] = [],
  assumed: { readonly authStatus?: number; readonly podStatus?: number } = {},
): Promise<Readonly<Record<string, string>>> {
  const steps = await world.diagnostics.explainRequest?.({
    type: "asked",
    from: { kind: "host", ip: "127.0.0.1" },
    method,
    url,
    headers,
    ...assumed,
  });
  return Object.fromEntries((steps ?? []).map(({ title, lines }) => [title, lines.join("\n")]));
}

await t.test("every step from class to answer, in order", async (t) => {
  const steps = await explain("POST", "http://shop.example/cart/1%20a", [["X-User", "ann"]]);
  t.strictSame(Object.keys(steps), [
    "class",
    "listener",
    "server",
    "matching",
    "location",
    "rewrite phase",
    "https redirect",
    "upstream",
    "balancer",
    "tries",
    "answer",
  ]);
  t.match(steps["class"], /Ingress default\/foreign is ignored: IngressClass other belongs to controller example\.com\/other/);
  t.match(steps["server"], /Host shop\.example is served by server shop\.example[\s\S]*beats server \*\.example/);
  t.match(steps["location"], /location \/cart\/: longest prefix, wins/);
  t.match(steps["rewrite phase"], /rewrite: enable-cors of default\/shop lets it pass/);
  t.match(steps["https redirect"], /no tls section names shop\.example/);
  t.match(steps["upstream"], /canary default\/canary: not chosen[\s\S]*default-web-80: 2 ready endpoints/);
  t.match(steps["balancer"], /hash of \$http_x_user among .*, as default\/wild says, which names the Service first\n[\s\S]*leads to 127\./);
  t.match(steps["tries"], /POST is not sent again/);
  t.match(steps["answer"], /the pod sees POST \/cart\/1%20a/);
});

const rows: readonly (readonly [
  what: string,
  method: string,
  url: string,
  headers: readonly (readonly [string, string])[],
  step: string,
  says: RegExp,
])[] = [
  [
    "the canary's header",
    "GET",
    "http://shop.example/cart",
    [["X-Next", "always"]],
    "upstream",
    /canary default\/canary: chosen[\s\S]*default-next-80/,
  ],
  ["a preflight", "OPTIONS", "http://shop.example/cart", [["Origin", "http://a.example"]], "answer", /answers 204/],
  ["no location and no fall-through", "GET", "http://shop.example/only-here", [], "answer", /answers 404/],
  ["an unknown host", "GET", "http://nowhere.test/", [], "server", /the catch-all serves it/],
  [
    "a forwarded address",
    "GET",
    "http://shop.example/cart",
    [["X-Forwarded-For", "1.2.3.4"]],
    "listener",
    /not trusted: use-forwarded-headers is false/,
  ],
  [
    "too large a body",
    "POST",
    "http://shop.example/cart",
    [["Content-Length", "9999999"]],
    "answer",
    /413: body of 9999999 bytes is over proxy-body-size/,
  ],
  ["a method that nginx refuses", "TRACE", "http://shop.example/cart", [], "answer", /answers 405: TRACE is not allowed/],
  [
    "the page of an error",
    "GET",
    "http://pages.example/",
    [],
    "answer",
    /^403, 127\.0\.0\.1 is not in whitelist-source-range: Service default\/next answers instead, as custom-http-errors says, asked for \/$/,
  ],
  ["no SNI certificate", "GET", "https://shop.example/cart", [], "listener", /no tls section for shop\.example: the fake certificate/],
];
for (const [what, method, url, headers, step, says] of rows) {
  await t.test(what, async (t) => {
    const steps = await explain(method, url, headers);
    t.match(steps[step], says, what, { ...steps });
  });
}

await t.test("what follows from what others say", async (t) => {
  const open = await explain("GET", "http://guarded.example/a?b");
  const page = "Service default/next answers instead, as custom-http-errors says, asked for /?b";
  const signIn = "answers 302, as auth-signin says (Location: https://login.example/?rd=http://guarded.example%2Fa%3Fb)";
  t.equal(
    open["access phases"],
    `preaccess: limit-rps of default/guarded lets it pass
would ask http://auth.example/; 200 is assumed
access: auth-url of default/guarded lets it pass
once limits are used up: answers 503: limit-rps 5: burst of 25 used up by 127.0.0.1
if auth-url says 401: ${signIn}
if auth-url says 403: ${page}
if auth-url says anything else, or nothing: answers 500: auth-url answers 500, which is neither 2xx nor 401 nor 403`,
  );
  t.equal(
    open["answer"],
    `the pod sees GET /a?b\nits answer is passed on\nbut when it says 401: ${signIn}\nbut when it says 403, 404: ${page}`,
  );
  const told = async (assumed: object): Promise<string | undefined> =>
    (await explain("GET", "http://guarded.example/a?b", [], assumed))["answer"];
  t.equal(await told({ authStatus: 401 }), `401, auth-url says 401: ${signIn}`);
  t.equal(await told({ authStatus: 204, podStatus: 404 }), `the pod sees GET /a?b\n404, the pod says 404: ${page}`);
  t.equal(await told({ podStatus: 500 }), "the pod sees GET /a?b\nanswers 500, as the pod says");
});

await t.test("a cookie leads to a pod when it was sent, and an upgrade joins the two", async (t) => {
  const fresh = await explain("GET", "http://sticky.example/");
  t.match(fresh["balancer"], /cookie INGRESSCOOKIE, balanced, among .*\nno cookie of this upstream was sent: any of them, and Set-Cookie$/);
  t.match(fresh["tries"], /^one: proxy-next-upstream is off\n502 /);
  const sent = await explain("GET", "http://sticky.example/", [["Cookie", "INGRESSCOOKIE=1|2"]]);
  t.match(sent["balancer"], /\nleads to 127\.\S+$/);
  const upgrade = [
    ["Upgrade", "websocket"],
    ["Connection", "upgrade"],
  ] as const;
  t.match(
    (await explain("GET", "http://guarded.example/", upgrade))["answer"],
    /its answer is passed on, and with 101 client and pod are joined\n/,
  );
});

await t.test("a live request names its trace", async (t) => {
  const answer = await ask(world.socket(80), { host: "shop.example", path: "/cart", headers: { "X-Request-ID": "mine" } });
  t.equal(answer.headers["x-loopkube-trace"], "mine");
  const steps = await world.diagnostics.explainRequest?.({ type: "traced", id: "mine" });
  const text = (steps ?? []).map(({ title, lines }) => `${title}: ${lines.join("; ")}`).join("\n");
  t.match(text, /location: location = \/cart: equal, wins/);
  t.match(text, /tries: 127\.\S+ answered 200 after \d+ ms/);
  t.match(text, /answer: answered 200/);
  t.equal(await world.diagnostics.explainRequest?.({ type: "traced", id: "other" }), undefined);
});

await t.test("10254 counts requests by host, path, status and backend", async (t) => {
  await ask(world.socket(80), { host: "shop.example", path: "/cart", headers: { "X-Next": "always" } });
  const text = (await ask(world.socket(10254), { path: "/metrics" })).body.toString();
  const labels = 'host="shop.example",ingress="shop",method="GET",namespace="default",path="/cart",service="web",status="200"';
  const counted = text.replace(/controller_\w+="[^"]*",/g, "");
  t.ok(counted.includes(`nginx_ingress_controller_requests{canary="",${labels}} 1`), text);
  t.ok(counted.includes(`nginx_ingress_controller_requests{canary="default-next-80",${labels}} 1`), text);
});

await t.test("a canary in name only, and two rules of one second", async (t) => {
  await using other = await harness.start();
  await other.service("shop");
  await other.service("cart");
  await addIngress(other, ingress("shop", "shop.example", "cart"));
  await other.clock.advance(5000);
  const canary = { canary: "true", "canary-weight": "10" };
  await addIngress(other, ingress("main", "canary.example", "shop"), ingress("next", "canary.example", "cart", canary));
  const steps = await other.diagnostics.explainRequest?.({
    type: "asked",
    from: { kind: "host", ip: "127.0.0.1" },
    method: "GET",
    url: "http://canary.example/",
    headers: [],
  });
  const matching = steps?.find(({ title }) => title === "matching")?.lines.join("\n") ?? "";
  t.match(matching, /default\/next is no canary, though it says so: default\/shop has its Service default\/cart before/);
  t.match(matching, /path \/ of default\/main is not used: default\/next is of the same second, and its name comes last/);
});
