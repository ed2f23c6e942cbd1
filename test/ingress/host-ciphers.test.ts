// ssl-ciphers and ssl-prefer-server-ciphers: cipher suites of one host, beside others that keep the ConfigMap's.
// Facts: ingress-nginx nginx.tmpl (ssl_ciphers of a server), test/e2e/annotations/sslciphers.go; ngx_http_ssl_servername.
import { connect, type SecureVersion } from "node:tls";
import t from "tap";
import { Ingresses } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const [SMALL, LARGE] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
const harness = await createHarness(t);
await using world = await harness.start({ config: { "ssl-ciphers": `${SMALL}:${LARGE}` } });
await world.service("echo");
await addIngress(world, ingress("plain", "plain.example", "echo"));

/** The suite that is agreed on, or the error. */
function handshake(servername: string, ciphers: string, maxVersion: SecureVersion = "TLSv1.2"): Promise<string> {
  const { ip, port } = world.socket(443);
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, servername, ciphers, maxVersion, rejectUnauthorized: false });
    socket.on("secureConnect", () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
}

await t.test("the ConfigMap's suites, in the server's order", async (t) => {
  t.equal(await handshake("plain.example", `${LARGE}:${SMALL}`), SMALL);
});

await t.test("suites that nobody knows leave the ConfigMap's", async (t) => {
  await addIngress(world, ingress("nonsense", "nonsense.example", "echo", { "ssl-ciphers": "NONSENSE:+NOT" }));
  t.equal(await handshake("nonsense.example", `${LARGE}:${SMALL}`), SMALL);
  t.equal(await handshake("plain.example", `${LARGE}:${SMALL}`), SMALL);
  t.equal((await ask(world.socket(443), { scheme: "https", host: "nonsense.example", sni: "nonsense.example" })).status, 200);
});

await t.test("a host's own", async (t) => {
  await addIngress(
    world,
    ingress("large", "large.example", "echo", { "ssl-ciphers": LARGE }),
    ingress("theirs", "theirs.example", "echo", { "ssl-prefer-server-ciphers": "false" }),
    ingress("wild", "*.wild.example", "echo", { "ssl-ciphers": LARGE }),
    ingress("a-second", "large.example", "echo", { "ssl-ciphers": SMALL }, "/second"),
  );
  const rows: readonly (readonly [servername: string, offered: string, expected: string | RegExp])[] = [
    ["large.example", `${SMALL}:${LARGE}`, LARGE],
    ["LARGE.example", `${SMALL}:${LARGE}`, LARGE],
    ["a.wild.example", `${SMALL}:${LARGE}`, LARGE],
    ["large.example", SMALL, /HANDSHAKE_FAILURE/],
    ["plain.example", `${LARGE}:${SMALL}`, SMALL],
    ["", `${LARGE}:${SMALL}`, SMALL],
    ["theirs.example", `${LARGE}:${SMALL}`, LARGE],
    ["theirs.example", `${SMALL}:${LARGE}`, SMALL],
  ];
  for (const [servername, offered, expected] of rows) {
    const got = await handshake(servername, offered);
    if (typeof expected === "string") t.equal(got, expected, `${servername} ${offered}`);
    else t.match(got, expected, `${servername} ${offered}`);
  }
  const tls13 = await handshake("large.example", "TLS_AES_128_GCM_SHA256", "TLSv1.3");
  t.equal(tls13, "TLS_AES_128_GCM_SHA256", "TLS 1.3 is not meant");
  t.equal((await ask(world.socket(443), { scheme: "https", host: "large.example", sni: "large.example" })).status, 200);
});

await t.test("and back", async (t) => {
  for (const name of ["large", "a-second", "theirs", "wild"]) await world.store.delete(Ingresses, "default", name);
  await world.settle();
  t.equal(await handshake("large.example", `${LARGE}:${SMALL}`), SMALL);
});
