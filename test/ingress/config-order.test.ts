// Which of several settings comes first: blocks, redirects, ranges, error pages, default backends, listeners.
// Facts: ingress-nginx nginx.tmpl (where each directive stands), controller.go getDefaultUpstream, lua_ingress.lua rewrite; nginx's phases.
import { createServer } from "node:http";
import t, { type Test } from "tap";
import { Secrets, Services } from "../../model/resources.ts";
import { ask, type Asked } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { configure } from "./configure.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

type Row = readonly [asked: Asked, status: number, location?: string];

async function compare(t: Test, world: World, rows: readonly Row[]): Promise<void> {
  for (const [asked, status, location] of rows) {
    const got = await ask(world.socket(asked.scheme === "https" ? 443 : 80), asked);
    t.strictSame([got.status, got.headers.location], [status, location], JSON.stringify(asked));
  }
}

await t.test("--default-backend-service without endpoints, or without Service: the 404 page", async (t) => {
  await using world = await harness.start({ flags: ["--default-backend-service=default/pages"] });
  const rows: readonly Row[] = [
    [{ host: "any.example" }, 404],
    [{ scheme: "https", host: "any.example", method: "POST" }, 404],
  ];
  await compare(t, world, rows);
  await world.store.delete(Services, "default", "pages");
  await world.settle();
  await compare(t, world, rows);
  await world.service("pages", { replicas: 0 });
  await world.settle();
  await compare(t, world, rows);
  await world.scale("pages", 1);
  await world.settle();
  await compare(t, world, [[{ host: "any.example" }, 200]]);
});

await t.test("who answers for errors: the Ingress's Service for its own codes, the controller's for those of the ConfigMap", async (t) => {
  await using world = await harness.start({ flags: ["--default-backend-service=default/pages"], config: { "custom-http-errors": "500" } });
  const named = (name: string) => (): ReturnType<typeof createServer> =>
    createServer(
      ({ headers }, response) =>
        void response.writeHead(name === "failing" ? 500 : 207, { "X-By": name, "X-Got": headers["x-code"] ?? "" }).end(),
    );
  for (const name of ["failing", "pages", "own"]) await world.service(name, { server: named(name) });
  await world.service("none", { replicas: 0 });
  await addIngress(
    world,
    ingress("plain", "plain.example", "failing"),
    ingress("named", "named.example", "failing", { "default-backend": "own" }),
    ingress("both", "both.example", "failing", { "default-backend": "own", "custom-http-errors": "500" }),
    ingress("empty", "empty.example", "failing", { "default-backend": "none", "custom-http-errors": "500" }),
    ingress("absent", "absent.example", "failing", { "default-backend": "nowhere", "custom-http-errors": "500" }),
  );
  const by = async (host: string): Promise<readonly unknown[]> => {
    const { status, headers } = await ask(world.socket(80), { host });
    return [status, headers["x-by"], headers["x-got"]];
  };
  t.strictSame(await by("plain.example"), [207, "pages", "500"]);
  t.strictSame(await by("named.example"), [207, "pages", "500"]);
  t.strictSame(await by("both.example"), [207, "own", "500"]);
  t.strictSame(await by("empty.example"), [207, "pages", "500"], "a Service without endpoints is none");
  t.strictSame(await by("absent.example"), [207, "pages", "500"]);
  await world.scale("pages", 0);
  await world.settle();
  t.equal((await by("plain.example"))[0], 404, "the controller's own page");
});

await t.test("block-user-agents and block-referers are of every server, before anything else", async (t) => {
  await using world = await harness.start({ config: { "block-user-agents": "~*bad,Alpha", "block-referers": "~*evil\\.example" } });
  await world.service("echo");
  await addIngress(
    world,
    ingress("a", "www.a.example", "echo", { "from-to-www-redirect": "true", "app-root": "/home" }, "/home"),
    ingress("b", "b.example", "echo", { "permanent-redirect": "http://c.example", "proxy-body-size": "1" }),
  );
  const bad = { "User-Agent": "a BAD one" };
  await compare(t, world, [
    [{ host: "www.a.example" }, 302, "http://www.a.example/home"],
    [{ host: "a.example" }, 308, "http://www.a.example:80"],
    [{ host: "b.example" }, 301, "http://c.example"],
    ...["www.a.example", "a.example", "b.example", "any.example"].map((host): Row => [{ host, headers: bad }, 403]),
    [{ host: "any.example", path: "/healthz", headers: { "User-Agent": "Alpha" } }, 403],
    [{ host: "any.example", path: "/healthz" }, 200],
    [{ host: "b.example", method: "POST", body: "too much", headers: { Referer: "http://evil.example/" } }, 403],
    [{ host: "www.a.example", path: "/home", headers: { "User-Agent": "Alphabet" } }, 200],
  ]);
});

await t.test("what blocks a client is the server's: of pages it has the ConfigMap's alone, and no HSTS", async (t) => {
  const config = { "block-user-agents": "~*bad" };
  await using world = await harness.start({ config, flags: ["--default-backend-service=default/pages"] });
  for (const name of ["echo", "pages", "own"]) await world.service(name);
  await addIngress(world, ingress("a", "a.example", "echo", { "custom-http-errors": "403", "default-backend": "own" }));
  const blocked = async (): Promise<readonly unknown[]> => {
    const bad = { scheme: "https", host: "a.example", headers: { "User-Agent": "bad" } };
    const { status, headers, body } = await ask(world.socket(443), bad);
    const sent = headers["x-service"] === "pages" ? JSON.parse(body.toString()).headers : {};
    return [status, headers["x-service"], headers["strict-transport-security"], sent["x-code"], sent["x-ingress-name"]];
  };
  t.strictSame(await blocked(), [403, undefined, undefined, undefined, undefined]);
  await configure(world, { ...config, "custom-http-errors": "403" });
  t.strictSame(await blocked(), [200, "pages", undefined, "403", undefined]);
});

await t.test("app-root with variables", async (t) => {
  await using world = await harness.start();
  await world.service("echo");
  await addIngress(world, ingress("a", "a.example", "echo", { "app-root": "/at/$host/$arg_x/$nothing" }, "/at"));
  await compare(t, world, [[{ host: "a.example", path: "/?x=1" }, 302, "http://a.example/at/a.example/1/"]]);
});

await t.test("block-cidrs is a location's when it has no ranges of its own, after redirects", async (t) => {
  await using world = await harness.start({ config: { "block-cidrs": "127.0.0.0/8" } });
  await world.service("echo");
  await addIngress(
    world,
    ingress("plain", "plain.example", "echo"),
    ingress("allows", "allows.example", "echo", { "allowlist-source-range": "127.0.0.1" }),
    ingress("denies", "denies.example", "echo", { "denylist-source-range": "10.0.0.0/8" }),
    ingress("moved", "moved.example", "echo", { "permanent-redirect": "http://c.example" }),
    ingress("secure", "secure.example", "echo", { "force-ssl-redirect": "true" }),
  );
  await compare(t, world, [
    [{ host: "plain.example" }, 403],
    [{ host: "any.example" }, 403],
    [{ host: "allows.example" }, 200],
    [{ host: "denies.example" }, 200],
    [{ host: "moved.example" }, 301, "http://c.example"],
    [{ host: "secure.example" }, 308, "https://secure.example"],
    [{ scheme: "https", host: "secure.example" }, 403],
  ]);
});

await t.test("block-cidrs is for the pages of errors too, which have no ranges of their own", async (t) => {
  const config = { "block-cidrs": "127.0.0.0/8", "custom-http-errors": "403,404" };
  await using world = await harness.start({ config, flags: ["--default-backend-service=default/pages"] });
  for (const name of ["httpbun", "pages"]) await world.service(name);
  await addIngress(
    world,
    ingress("plain", "plain.example", "httpbun"),
    ingress("allows", "allows.example", "httpbun", { "allowlist-source-range": "127.0.0.1" }),
  );
  const asked = async (host: string, path: string): Promise<readonly unknown[]> => {
    const { status, headers } = await ask(world.socket(80), { host, path });
    return [status, headers["x-service"]];
  };
  t.strictSame(await asked("plain.example", "/"), [403, undefined]);
  t.strictSame(await asked("allows.example", "/status/200"), [200, "httpbun"]);
  t.strictSame(await asked("allows.example", "/status/404"), [403, undefined]);
});

await t.test("no-auth-locations and no-tls-redirect-locations are beginnings of nginx's locations", async (t) => {
  const lists = { "no-auth-locations": "/open/, /also, /status/", "no-tls-redirect-locations": "/open/" };
  await using world = await harness.start({ config: lists });
  await world.service("echo");
  for (const path of ["/open", "/also", "/closed"]) {
    const name = path.slice(1);
    await addIngress(
      world,
      ingress(`${name}-tls`, "tls.example", "echo", { "force-ssl-redirect": "true" }, path),
      ingress(`${name}-auth`, "auth.example", "echo", { "auth-type": "basic", "auth-secret": "users" }, path),
    );
  }
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "users" },
    data: { auth: Buffer.from("ann:{PLAIN}x").toString("base64") },
  });
  await world.settle();
  await compare(t, world, [
    [{ host: "tls.example", path: "/open/x" }, 200],
    [{ host: "tls.example", path: "/open" }, 308, "https://tls.example/open"],
    [{ host: "tls.example", path: "/closed/x" }, 308, "https://tls.example/closed/x"],
    [{ host: "auth.example", path: "/open/x" }, 200],
    [{ host: "auth.example", path: "/open" }, 401],
    [{ host: "auth.example", path: "/also" }, 200],
    [{ host: "auth.example", path: "/also/x" }, 200],
    [{ host: "auth.example", path: "/closed" }, 401],
  ]);
  // A pod's own 401 is no reason to sign in, where nobody is asked.
  await world.service("httpbun");
  const asks = { "auth-url": "http://auth.example/", "auth-signin": "https://login.example/", "custom-http-errors": "404" };
  await addIngress(world, ingress("signin", "signin.example", "httpbun", asks, "/status"));
  await compare(t, world, [[{ host: "signin.example", path: "/status/401" }, 401]]);
});

await t.test("--http-port and --https-port: what a pod is told, and what redirects name", async (t) => {
  const flags = ["--http-port=1080", "--https-port=1443"];
  await using world = await harness.start({ flags });
  await world.service("echo");
  await addIngress(
    world,
    ingress("web", "www.web.example", "echo", { "from-to-www-redirect": "true" }),
    ingress("secure", "secure.example", "echo", { "force-ssl-redirect": "true", "use-port-in-redirects": "true" }),
  );
  const port = async (listener: number, asked: Asked): Promise<unknown> =>
    JSON.parse((await ask(world.socket(listener), asked)).body.toString()).headers["x-forwarded-port"];
  t.equal(await port(1080, { host: "www.web.example" }), "1080");
  t.equal(await port(1443, { scheme: "https", host: "www.web.example" }), "443");
  const location = async (listener: number, asked: Asked): Promise<unknown> => (await ask(world.socket(listener), asked)).headers.location;
  t.equal(await location(1080, { host: "web.example", path: "/x" }), "http://www.web.example:1080/x");
  t.equal(await location(1443, { scheme: "https", host: "web.example" }), "https://www.web.example:1443");
  t.equal(await location(1080, { host: "secure.example" }), "https://secure.example:1443");
});

await t.test("ignore-invalid-headers false: names with underscores are valid enough", async (t) => {
  await using world = await harness.start();
  await world.service("echo");
  await addIngress(world, ingress("web", "web.example", "echo"));
  const seen = async (): Promise<unknown> =>
    JSON.parse((await ask(world.socket(80), { host: "web.example", headers: { under_score: "1" } })).body.toString()).headers[
      "under_score"
    ];
  t.equal(await seen(), undefined);
  await configure(world, { "ignore-invalid-headers": "false" });
  t.equal(await seen(), "1");
  await configure(world, { "enable-underscores-in-headers": "true" });
  t.equal(await seen(), "1");
});
