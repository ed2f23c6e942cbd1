// TLS with pods and clients as annotations say: proxy-ssl-*, auth-tls-verify-depth and its errors, kept auth connections.
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import t from "tap";
import { Secrets } from "../../model/resources.ts";
import { createCa, issueCertificate, type KeyPair } from "../../model/x509.ts";
import { ca, pair } from "./case.ts";
import { ask, type Asked } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start({ config: { "use-http2": "false" } });

/** Tells what it saw of the handshake. */
const server =
  (own: KeyPair, more: object = {}): (() => Server) =>
  () =>
    createServer({ ...own, ca: ca.cert, requestCert: true, rejectUnauthorized: false, ...more }, (request, response) => {
      const socket = request.socket as TLSSocket;
      const sni = socket.servername === false || socket.servername === undefined ? "-" : socket.servername;
      const subject = socket.getPeerCertificate().subject?.CN ?? "-";
      response.end(`${socket.getProtocol()} ${sni} ${subject} ${socket.getCipher().standardName}`);
    });

const fixture = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
/** Two authorities between it and CHAIN_ROOT; made by openssl, like rsa.key. */
const CHAIN = { key: fixture("chain.key"), cert: fixture("chain.crt") };
const CHAIN_ROOT = fixture("chain-root.crt");

const secret = (name: string, data: Readonly<Record<string, string>>): Promise<unknown> =>
  world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")])),
  });

const client = pair("controller", "client");
await world.service("named", { server: server(pair("pod.example", "server")) });
await world.service("stranger", {
  server: server(
    issueCertificate(createCa("other", Date.now()), {
      commonName: "pod.example",
      dnsNames: ["pod.example"],
      usages: ["server"],
      days: 2,
      now: Date.now(),
    }),
  ),
});
await world.service("modern", { server: server(pair("pod.example", "server"), { minVersion: "TLSv1.3" }) });
await secret("full", { "ca.crt": ca.cert, "tls.crt": client.cert, "tls.key": client.key });
await world.service("auth-pod");
await secret("trust", { "ca.crt": ca.cert });
await secret("other", { auth: "x" });

await t.test("proxy-ssl-*: certificate, name, SNI, protocols, ciphers, verification", async (t) => {
  const named = { "proxy-ssl-secret": "default/full", "proxy-ssl-name": "pod.example" };
  const rows: readonly (readonly [what: string, service: string, annotations: Readonly<Record<string, string>>, sees: string | number])[] =
    [
      ["without: any certificate, no SNI, none of ours", "stranger", {}, "TLSv1.3 - - "],
      ["a Secret: our certificate, TLSv1.2", "stranger", { "proxy-ssl-secret": "default/full" }, "TLSv1.2 - controller "],
      ["a Secret without tls.crt", "stranger", { "proxy-ssl-secret": "default/trust" }, "TLSv1.2 - - "],
      ["protocols", "stranger", { ...named, "proxy-ssl-protocols": "TLSv1.2 TLSv1.3" }, "TLSv1.3 - controller "],
      ["protocols that the pod lacks", "modern", named, 502],
      ["a name is no SNI by itself", "named", named, "TLSv1.2 - controller "],
      ["server-name on: the name as SNI", "named", { ...named, "proxy-ssl-server-name": "on" }, "TLSv1.2 pod.example controller "],
      [
        "server-name on without a name",
        "named",
        { "proxy-ssl-secret": "default/full", "proxy-ssl-server-name": "on" },
        "TLSv1.2 upstream_balancer controller ",
      ],
      ["a name with variables", "named", { ...named, "proxy-ssl-name": "x-$host", "proxy-ssl-server-name": "on" }, "TLSv1.2 x-row-"],
      ["a port is not of the name", "named", { ...named, "proxy-ssl-name": "pod.example:1", "proxy-ssl-verify": "on" }, "TLSv1.2 - "],
      ["an address is no SNI", "named", { ...named, "proxy-ssl-name": "1.2.3.4", "proxy-ssl-server-name": "on" }, "TLSv1.2 - "],
      ["verified", "named", { ...named, "proxy-ssl-verify": "on" }, "TLSv1.2 - controller "],
      ["verified: another authority", "stranger", { ...named, "proxy-ssl-verify": "on" }, 502],
      ["verified: another name", "named", { ...named, "proxy-ssl-verify": "on", "proxy-ssl-name": "other.example" }, 502],
      ["verified without a name: upstream_balancer", "named", { "proxy-ssl-secret": "default/full", "proxy-ssl-verify": "on" }, 502],
      ["ciphers", "named", { ...named, "proxy-ssl-ciphers": "ECDHE-ECDSA-AES128-SHA256" }, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"],
      ["no such Secret: 503", "named", { "proxy-ssl-secret": "default/absent" }, 503],
      ["a Secret without a certificate: 503", "named", { "proxy-ssl-secret": "default/other" }, 503],
      ["not namespace/name: 503", "named", { "proxy-ssl-secret": "full" }, 503],
      ["another namespace: 503", "named", { "proxy-ssl-secret": "other/full" }, 503],
    ];
  for (const [i, [what, service, annotations, sees]] of rows.entries()) {
    const host = `row-${i}.example`;
    await addIngress(world, ingress(`row-${i}`, host, service, { "backend-protocol": "HTTPS", ...annotations }));
    const answer = await ask(world.socket(80), { host });
    if (typeof sees === "number") t.equal(answer.status, sees, what);
    else t.match(answer.body.toString(), sees, what);
  }
});

await t.test("settings of the host's first Ingress hold for its other locations, unless proxy-ssl-location-only", async (t) => {
  await addIngress(
    world,
    ingress("first", "shared.example", "stranger", { "backend-protocol": "HTTPS", "proxy-ssl-secret": "default/full" }),
    ingress("second", "shared.example", "stranger", { "backend-protocol": "HTTPS" }, "/second"),
  );
  t.match((await ask(world.socket(80), { host: "shared.example", path: "/second" })).body.toString(), "TLSv1.2 - controller");
});

await t.test("depth: certificates between the last one and its authority, of a client and of a pod", async (t) => {
  await secret("chain", { "ca.crt": CHAIN_ROOT });
  await world.service("chained", { server: server(CHAIN) });
  for (const [depth, pod, host] of [
    ["1", 502, 400],
    ["2", 200, 200],
  ] as const) {
    const to = {
      "backend-protocol": "HTTPS",
      "proxy-ssl-secret": "default/chain",
      "proxy-ssl-name": "chained.example",
      "proxy-ssl-verify": "on",
    };
    await addIngress(
      world,
      ingress(`to-${depth}`, `to-${depth}.example`, "chained", { ...to, "proxy-ssl-verify-depth": depth }),
      ingress(`from-${depth}`, `from-${depth}.example`, "auth-pod", { "auth-tls-secret": "default/chain", "auth-tls-verify-depth": depth }),
    );
    t.equal((await ask(world.socket(80), { host: `to-${depth}.example` })).status, pod, `proxy-ssl-verify-depth ${depth}`);
    const asked = { scheme: "https", host: `from-${depth}.example`, sni: `from-${depth}.example`, pair: CHAIN };
    t.equal((await ask(world.socket(443), asked)).status, host, `auth-tls-verify-depth ${depth}`);
  }
});

await t.test("auth-tls: depth, errors of the Secret, names on plain HTTP", async (t) => {
  const own = pair("authtls", "client");
  const rows: readonly (readonly [what: string, annotations: Readonly<Record<string, string>>, asked: Asked, status: number])[] = [
    ["a chain within the depth", { "auth-tls-secret": "default/trust", "auth-tls-verify-depth": "1" }, { scheme: "https", pair: own }, 200],
    ["no certificate", { "auth-tls-secret": "default/trust" }, { scheme: "https" }, 400],
    ["plain HTTP asks for none", { "auth-tls-secret": "default/trust" }, {}, 200],
    ["no such Secret: the whole server is 403", { "auth-tls-secret": "default/absent" }, {}, 403],
    ["not namespace/name: 403", { "auth-tls-secret": "trust" }, {}, 403],
    ["another namespace: 403", { "auth-tls-secret": "other/trust" }, { scheme: "https", pair: own }, 403],
    ["the right name", { "auth-tls-secret": "default/trust", "auth-tls-match-cn": "CN=authtls" }, { scheme: "https", pair: own }, 200],
    ["another name", { "auth-tls-secret": "default/trust", "auth-tls-match-cn": "CN=other" }, { scheme: "https", pair: own }, 403],
    ["a name is asked on plain HTTP too", { "auth-tls-secret": "default/trust", "auth-tls-match-cn": "CN=authtls" }, {}, 403],
    [
      "optional, without a certificate, but a name",
      { "auth-tls-secret": "default/trust", "auth-tls-verify-client": "optional", "auth-tls-match-cn": "CN=authtls" },
      { scheme: "https" },
      403,
    ],
  ];
  await world.service("plain");
  for (const [i, [what, annotations, asked, status]] of rows.entries()) {
    const host = `tls-${i}.example`;
    await addIngress(world, ingress(`tls-${i}`, host, "plain", annotations));
    const answer = await ask(world.socket(asked.scheme === "https" ? 443 : 80), { ...asked, host, sni: host });
    t.equal(answer.status, status, what);
    if (annotations["auth-tls-match-cn"] !== undefined && status === 403)
      t.equal(answer.body.toString(), "client certificate unauthorized", what);
  }
});

await t.test("auth-keepalive: one connection for many questions; without it, one each, closed", async (t) => {
  const seen: string[] = [];
  const sockets = new Set<object>();
  await world.service("auth", {
    server: () =>
      createHttpServer((request, response) => {
        sockets.add(request.socket);
        seen.push(request.headers.connection ?? "");
        response.end();
      }),
  });
  const auth = { "auth-url": "http://auth.default.svc.cluster.local/" };
  await addIngress(
    world,
    ingress("asking", "asking.example", "plain", auth),
    ingress("keeping", "keeping.example", "plain", { ...auth, "auth-keepalive": "5", "auth-keepalive-requests": "3" }),
  );
  const rows: readonly (readonly [host: string, connections: number, says: string])[] = [
    ["asking.example", 4, "close"],
    ["keeping.example", 2, "keep-alive"],
  ];
  for (const [host, connections, says] of rows) {
    sockets.clear();
    seen.length = 0;
    for (let i = 0; i < 4; i++) t.equal((await ask(world.socket(80), { host })).status, 200);
    t.equal(sockets.size, connections, host);
    t.strictSame([...new Set(seen)], [says], host);
  }
});
