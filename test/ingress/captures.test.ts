// `$1` and named groups in annotations: what the location's regular expression found, else that of the server's name (ngx_http_regex_exec).
import t from "tap";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
// Redirects with variables and groups with names are for those who look at annotations themselves.
await using world = await harness.start({ flags: ["--enable-annotation-validation=false"] });
await world.service("echo");
const regex = { "use-regex": "true" };
await addIngress(
  world,
  ingress(
    "moved",
    "moved.example",
    "echo",
    { ...regex, "permanent-redirect": "https://new.example/$1" },
    "/old/(.*)",
    "ImplementationSpecific",
  ),
  ingress("vhost", "*.wild.example", "echo", { "upstream-vhost": "$subdomain.inside" }),
  ingress("first", "*.first.example", "echo", { "upstream-vhost": "$1.inside" }),
  ingress(
    "named",
    "named.example",
    "echo",
    { ...regex, "upstream-vhost": "$tenant.inside", "server-alias": String.raw`~^(?<tenant>\w+)\.alias\.example$` },
    "/",
    "ImplementationSpecific",
  ),
  ingress("plain", "plain.example", "echo", { "upstream-vhost": "x$1$subdomain.inside" }),
);

const hostSeen = async (host: string, path = "/"): Promise<unknown> =>
  JSON.parse((await ask(world.socket(80), { host, path })).body.toString()).headers.host;

await t.test("a redirect", async (t) => {
  const { status, headers } = await ask(world.socket(80), { host: "moved.example", path: "/OLD/a/b?c" });
  t.strictSame([status, headers["location"]], [301, "https://new.example/a/b"]);
});

await t.test("what the pod sees as host", async (t) => {
  t.equal(await hostSeen("blue.wild.example"), "blue.inside");
  t.equal(await hostSeen("blue.first.example"), "blue.inside");
  t.equal(await hostSeen("ann.alias.example"), "ann.inside");
  t.equal(await hostSeen("plain.example"), "x.inside");
});

await t.test("upstream-hash-by", async (t) => {
  await world.service("many", { replicas: 8 });
  await addIngress(
    world,
    ingress("hash", "hash.example", "many", { ...regex, "upstream-hash-by": "$1" }, "/(\\w+)", "ImplementationSpecific"),
  );
  const pods = new Set<unknown>();
  for (let i = 0; i < 16; i++) pods.add((await ask(world.socket(80), { host: "hash.example", path: `/user${i}` })).headers["x-pod"]);
  t.ok(pods.size > 1);
});
