// What the verification of a client's certificate finds, as the pod is told (X509_verify_cert_error_string), what optional_no_ca forgives
// (ngx_ssl_verify_error_optional, compared with stock nginx), and ca.crl of the Secret (backend_ssl.go, net/ssl ConfigureCRL).
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import t from "tap";
import { bitString, integer, objectIdentifier, pem, sequence, set, time, utf8String } from "../../model/der.ts";
import { Secrets } from "../../model/resources.ts";
import { createCa, issueCertificate, type KeyPair } from "../../model/x509.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const DAY_MS = 86_400_000;
const now = Date.now();
const [ca, other] = [createCa("authority", now - 40 * DAY_MS), createCa("other", now - 40 * DAY_MS)];
const client = (from: typeof ca, commonName: string, more: { readonly days?: number; readonly now?: number } = {}): KeyPair =>
  issueCertificate(from, { commonName, usages: ["client"], days: 30, now, ...more });

const past = { days: 1, now: now - 30 * DAY_MS };
const CLIENTS: Readonly<Record<string, KeyPair>> = {
  good: client(ca, "good"),
  revoked: client(ca, "revoked"),
  expired: client(ca, "expired", past),
  early: client(ca, "early", { now: now + 10 * DAY_MS }),
  stranger: client(other, "stranger"),
  "expired stranger": client(other, "stranger", past),
  server: issueCertificate(ca, { commonName: "server", usages: ["server"], days: 30, now }),
};

/** A list of what `from` has taken back (RFC 5280 §5). */
function crl(from: typeof ca, revoked: readonly KeyPair[], untilMs = now + DAY_MS): string {
  const algorithm = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
  const issuer = sequence(set(sequence(objectIdentifier("2.5.4.3"), utf8String(from.commonName))));
  const entries = revoked.map(({ cert }) =>
    sequence(integer(Buffer.from(new X509Certificate(cert).serialNumber, "hex")), time(now - 2 * DAY_MS)),
  );
  const listed = entries.length === 0 ? [] : [sequence(...entries)];
  const body = sequence(integer(Buffer.of(1)), algorithm, issuer, time(now - 2 * DAY_MS), time(untilMs), ...listed);
  return pem("X509 CRL", sequence(body, algorithm, bitString(sign("sha256", body, createPrivateKey(from.key)))));
}

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");

const encoded = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
let hosts = 0;

/** A host that asks for certificates as the Secret and `verify` say. */
async function hostWith(data: Readonly<Record<string, string>>, verify: string): Promise<string> {
  const name = `h${hosts++}`;
  const metadata = { namespace: "default", name };
  await world.create(Secrets, { apiVersion: "v1", kind: "Secret", metadata, data: encoded({ "ca.crt": ca.cert, ...data }) });
  const asked = { "auth-tls-secret": `default/${name}`, "auth-tls-verify-client": verify };
  await addIngress(world, ingress(name, `${name}.example`, "web", asked));
  return `${name}.example`;
}

/** ssl-client-verify as the pod has it, or the status. */
async function verdict(host: string, name: string): Promise<string> {
  const pair = CLIENTS[name];
  const answer = await ask(world.socket(443), { scheme: "https", host, sni: host, ...(pair ? { pair } : {}) });
  return answer.status === 200 ? JSON.parse(answer.body.toString()).headers["ssl-client-verify"] : String(answer.status);
}

await t.test("optional_no_ca forgives that nobody knows the authority, and nothing else", async (t) => {
  const host = await hostWith({}, "optional_no_ca");
  for (const [name, expected] of [
    ["good", "SUCCESS"],
    ["stranger", "FAILED:unable to verify the first certificate"],
    ["expired", "400"],
    ["early", "400"],
    ["server", "400"],
    ["expired stranger", "400"],
    ["nobody", "NONE"],
  ] as const)
    t.equal(await verdict(host, name), expected, name);
});

await t.test("ca.crl: what is revoked is refused, also where the authority need not be known", async (t) => {
  for (const [verify, revoked] of [
    ["on", "400"],
    ["optional", "400"],
    ["optional_no_ca", "400"],
    ["off", "NONE"],
  ] as const) {
    const host = await hostWith({ "ca.crl": crl(ca, [CLIENTS["revoked"] ?? ca]) }, verify);
    t.equal(await verdict(host, "revoked"), revoked, verify);
    if (verify !== "off") t.equal(await verdict(host, "good"), "SUCCESS", verify);
  }
});

await t.test("lists that nothing comes of, and lists that close the server", async (t) => {
  const right = crl(ca, []);
  for (const [what, list, expected] of [
    ["empty text", "", "SUCCESS"],
    ["nobody is in it", right, "SUCCESS"],
    ["two lists", crl(other, []) + right, "SUCCESS"],
    ["in the second of two", crl(other, []) + crl(ca, [CLIENTS["good"] ?? ca]), "400"],
    ["of another authority alone", crl(other, []), "400"],
    ["out of date", crl(ca, [], now - DAY_MS), "400"],
    ["no list", "nothing", "403"],
    ["a certificate first", ca.cert + right, "403"],
    ["a list that cannot be read", pem("X509 CRL", Buffer.from("nothing")), "403"],
  ] as const)
    t.equal(await verdict(await hostWith({ "ca.crl": list }, "on"), "good"), expected, what);
});

await t.test("a list that comes, and one that changes", async (t) => {
  const host = await hostWith({}, "on");
  const update = async (list: string): Promise<void> => {
    await world.store.mutate(Secrets, "default", host.split(".")[0] ?? "", (draft) => {
      draft.data = encoded({ "ca.crt": ca.cert, "ca.crl": list });
    });
    await world.settle();
  };
  t.equal(await verdict(host, "revoked"), "SUCCESS");
  await update(crl(ca, [CLIENTS["revoked"] ?? ca]));
  t.equal(await verdict(host, "revoked"), "400");
  await update(crl(ca, [CLIENTS["good"] ?? ca]));
  t.strictSame([await verdict(host, "revoked"), await verdict(host, "good")], ["SUCCESS", "400"]);
});

await t.test("the catch-all's list counts for clients without SNI", async (t) => {
  await using all = await harness.start();
  await all.service("web");
  const metadata = { namespace: "default", name: "authority" };
  const data = encoded({ "ca.crt": ca.cert, "ca.crl": crl(ca, [CLIENTS["revoked"] ?? ca]) });
  await all.create(Secrets, { apiVersion: "v1", kind: "Secret", metadata, data });
  await addIngress(all, ingress("all", "", "web", { "auth-tls-secret": "default/authority" }));
  const status = async (name: string): Promise<number> =>
    (await ask(all.socket(443), { scheme: "https", host: "any.example", pair: CLIENTS[name] ?? ca })).status;
  t.strictSame([await status("good"), await status("revoked")], [200, 400]);
});
