// Which certificate a name gets.
// Facts: ingress-nginx lua/certificate.lua and certificate_test.lua, controller.go createServers and extractTLSSecretName with their tests,
// controller/certificate.go verifyHostname, nginx.go configureCertificates, net/ssl/ssl.go IsValidHostname.
import t from "tap";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import { compileRoutes } from "../../ingress/routes/route-compiler.ts";
import { chooseCertificate } from "../../ingress/tls/certificates.ts";
import type { Ingress, IngressTLS } from "../../model/kinds/networking-v1.ts";
import { Ingresses, Secrets } from "../../model/resources.ts";
import { createCa, issueCertificate } from "../../model/x509.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { ingress } from "./raw.ts";
import { classes } from "./route-text.ts";

const now = Date.now();
const ca = createCa("ca", now);

/** Secrets by name: a common name, then subject alternative names. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  shop: ["x", "shop.example"],
  wild: ["x", "*.wild.example"],
  one: ["x", "a.wild.example"],
  many: ["x", "foo.bar", "example.com", "Upper.Example"],
  cn: ["cn.example"],
  "cn-wild": ["*.cn.example"],
  both: ["cn.example", "other.example"],
};
const secrets = new Map<string, Readonly<Record<string, Buffer>>>(
  Object.entries(NAMES).map(([name, [commonName = "", ...dnsNames]]) => {
    const { cert, key } = issueCertificate(ca, {
      commonName,
      ...(dnsNames.length > 0 ? { dnsNames } : {}),
      usages: ["server"],
      days: 30,
      now,
    });
    return [`default/${name}`, { "tls.crt": Buffer.from(cert), "tls.key": Buffer.from(key) }] as const;
  }),
);
secrets.set("default/garbage", { "tls.crt": Buffer.from("x"), "tls.key": Buffer.from("y") });
secrets.set("default/ca", { "ca.crt": Buffer.from(ca.cert) });

const withTls = (made: Ingress, ...tls: readonly IngressTLS[]): Ingress => ({ ...made, spec: { ...made.spec, tls: [...tls] } });
const entry = (secretName: string, ...hosts: readonly string[]): IngressTLS => ({
  secretName,
  ...(hosts.length > 0 ? { hosts: [...hosts] } : {}),
});

const rows: readonly (readonly [name: string, objects: readonly Ingress[], sni: string | undefined, secret: string | undefined])[] = [
  ["its own", [withTls(ingress("a", "shop.example", "s"), entry("shop", "shop.example"))], "shop.example", "shop"],
  ["in any case", [withTls(ingress("a", "shop.example", "s"), entry("shop", "SHOP.example"))], "Shop.EXAMPLE", "shop"],
  ["with a final dot", [withTls(ingress("a", "shop.example", "s"), entry("shop", "shop.example"))], "shop.example.", "shop"],
  ["not with two", [withTls(ingress("a", "shop.example", "s"), entry("shop", "shop.example"))], "shop.example..", undefined],
  ["no SNI", [withTls(ingress("a", "shop.example", "s"), entry("shop", "shop.example"))], undefined, undefined],
  ["the wildcard above", [withTls(ingress("a", "*.wild.example", "s"), entry("wild", "*.wild.example"))], "any.wild.example", "wild"],
  [
    "a wildcard is of one label",
    [withTls(ingress("a", "*.wild.example", "s"), entry("wild", "*.wild.example"))],
    "a.b.wild.example",
    undefined,
  ],
  ["the wildcard's own rest is another name", [withTls(ingress("a", "*.local", "s"), entry("wild", "*.local"))], "local", undefined],
  [
    "a wildcard host needs a wildcard certificate",
    [withTls(ingress("a", "*.wild.example", "s"), entry("one", "*.wild.example"))],
    "a.wild.example",
    undefined,
  ],
  [
    "a host without tls below a wildcard with it",
    [withTls(ingress("a", "*.wild.example", "s"), entry("wild", "*.wild.example")), ingress("b", "x.wild.example", "s")],
    "x.wild.example",
    "wild",
  ],
  [
    "a Secret that does not cover the host",
    [withTls(ingress("a", "other.example", "s"), entry("shop", "other.example"))],
    "other.example",
    undefined,
  ],
  ["by common name", [withTls(ingress("a", "cn.example", "s"), entry("cn", "cn.example"))], "cn.example", "cn"],
  ["not by a part of it", [withTls(ingress("a", "cn.exam", "s"), entry("cn", "cn.exam"))], "cn.exam", undefined],
  [
    "by a wildcard as common name",
    [withTls(ingress("a", "a.cn.example", "s"), entry("cn-wild", "a.cn.example"))],
    "a.cn.example",
    "cn-wild",
  ],
  ["no common name beside other names", [withTls(ingress("a", "cn.example", "s"), entry("both", "cn.example"))], "cn.example", undefined],
  [
    "no entry names the host: the first Secret that covers it",
    [withTls(ingress("a", "foo.bar", "s"), entry("shop"), entry("many"))],
    "foo.bar",
    "many",
  ],
  ["among them no common names", [withTls(ingress("a", "cn.example", "s"), entry("cn"))], "cn.example", undefined],
  ["nor authorities", [withTls(ingress("a", "foo1.bar", "s"), entry("ca", "foo.bar"))], "foo1.bar", undefined],
  ["without Secret", [withTls(ingress("a", "shop.example", "s"), { hosts: ["shop.example"] })], "shop.example", undefined],
  ["missing", [withTls(ingress("a", "shop.example", "s"), entry("gone", "shop.example"))], "shop.example", undefined],
  ["garbage", [withTls(ingress("a", "shop.example", "s"), entry("garbage", "shop.example"))], "shop.example", undefined],
  [
    "an alias that the certificate covers",
    [withTls(ingress("a", "foo.bar", "s", { "server-alias": "example.com,upper.example,no.example" }), entry("many", "foo.bar"))],
    "upper.example",
    "many",
  ],
  [
    "and one that it does not",
    [withTls(ingress("a", "foo.bar", "s", { "server-alias": "example.com,no.example" }), entry("many", "foo.bar"))],
    "no.example",
    undefined,
  ],
];

t.test("chooseCertificate", async (t) => {
  for (const [name, ingresses, sni, secret] of rows) {
    const table = compileRoutes(DEFAULT_FLAGS, { ingresses, classes });
    const chosen = chooseCertificate(table, (key) => secrets.get(key), sni);
    t.equal(chosen.secret, secret === undefined ? undefined : `default/${secret}`, `${name}: ${chosen.why}`);
  }
});

const harness = await createHarness(t);

await t.test("plain HTTP is redirected for names that have a certificate, which an alias has by its host's alone", async (t) => {
  await using world = await harness.start();
  await world.service("echo");
  const data = secrets.get("default/many");
  await world.create(
    Ingresses,
    withTls(ingress("a", "foo.bar", "echo", { "server-alias": "example.com,no.example" }), entry("many", "foo.bar")),
  );
  await world.create(
    Ingresses,
    withTls(ingress("b", "gone.example", "echo", { "server-alias": "alias.example" }), entry("gone", "gone.example")),
  );
  await world.settle();
  const status = async (host: string): Promise<number> => (await ask(world.socket(80), { host })).status;
  t.strictSame(await Promise.all(["foo.bar", "example.com", "gone.example", "alias.example"].map(status)), [308, 200, 308, 200]);
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "many" },
    type: "kubernetes.io/tls",
    data: Object.fromEntries(Object.entries(data ?? {}).map(([key, bytes]) => [key, bytes.toString("base64")])),
  });
  await world.settle();
  t.strictSame(await Promise.all(["foo.bar", "example.com", "no.example"].map(status)), [308, 308, 200]);
  const certificate = async (host: string): Promise<unknown> =>
    (await ask(world.socket(443), { scheme: "https", host, sni: host })).certificate?.subject.CN;
  t.strictSame(await Promise.all(["foo.bar", "example.com"].map(certificate)), ["x", "x"]);
  t.match(await certificate("no.example"), /Fake/);
});
