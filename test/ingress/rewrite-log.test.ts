// enable-rewrite-log: notices of rewrite-target in the controller's log.
// Facts: ingress-nginx template.go buildProxyPass (the pattern), test/e2e/annotations/{log,rewrite}.go; nginx 1.22.1 with rewrite_log on (run).
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("echo");
const logging = { "enable-rewrite-log": "true" };
const implementation = "ImplementationSpecific";
await addIngress(
  world,
  ingress("root", "root.example", "echo", { ...logging, "rewrite-target": "/" }, "/something"),
  ingress("parts", "parts.example", "echo", { ...logging, "rewrite-target": "/$2/$1" }, "/(x|y)/(.*)", implementation),
  ingress("away", "away.example", "echo", { ...logging, "rewrite-target": "https://there.example/$1" }, "/(.*)", implementation),
  ingress("listed", "listed.example", "echo", { ...logging, "rewrite-target": "/", "whitelist-source-range": "10.0.0.0/8" }, "/a"),
  ingress("moved", "moved.example", "echo", { ...logging, "rewrite-target": "/", "permanent-redirect": "https://there.example" }, "/a"),
  ingress("silent", "silent.example", "echo", { "rewrite-target": "/" }, "/something"),
);
const notices = (): readonly string[] =>
  world.log
    .join("")
    .split("\n")
    .filter((line) => line.includes("[notice]"));

await t.test("what was matched and what became of it", async (t) => {
  const rows: readonly (readonly [host: string, path: string, expected: readonly string[]])[] = [
    ["root.example", "/something", ['"(?i)/something" matches "/something"', 'rewritten data: "/", args: ""']],
    ["root.example", "/SOMETHING/else?q=1", ['"(?i)/something" matches "/SOMETHING/else"', 'rewritten data: "/", args: "q=1"']],
    ["parts.example", "/x/y%20z?q=1", ['"(?i)/(x|y)/(.*)" matches "/x/y z"', 'rewritten data: "/y z/x", args: "q=1"']],
    ["away.example", "/a?b", ['"(?i)/(.*)" matches "/a"', 'rewritten redirect: "https://there.example/a?b"']],
    ["listed.example", "/a", ['"(?i)/a" matches "/a"', 'rewritten data: "/", args: ""']],
    ["moved.example", "/a", []],
    ["silent.example", "/something", []],
  ];
  for (const [host, path, expected] of rows) {
    const before = notices().length;
    await ask(world.socket(80), { host, path });
    await until(() => notices().length >= before + expected.length);
    const lines = notices().slice(before);
    const about = `, client: 127.0.0.1, server: ${host}, request: "GET ${path} HTTP/1.1", host: "${host}"`;
    t.strictSame(
      lines.map((line) => line.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[notice\] \d+#\d+: \*\d+ /, "")),
      expected.map((text) => `${text}${about}`),
      `${host}${path}`,
    );
  }
});

await t.test("error-log-level above notice leaves them out", async (t) => {
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
    data: { "error-log-level": "warn" },
  });
  await world.settle();
  const before = notices().length;
  t.equal((await ask(world.socket(80), { host: "root.example", path: "/something" })).status, 200);
  t.equal(notices().length, before);
});
