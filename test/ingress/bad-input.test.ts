// Wrong objects and wrong clients over real sockets: each gets its own answer, and the rest keeps being served.
// Facts: nginx 1.22.1 (large_client_header_buffers, run).
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import t from "tap";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { ConfigMaps, Ingresses, Secrets } from "../../model/resources.ts";
import { selfSignedCertificate } from "../../model/x509.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("echo");
await world.service("empty", { replicas: 0 });
await addIngress(world, ingress("good", "good.example", "echo"));
const status = async (host: string, path = "/"): Promise<number> => (await ask(world.socket(80), { host, path })).status;

await t.test("Ingresses that lead nowhere answer 503, each for itself", async (t) => {
  const to = (name: string, port: { readonly name?: string; readonly number?: number }): Ingress["spec"] => ({
    ingressClassName: "nginx",
    rules: [
      {
        host: `${name}.example`,
        http: {
          paths: [
            { path: "/", pathType: "Prefix", backend: { service: { name, port } } },
            { path: "/good", pathType: "Prefix", backend: { service: { name: "echo", port: { number: 80 } } } },
          ],
        },
      },
    ],
  });
  const rows: readonly (readonly [name: string, port: { readonly name?: string; readonly number?: number }])[] = [
    ["no-such-service", { number: 80 }],
    ["empty", { number: 80 }],
  ];
  const ports: readonly (readonly [name: string, port: { readonly name?: string; readonly number?: number }])[] = [
    ["named", { name: "no-such-port" }],
    ["numbered", { number: 81 }],
  ];
  for (const [name] of ports) await world.service(name);
  for (const [name, port] of [...rows, ...ports]) {
    await addIngress(world, { ...ingress(name, `${name}.example`, name), spec: to(name, port) });
    t.equal(await status(`${name}.example`), 503, name);
    t.equal(await status(`${name}.example`, "/good"), 200, `${name}: its other path`);
  }
  t.equal(await status("good.example"), 200);
});

await t.test("the older of two Ingresses keeps its path, also when the younger changes", async (t) => {
  await world.service("second");
  await addIngress(world, ingress("a-first", "both.example", "echo"));
  await world.clock.advance(5000);
  await addIngress(world, ingress("b-second", "both.example", "second", { "app-root": "/never" }));
  const server = async (): Promise<unknown> => (await ask(world.socket(80), { host: "both.example" })).headers["x-service"];
  t.equal(await server(), "echo");
  await world.store.mutate(Ingresses, "default", "b-second", (edited) => void (edited.metadata.annotations = {}));
  await world.settle();
  t.equal(await server(), "echo");
  await world.store.delete(Ingresses, "default", "a-first");
  await world.settle();
  t.equal(await server(), "second", "and leaves it to the younger");
});

await t.test("Secrets that are missing, hold garbage, or belong to others: the fake certificate, and 200", async (t) => {
  const pair = (name: string): ReturnType<typeof selfSignedCertificate> =>
    selfSignedCertificate({ commonName: name, organizations: [], dnsNames: [name], usages: ["server"], days: 1, now: Date.now() });
  const [right, other] = [pair("tls.example"), pair("other.example")];
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const rows: readonly (readonly [name: string, data: Readonly<Record<string, string>> | undefined, subject: RegExp])[] = [
    ["missing", undefined, /Fake/],
    ["garbage", { "tls.crt": "not base64 at all", "tls.key": "" }, /Fake/],
    ["no-pem", { "tls.crt": base64("hello"), "tls.key": base64("hello") }, /Fake/],
    ["another-key", { "tls.crt": base64(right.cert), "tls.key": base64(other.key) }, /Fake/],
    ["another-name", { "tls.crt": base64(other.cert), "tls.key": base64(other.key) }, /Fake/],
    ["no-key", { "tls.crt": base64(right.cert) }, /Fake/],
    ["right", { "tls.crt": base64(right.cert), "tls.key": base64(right.key) }, /^tls\.example$/],
  ];
  await addIngress(world, {
    ...ingress("tls", "tls.example", "echo"),
    spec: { ...ingress("tls", "tls.example", "echo").spec, tls: [{ hosts: ["tls.example"], secretName: "it" }] },
  });
  for (const [name, data, subject] of rows) {
    if (world.store.get(Secrets, "default", "it")) await world.store.delete(Secrets, "default", "it");
    if (data)
      await world.create(Secrets, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { namespace: "default", name: "it" },
        type: "Opaque",
        data,
      });
    await world.settle();
    const got = await ask(world.socket(443), { scheme: "https", host: "tls.example", sni: "tls.example" });
    t.equal(got.status, 200, name);
    t.match(String(got.certificate?.subject.CN), subject, name);
  }
});

await t.test("regular expressions that do not compile, or explode, cost their own requests only", async (t) => {
  const regex = { "use-regex": "true" };
  await addIngress(
    world,
    ingress("open", "open.example", "echo", regex, "/a(", "ImplementationSpecific"),
    ingress("slow", "slow.example", "echo", regex, "/(x+x+)+y", "ImplementationSpecific"),
    ingress("slow-rewrite", "rewrite.example", "echo", { "rewrite-target": "/$1" }, "/((x+x+)+)y", "ImplementationSpecific"),
    ingress("slow-agent", "canary.example", "echo"),
  );
  const hostile = `/${"x".repeat(500)}`;
  const slow = Array.from({ length: 20 }, (_, i) => status(i % 2 === 0 ? "slow.example" : "rewrite.example", hostile));
  const good = Array.from({ length: 20 }, () => status("good.example"));
  t.strictSame(new Set(await Promise.all(good)), new Set([200]));
  t.strictSame(new Set(await Promise.all(slow)), new Set([500]));
  t.equal(await status("slow.example", "/xxy"), 200);
  t.not(await status("open.example", "/a("), 200);
});

await t.test("heads: as long as nginx's buffers, and no longer", async (t) => {
  await world.service("large", { server: () => createServer({ maxHeaderSize: 100_000 }, (_, response) => void response.end("ok")) });
  await addIngress(world, ingress("large", "large.example", "large"));
  const header = (bytes: number): string =>
    `GET / HTTP/1.1\r\nHost: large.example\r\nConnection: close\r\nX: ${"a".repeat(bytes - 5)}\r\n\r\n`;
  const line = (bytes: number): string => `GET /${"a".repeat(bytes - 16)} HTTP/1.1\r\nHost: large.example\r\nConnection: close\r\n\r\n`;
  const several = (count: number): string =>
    `GET / HTTP/1.1\r\nHost: large.example\r\nConnection: close\r\n${Array.from({ length: count }, (_, i) => `X${i}: ${"a".repeat(7000)}\r\n`).join("")}\r\n`;
  const rows: readonly (readonly [name: string, bytes: string, expected: RegExp])[] = [
    ["a header line of 8,192 bytes", header(8192), /^HTTP\/1\.1 200 /],
    ["a header line of 8,193 bytes", header(8193), /^HTTP\/1\.1 400 [\s\S]*Request Header Or Cookie Too Large/],
    ["a header line of 16 kB", header(16_384), /^HTTP\/1\.1 400 [\s\S]*Request Header Or Cookie Too Large/],
    ["a request line of 8,192 bytes", line(8192), /^HTTP\/1\.1 200 /],
    ["a request line of 8,193 bytes", line(8193), /^HTTP\/1\.1 414 [\s\S]*Request-URI Too Large/],
    ["four lines of 7 kB", several(4), /^HTTP\/1\.1 200 /],
    ["five lines of 7 kB", several(5), /^HTTP\/1\.1 400 [\s\S]*Request Header Or Cookie Too Large/],
  ];
  for (const [name, bytes, expected] of rows) t.match(await raw(world.socket(80), bytes), expected, name);
  const config = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
  } as const;
  await world.create(ConfigMaps, { ...config, data: { "large-client-header-buffers": "4 16k" } });
  await world.settle();
  t.match(await raw(world.socket(80), header(16_384)), /^HTTP\/1\.1 200 /, "large-client-header-buffers");
  await world.store.delete(ConfigMaps, "ingress-nginx", "ingress-nginx-controller");
  await world.settle();
});

await t.test("500 clients that send a byte now and then keep nobody from being served", async (t) => {
  const at = world.socket(80);
  const slow = await Promise.all(
    Array.from({ length: 500 }, async () => {
      const socket = connect(at.port, at.ip).on("error", () => {});
      await once(socket, "connect");
      socket.write("GET / HTTP/1.1\r\nHost: good.example\r\nX: ");
      return socket;
    }),
  );
  for (let round = 0; round < 10; round++) {
    for (const socket of slow) socket.write("a");
    t.equal(await status("good.example"), 200);
  }
  for (const socket of slow) socket.destroy();
  await until(() => harness.fabric.flows.where(({ destination }) => destination.ip === world.ip).length === 0);
});

await t.test("1,000 Ingresses change at once while requests go on", async (t) => {
  const names = Array.from({ length: 1000 }, (_, i) => `many-${i}`);
  for (const name of names) await world.create(Ingresses, ingress(name, `${name}.example`, "echo"));
  await world.settle();
  const statuses = new Map<number, number>();
  let going = true;
  const clients = Array.from({ length: 4 }, async () => {
    while (going) {
      const got = await status("good.example");
      statuses.set(got, (statuses.get(got) ?? 0) + 1);
    }
  });
  for (const name of names)
    await world.store.mutate(Ingresses, "default", name, (edited) => {
      edited.metadata.annotations = { "nginx.ingress.kubernetes.io/permanent-redirect": "https://elsewhere.example" };
    });
  await world.settle();
  t.equal(await status("many-0.example"), 301, "the first is live");
  t.equal(await status("many-999.example"), 301, "the last is live");
  for (const name of names) await world.store.delete(Ingresses, "default", name);
  await world.settle();
  going = false;
  await Promise.all(clients);
  t.equal(await status("many-500.example"), 404);
  t.strictSame([...statuses.keys()], [200], "nobody else noticed");
});
