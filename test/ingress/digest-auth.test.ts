// auth-type digest over real sockets: challenge, right and wrong answers, a stale nonce, another uri.
import { createHash } from "node:crypto";
import t from "tap";
import { Secrets } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");
await world.create(Secrets, {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { namespace: "default", name: "users" },
  data: { auth: Buffer.from(`eve:other:x\nann:shop:${md5("ann:shop:secret")}\n`).toString("base64") },
});
await addIngress(
  world,
  ingress("shop", "shop.example", "web", { "auth-type": "digest", "auth-secret": "users", "auth-realm": "shop" }),
  ingress("gone", "gone.example", "web", { "auth-type": "digest", "auth-secret": "nobody", "auth-realm": "shop" }),
);
const at = world.socket(80);
const challenge = await ask(at, { host: "shop.example", path: "/a?b" });
const nonce = /nonce="(\w+)"/.exec(String(challenge.headers["www-authenticate"]))?.[1] ?? "";

function credentials(password: string, fields: Readonly<Record<string, string>> = {}): string {
  const given = { username: "ann", realm: "shop", nonce, uri: "/a?b", qop: "auth", nc: "00000001", cnonce: "c", ...fields };
  const middle = `${given.nonce}:${given.nc}:${given.cnonce}:${given.qop}`;
  const response = md5(`${md5(`${given.username}:shop:${password}`)}:${middle}:${md5(`GET:${given.uri}`)}`);
  return `Digest ${Object.entries({ ...given, response })
    .map(([name, value]) => `${name}="${value}"`)
    .join(", ")}`;
}

await t.test("no credentials: 401 with a challenge; no Secret: 503", async (t) => {
  t.equal(challenge.status, 401);
  t.match(challenge.headers["www-authenticate"], /^Digest algorithm="MD5", qop="auth", realm="shop", nonce="\w{28}"$/);
  t.equal((await ask(at, { host: "gone.example" })).status, 503);
});

const rows: readonly (readonly [what: string, authorization: string, status: number, says?: RegExp])[] = [
  ["the right password", credentials("secret"), 200],
  ["the right password again", credentials("secret", { nc: "00000002" }), 200],
  ["a wrong password", credentials("guess"), 401],
  ["another user", credentials("secret", { username: "eve" }), 401],
  ["another uri", credentials("secret", { uri: "/c" }), 401],
  ["another's nonce", credentials("secret", { nonce: "0".repeat(28) }), 401, /stale="true"/],
  ["another scheme", "Basic YW5uOnNlY3JldA==", 401],
  ["garbage", 'Digest username="ann, =,,"', 401],
];
for (const [what, authorization, status, says = /./] of rows) {
  await t.test(what, async (t) => {
    const answer = await ask(at, { host: "shop.example", path: "/a?b", headers: { Authorization: authorization } });
    t.equal(answer.status, status);
    if (status === 401) t.match(answer.headers["www-authenticate"], says);
    else t.equal(JSON.parse(answer.body.toString()).headers.authorization, undefined);
  });
}
