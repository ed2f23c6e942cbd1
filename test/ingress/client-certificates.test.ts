// auth-tls-* of several Ingresses of one host, and Secrets that lack something (controller.go getBackendServers, authtls/main.go).
import t from "tap";
import { Secrets } from "../../model/resources.ts";
import { ca, pair } from "./case.ts";
import { ask, type Asked } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");

const own = pair("server", "server");
const SECRETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  authority: { "ca.crt": ca.cert },
  pair: { "tls.crt": own.cert, "tls.key": own.key },
  other: { auth: "x" },
  garbage: { "ca.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
  strangers: { "ca.crt": ca.cert, "tls.crt": own.cert, "tls.key": pair("another", "server").key },
};
for (const [name, data] of Object.entries(SECRETS))
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")])),
  });

type Texts = Readonly<Record<string, string>>;
const by = (name: string, more: Texts = {}): Texts => ({ "auth-tls-secret": `default/${name}`, ...more });
const CERTIFIED: Asked = { scheme: "https", pair: pair("authtls", "client") };
const NOBODY: Asked = { scheme: "https" };

/** Annotations of the host's Ingresses, first first; what a client with the certificate gets, and what one without. */
const ROWS: readonly (readonly [what: string, ingresses: readonly Texts[], certified: number, nobody: number])[] = [
  ["a Secret with an authority", [by("authority")], 200, 400],
  ["a Secret without an authority asks nobody", [by("pair")], 200, 200],
  ["a Secret without certificates closes the server", [by("other")], 403, 403],
  ["an authority that cannot be read closes the server", [by("garbage")], 403, 403],
  ["so do a certificate and a key that are strangers", [by("strangers")], 403, 403],
  ["no such Secret closes the server", [by("absent")], 403, 403],
  ["so does the second Ingress's", [by("authority"), by("absent")], 403, 403],
  ["and another namespace's", [{}, { "auth-tls-secret": "other/authority" }], 403, 403],
  ["the first with an authority decides", [by("pair"), by("authority"), by("authority", { "auth-tls-verify-client": "off" })], 200, 400],
  ["also behind one without", [{}, by("authority")], 200, 400],
  ["match-cn without an authority", [by("pair", { "auth-tls-match-cn": "CN=authtls" })], 403, 403],
  ["which the next Ingress undoes", [by("pair", { "auth-tls-match-cn": "CN=authtls" }), {}], 200, 200],
  ["match-cn with an authority is nobody's to undo", [by("authority", { "auth-tls-match-cn": "CN=other" }), {}], 403, 400],
  ["an error page by a name that no location has", [by("authority", { "auth-tls-error-page": "@login" })], 200, 500],
  ["an error page on another host", [by("authority", { "auth-tls-error-page": "ok.com/error" })], 200, 302],
];

for (const [i, [what, ingresses, certified, nobody]] of ROWS.entries())
  await t.test(what, async (t) => {
    const host = `row-${i}.example`;
    for (const [n, annotations] of ingresses.entries()) {
      await world.clock.advance(1000);
      await addIngress(world, ingress(`row-${i}-${n}`, host, "web", annotations, n === 0 ? "/" : `/${n}`));
    }
    t.equal((await ask(world.socket(443), { host, sni: host, ...CERTIFIED })).status, certified, "with a certificate");
    t.equal((await ask(world.socket(443), { host, sni: host, ...NOBODY })).status, nobody, "without");
  });

await t.test(
  "a handshake by another name: 421 for a server that asks for certificates, and none counts that nobody asked for",
  async (t) => {
    await addIngress(
      world,
      ingress("strict", "strict.example", "web", by("authority")),
      ingress("lax", "lax.example", "web", by("authority", { "auth-tls-verify-client": "off", "auth-tls-match-cn": "CN=authtls" })),
      ingress("open", "open.example", "web"),
    );
    const rows: readonly (readonly [host: string, sni: string | undefined, status: number])[] = [
      ["strict.example", "strict.example", 200],
      ["strict.example", "open.example", 421],
      ["strict.example", "lax.example", 421],
      ["strict.example", "nobody.example", 400],
      ["strict.example", undefined, 400],
      ["open.example", "strict.example", 200],
      ["lax.example", "lax.example", 403],
      ["lax.example", "strict.example", 200],
    ];
    for (const [host, sni, status] of rows) {
      const answer = await ask(world.socket(443), { host, ...(sni === undefined ? {} : { sni }), ...CERTIFIED });
      t.equal(answer.status, status, `${sni} ${host}`);
    }
  },
);

await t.test("ssl-client-* headers are a client's own where nobody asks for certificates", async (t) => {
  for (const [name, secret, seen] of [
    ["asked", "authority", undefined],
    ["unasked", "pair", "SUCCESS"],
  ] as const) {
    await addIngress(world, ingress(name, `${name}.example`, "web", by(secret)));
    const answer = await ask(world.socket(80), { host: `${name}.example`, headers: { "ssl-client-verify": "SUCCESS" } });
    t.equal(JSON.parse(answer.body.toString()).headers["ssl-client-verify"], seen, name);
  }
});

await t.test("the catch-all asks for certificates, too: who sends no name, or one that no Ingress has", async (t) => {
  await using other = await harness.start();
  await other.service("web");
  await other.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "authority" },
    data: { "ca.crt": Buffer.from(ca.cert).toString("base64") },
  });
  await addIngress(other, ingress("all", "", "web", by("authority")), ingress("open", "open.example", "web"));
  for (const [sni, host, certified, nobody] of [
    [undefined, "any.example", 200, 400],
    ["any.example", "any.example", 200, 400],
    ["open.example", "open.example", 200, 200],
  ] as const) {
    const at = { host, ...(sni === undefined ? {} : { sni }) };
    t.equal((await ask(other.socket(443), { ...at, ...CERTIFIED })).status, certified, `${sni} with a certificate`);
    t.equal((await ask(other.socket(443), { ...at, ...NOBODY })).status, nobody, `${sni} without`);
  }
});

await t.test("a server with auth-tls-error-page has none of the ConfigMap's pages", async (t) => {
  const config = { "custom-http-errors": "404" };
  await using other = await harness.start({ config, flags: ["--default-backend-service=default/pages"] });
  for (const name of ["httpbun", "pages"]) await other.service(name);
  const data = { "ca.crt": Buffer.from(ca.cert).toString("base64") };
  await other.create(Secrets, { apiVersion: "v1", kind: "Secret", metadata: { namespace: "default", name: "authority" }, data });
  await addIngress(
    other,
    ingress("a", "a.example", "httpbun", by("authority")),
    ingress("b", "b.example", "httpbun", by("authority", { "auth-tls-error-page": "http://c.example/" })),
  );
  const asked = async (host: string): Promise<readonly unknown[]> => {
    const { status, headers } = await ask(other.socket(80), { host, path: "/status/404" });
    return [status, headers["x-service"]];
  };
  t.strictSame(
    [await asked("a.example"), await asked("b.example")],
    [
      [200, "pages"],
      [404, "httpbun"],
    ],
  );
});
