// ssl-passthrough over real sockets: TLS goes to the Service unopened by SNI, all else ends at the controller.
// Facts: ingress-nginx pkg/tcpproxy/tcp.go, controller.go createServers, nginx.go generateTemplate, docs/user-guide/tls.md,
// kubernetes/ingress-nginx#8052 (every client of TLS is 127.0.0.1).
import { createServer as createHttpsServer } from "node:https";
import { connect } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import t from "tap";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { Events, Ingresses, Services } from "../../model/resources.ts";
import { selfSignedCertificate } from "../../model/x509.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const certificate = selfSignedCertificate({
  commonName: "the pod's own",
  organizations: [],
  dnsNames: ["pass.example"],
  usages: ["server"],
  days: 1,
  now: Date.now(),
});
const httpsPod = (pod: string): ReturnType<typeof createHttpsServer> =>
  createHttpsServer({ ...certificate }, (request, response) => response.end(`${pod} ${request.url} from ${request.socket.remoteAddress}`));

const PASS = { "ssl-passthrough": "true" };
const harness = await createHarness(t);
await using world = await harness.start({ flags: ["--enable-ssl-passthrough"] });
await world.service("secure", { server: httpsPod });
await world.service("web");
await world.service("other");
await addIngress(
  world,
  ingress("pass", "pass.example", "secure", { ...PASS, "whitelist-source-range": "192.0.2.0/24", "app-root": "/x" }),
  ingress("plain", "plain.example", "web"),
  ingress("wild", "*.wild.example", "secure", PASS),
  ingress("aliased", "aliased.example", "secure", { ...PASS, "server-alias": "alias.example" }),
  ingress("deeper", "deeper.example", "secure", PASS, "/deeper"),
  ingress("gone", "gone.example", "no-such-service", PASS),
  // The annotation of any Ingress of the host counts: controller.go createServers.
  ingress("first", "shared.example", "secure"),
  ingress("second", "shared.example", "web", PASS, "/other"),
  ingress("main", "canary.example", "other"),
  ingress("canary", "canary.example", "secure", { ...PASS, canary: "true", "canary-weight": "0" }),
);

/** Who answers a name: the certificate's subject and the start of the answer; or how the connection ends. */
function whoAnswers(sni: string, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const at = world.socket(443);
    const socket = connectTls({ host: at.ip, port: at.port, servername: sni, rejectUnauthorized: false, ...options });
    let answer = "";
    let subject = "closed";
    socket.on("secureConnect", () => {
      subject = String(socket.getPeerCertificate().subject.CN);
      socket.write(`GET /a HTTP/1.1\r\nHost: ${sni === "" ? "plain.example" : sni.toLowerCase()}\r\nConnection: close\r\n\r\n`);
    });
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(`${subject}${answer === "" ? "" : ` ${answer.slice(9, 12)}`}`));
  });
}

const asked = (url: string) => ({ type: "asked", from: { kind: "host", ip: "127.0.0.1" }, method: "GET", url, headers: [] }) as const;

const POD = "the pod's own 200";
const FAKE = "Kubernetes Ingress Controller Fake Certificate";

await t.test("by name", async (t) => {
  const rows: readonly (readonly [sni: string, expected: string])[] = [
    ["pass.example", POD],
    ["shared.example", POD],
    ["aliased.example", POD],
    ["plain.example", `${FAKE} 200`],
    ["", `${FAKE} 200`],
    ["unknown.example", `${FAKE} 404`],
    // tcpproxy.Get compares the text.
    ["Pass.example", `${FAKE} 403`],
    ["a.wild.example", `${FAKE} 502`],
    ["alias.example", `${FAKE} 502`],
    // No path /: upstream dials an empty address.
    ["deeper.example", "closed"],
    // No Service: nginx answers.
    ["gone.example", `${FAKE} 503`],
    // A canary is left out of servers.
    ["canary.example", `${FAKE} 200`],
  ];
  for (const [sni, expected] of rows) t.equal(await whoAnswers(sni), expected, sni);
  t.equal(await whoAnswers("pass.example", { maxVersion: "TLSv1.2" }), POD, "TLS 1.2");
  t.equal(await whoAnswers("plain.example", { ALPNProtocols: ["http/1.1"] }), `${FAKE} 200`, "ALPN");
});

await t.test("the pod sees the controller's address, and the request as it was sent: annotations and paths do not act", async (t) => {
  const at = world.socket(443);
  const got = await ask(at, { scheme: "https", host: "pass.example", sni: "pass.example", path: "/a/../b" });
  t.equal(got.body.toString(), `secure-0 /a/../b from ${world.ip}`);
  t.equal(got.certificate?.subject.CN, "the pod's own");
});

await t.test("plain HTTP of the host is served as ever", async (t) => {
  const got = await ask(world.socket(80), { host: "pass.example", path: "/y" });
  t.equal(got.status, 403, "the allow list acts on it");
});

await t.test("TLS that ends at the controller comes from 127.0.0.1", async (t) => {
  const got = await ask(world.socket(443), { scheme: "https", host: "plain.example", sni: "plain.example" });
  const { headers } = JSON.parse(got.body.toString());
  t.match(headers, { "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https" });
  const http = await ask(world.socket(80), { host: "plain.example" });
  t.not(JSON.parse(http.body.toString()).headers["x-forwarded-for"], world.ip);
});

await t.test("a change acts on the next connection", async (t) => {
  const set = async (annotations: Ingress["metadata"]["annotations"]): Promise<void> => {
    await world.store.mutate(Ingresses, "default", "plain", (edited) => {
      edited.metadata.annotations = { ...annotations };
      const [rule] = edited.spec.rules ?? [];
      if (rule?.http?.paths[0]?.backend.service) rule.http.paths[0].backend.service.name = annotations ? "secure" : "web";
    });
    await world.settle();
  };
  await set({ "nginx.ingress.kubernetes.io/ssl-passthrough": "true" });
  t.equal(await whoAnswers("plain.example"), POD);
  await set(undefined);
  t.equal(await whoAnswers("plain.example"), `${FAKE} 200`);
});

await t.test("what is told of it", async (t) => {
  const lines = async (url: string): Promise<string> =>
    ((await world.diagnostics.explainRequest?.(asked(url))) ?? []).flatMap((step) => step.lines).join("\n");
  const told = await lines("https://shared.example/x");
  t.match(told, /443, SNI shared\.example: ssl-passthrough of default\/second sends the connection unopened to Service default\/secure/);
  t.match(told, /connects to its ClusterIP 127\.[\d.]+:80, and kube-proxy chooses the pod/);
  t.match(told, /^among 127\.[\d.]+:80$/m);
  t.match(await lines("https://a.wild.example/"), /ssl-passthrough of \*\.wild\.example is by exact name, which a\.wild\.example is not/);
  t.match(await lines("https://gone.example/"), /Service default\/no-such-service of ssl-passthrough does not exist/);
  t.match(await lines("https://plain.example/"), /client address 127\.0\.0\.1: with --enable-ssl-passthrough/);
  t.match(world.diagnostics.dump?.({}), /pass\.example {2}\(TLS goes unopened to default\/secure:80 by default\/pass\)/);
  t.match(world.diagnostics.dump?.({}), /deeper\.example {2}\(TLS is closed, as no path \/ names a Service by default\/deeper\)/);
  t.match(world.diagnostics.dump?.({ as: "nginx" }), /listen 442 proxy_protocol ssl;/);
});

await t.test("ports: by name, by a number the Service does not have, and a headless Service", async (t) => {
  const retarget = async (port: { readonly name?: string; readonly number?: number }): Promise<void> => {
    await world.store.mutate(Ingresses, "default", "pass", (edited) => {
      const service = edited.spec.rules?.[0]?.http?.paths[0]?.backend.service;
      if (service) service.port = { ...port };
    });
    await world.settle();
  };
  await retarget({ name: "http" });
  t.equal(await whoAnswers("pass.example"), POD);
  await retarget({ name: "nope" });
  t.equal(await whoAnswers("pass.example"), "closed");
  await retarget({ number: 80 });
  await world.store.mutate(Services, "default", "secure", (edited) => void (edited.spec.clusterIP = "None"));
  await world.settle();
  t.equal(await whoAnswers("pass.example"), "closed", "headless");
  const explained = await world.diagnostics.explainRequest?.(asked("https://pass.example/"));
  t.match(
    explained?.at(-1)?.lines.at(-1),
    /ssl-passthrough of default\/pass: Service default\/secure has no ClusterIP, so the connection is closed/,
  );
});

await t.test("a Warning says it while the flag is off, and not while it is on", async (t) => {
  const warnings = (store: typeof world.store): string[] =>
    store.list(Events).flatMap(({ message }) => (message?.includes("ssl-passthrough") === true ? [message] : []));
  await using off = await harness.start();
  for (const each of [off, world]) {
    await each.component.start();
    t.teardown(() => each.component.stop());
  }
  await addIngress(off, ingress("pass", "pass.example", "secure", PASS));
  await until(() => warnings(off.store).length > 0);
  t.strictSame(warnings(off.store), [
    "nginx.ingress.kubernetes.io/ssl-passthrough: no effect without --enable-ssl-passthrough; TLS ends at the controller",
  ]);
  await world.settle();
  t.strictSame(warnings(world.store), []);
  const got = await ask(off.socket(443), { scheme: "https", host: "pass.example", sni: "pass.example" });
  t.equal(got.certificate?.subject.CN, FAKE, "TLS ends at the controller");
});

await t.test("what is no TLS is refused by the HTTPS server", async (t) => {
  const plain = await raw(world.socket(443), "GET / HTTP/1.1\r\nHost: pass.example\r\n\r\n");
  t.match(plain, /^HTTP\/1\.1 400 Bad Request\r\n/);
  const at = world.socket(443);
  await new Promise<void>((resolve) => {
    const socket = connect(at.port, at.ip, () => socket.end());
    socket.on("close", () => resolve());
    socket.resume();
  });
  t.pass("a client that says nothing and leaves");
});

await t.test("beside a passed host the others upgrade, wait for 100 Continue and keep their connection", async (t) => {
  const { ip, port } = world.socket(443);
  const socket = connectTls({ host: ip, port, rejectUnauthorized: false, servername: "plain.example" });
  let text = "";
  socket.on("error", () => {}).on("data", (chunk) => (text += chunk.toString()));
  socket.write("GET /1 HTTP/1.1\r\nHost: plain.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await until(() => text.includes('"path":"/1"'));
  socket.write("POST /2 HTTP/1.1\r\nHost: plain.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  await until(() => text.includes(" 100 Continue"));
  socket.write("hi");
  await until(() => text.includes('"body":2}'));
  t.strictSame(text.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.1 200"]);
  t.match(text, /"upgrade":"websocket"/);
  socket.destroy();
});
