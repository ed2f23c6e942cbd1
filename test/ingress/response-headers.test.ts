// Headers that add-headers, custom-headers, HSTS and errors' pages each have a say in: more_set_headers of the http block, then of the
// location; both after Lua's filter (headers-more-nginx-module stands before lua-nginx-module in the image).
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start({
  config: { "add-headers": "default/added", "global-allowed-response-headers": "X-Both,Strict-Transport-Security" },
});
const maps = {
  added: { "X-Both": "http", "X-Added": "1" },
  custom: { "X-Both": "location" },
  hsts: { "Strict-Transport-Security": "max-age=1" },
};
for (const [name, data] of Object.entries(maps))
  await world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data });
for (const name of ["httpbun", "errors"]) await world.service(name);
await addIngress(
  world,
  ingress("plain", "plain.example", "httpbun"),
  ingress("custom", "custom.example", "httpbun", { "custom-headers": "default/custom" }),
  ingress("hsts", "hsts.example", "httpbun", { "custom-headers": "default/hsts" }),
  ingress("denied", "denied.example", "httpbun", { "custom-headers": "default/hsts", "whitelist-source-range": "10.0.0.0/8" }),
  ingress("errors", "errors.example", "httpbun", { "custom-http-errors": "404", "default-backend": "errors" }),
);

const ROWS: readonly (readonly [host: string, path: string, headers: Readonly<Record<string, string | undefined>>])[] = [
  ["plain.example", "/", { "x-both": "http", "strict-transport-security": "max-age=31536000; includeSubDomains" }],
  ["custom.example", "/", { "x-both": "location", "x-added": "1" }],
  ["hsts.example", "/", { "strict-transport-security": "max-age=1" }],
  ["denied.example", "/", { "strict-transport-security": "max-age=1", "x-added": "1" }],
  ["errors.example", "/status/404", { "x-both": "http", "x-added": "1", "strict-transport-security": undefined }],
];

for (const [host, path, headers] of ROWS)
  await t.test(`${host}${path}`, async (t) => {
    const got = await ask(world.socket(443), { scheme: "https", sni: host, host, path });
    for (const [name, value] of Object.entries(headers)) t.equal(got.headers[name], value, name);
  });
