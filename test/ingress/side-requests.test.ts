// What the controller asks of others while it serves: the authentication server, the mirror (nginx.tmpl).
import { createServer } from "node:http";
import t from "tap";
import { ConfigMaps, Ingresses } from "../../model/resources.ts";
import { createHarness } from "./harness.ts";
import { ask } from "./client.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");

const configMap = (name: string, data: Readonly<Record<string, string>>): Promise<unknown> =>
  world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data });

await t.test("auth-url: what the authentication server sees", async (t) => {
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
  for (const host of ["get.example", "post.example"]) await ask(world.socket(80), { host, path: "/x?y=1", headers });
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
  const auth = (map: string): Readonly<Record<string, string>> => ({ "auth-url": "http://auth.default/", "auth-proxy-set-headers": map });
  await configMap("mine", { "X-A": "1" });
  await configMap("wrong", { "X A": "1" });
  for (const [map, status] of [
    ["default/mine", 200],
    ["default/absent", 503],
    ["mine", 503],
    ["default/wrong", 503],
    ["other/mine", 503],
  ] as const) {
    const name = map.replace("/", "-");
    await addIngress(world, ingress(name, `${name}.example`, "web", auth(map)));
    t.equal((await ask(world.socket(80), { host: `${name}.example` })).status, status, map);
  }
});

await t.test("mirror: path, arguments and Host", async (t) => {
  const rows: readonly (readonly [target: string, more: Readonly<Record<string, string>>, asked: string, path: string, host: string])[] = [
    ["http://copies.default$request_uri", {}, "/x?y=1", "/x?y=1", "copies.default"],
    ["http://copies.default/$request_uri", {}, "/x?y=1", "//x?y=1", "copies.default"],
    ["http://copies.default:80/all", {}, "/x?y=1", "/all?y=1", "copies.default"],
    ["http://copies.default/all", {}, "/x", "/all", "copies.default"],
    ["http://copies.default", {}, "/x?y=1", "/_mirror-UID?y=1", "copies.default"],
    ["http://copies.default/$request_method", { "mirror-host": "$host" }, "/x?y=1", "/GET", "HOST"],
    ["http://copies.default/all", { "mirror-host": 'a"b' }, "/x", "/all", "copies.default"],
  ];
  let next: PromiseWithResolvers<string> = Promise.withResolvers<string>();
  const server = (): ReturnType<typeof createServer> =>
    createServer((request, response) => (next.resolve(`${request.headers.host} ${request.url}`), response.end()));
  await world.service("copies", { server });
  for (const [i, [target, more, asked, path, host]] of rows.entries()) {
    const name = `mirror-${i}`;
    next = Promise.withResolvers<string>();
    await addIngress(world, ingress(name, `${name}.example`, "web", { "mirror-target": target, ...more }));
    const uid = world.store.get(Ingresses, "default", name)?.metadata.uid ?? "";
    await ask(world.socket(80), { host: `${name}.example`, path: asked });
    t.equal(await next.promise, `${host.replace("HOST", `${name}.example`)} ${path.replace("UID", uid)}`, target);
  }
});

await t.test("mirror: the client's headers, and Host of the target alone", async (t) => {
  const mirrored = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  await world.service("mirror", { server: () => createServer((request, response) => (mirrored.resolve(request.headers), response.end())) });
  await addIngress(world, ingress("a", "a.example", "web", { "mirror-target": "http://mirror.default$request_uri" }));
  await ask(world.socket(80), { host: "a.example", path: "/x", headers: { "X-Own": "2" } });
  const headers = await mirrored.promise;
  t.match(headers, { host: "mirror.default", "x-own": "2", connection: "close" });
  t.notOk("x-real-ip" in headers);
});
