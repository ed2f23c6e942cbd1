// What the controller asks of others while it serves: the authentication server, the mirror (nginx.tmpl).
import { createServer } from "node:http";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
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

await t.test("mirror: the client's headers, and Host of the target alone", async (t) => {
  const mirrored = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  await world.service("mirror", { server: () => createServer((request, response) => (mirrored.resolve(request.headers), response.end())) });
  await addIngress(world, ingress("a", "a.example", "web", { "mirror-target": "http://mirror.default$request_uri" }));
  await ask(world.socket(80), { host: "a.example", path: "/x", headers: { "X-Own": "2" } });
  const headers = await mirrored.promise;
  t.match(headers, { host: "mirror.default", "x-own": "2", connection: "close" });
  t.notOk("x-real-ip" in headers);
});
