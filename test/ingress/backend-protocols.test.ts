// The same annotations over each backend-protocol: what the template writes as proxy_… lines is nothing to grpc_pass and fastcgi_pass, but for
// headers of gRPC, which it sets as grpc_set_header.
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { Server } from "node:net";
import t from "tap";
import { ConfigMaps, Secrets } from "../../model/resources.ts";
import { pair } from "./case.ts";
import { ask, type Got } from "./client.ts";
import { configure } from "./configure.ts";
import { application, END, record, STDOUT } from "./fastcgi-application.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

type Protocol = "HTTPS" | "GRPC" | "FCGI";
const PROTOCOLS: readonly Protocol[] = ["HTTPS", "GRPC", "FCGI"];

const harness = await createHarness(t);
await using world = await harness.start();

/** Lines that a pod answers with, by the path that it is asked for. */
function linesFor(path: string, pod: string): Record<string, string> {
  const lines: Record<string, string> = { "x-pod": pod };
  if (path.includes("/lines"))
    Object.assign(lines, { location: "http://pod/a", "set-cookie": "a=1; Domain=pod", "x-hide": "1", "x-pad": "1" });
  if (path.includes("/large")) lines["x-large"] = "x".repeat(5000);
  return lines;
}
const statusFor = (path: string): number => (path.includes("/404") ? 404 : path.includes("/lines") ? 201 : 200);

/** Each tells its path and the headers that it sees, by their names in HTTP. */
const SERVERS: Readonly<Record<Protocol, (pod: string) => Server>> = {
  HTTPS: (pod) =>
    createHttpsServer(pair("pod.example", "server"), (request, response) => {
      const path = request.url ?? "";
      response.writeHead(statusFor(path), linesFor(path, pod)).end(JSON.stringify({ path, headers: request.headers }));
    }),
  GRPC: (pod) =>
    createHttp2Server().on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const path = headers[":path"] ?? "";
      stream.on("error", () => {});
      stream.respond({ ":status": statusFor(path), ...linesFor(path, pod) });
      stream.end(JSON.stringify({ path, headers }));
    }) as unknown as Server,
  FCGI: (pod) =>
    application(({ params, socket }) => {
      const path = params["SCRIPT_NAME"] ?? "";
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(params))
        if (name.startsWith("HTTP_")) headers[name.slice(5).toLowerCase().replaceAll("_", "-")] = value;
      const lines = Object.entries({ status: String(statusFor(path)), ...linesFor(path, pod) });
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.end(Buffer.concat([record(STDOUT, `${head}\r\n${JSON.stringify({ path, headers })}`), record(END, Buffer.alloc(8))]));
    }),
};

for (const protocol of PROTOCOLS) {
  await world.service(`pod-${protocol.toLowerCase()}`, { server: SERVERS[protocol] });
  await world.service(`next-${protocol.toLowerCase()}`, { server: SERVERS[protocol] });
}
for (const name of ["errs", "httpbun-auth"]) await world.service(name);
const configMap = (name: string, data: Readonly<Record<string, string>>): Promise<unknown> =>
  world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data });
await configMap("own-lines", { "X-Own": "ours" });
await configMap("to-pods", { "X-To-Pods": "all" });
await world.create(Secrets, {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { namespace: "default", name: "users" },
  data: { auth: Buffer.from("joe:{PLAIN}secret").toString("base64") },
});
await configure(world, {
  "hide-headers": "X-Hide",
  "proxy-set-headers": "default/to-pods",
  "global-allowed-response-headers": "X-Own",
  "annotations-risk-level": "Critical",
});

interface Answered {
  readonly status: number;
  readonly headers: Got["headers"];
  readonly service: string | undefined;
  readonly path: string | undefined;
  readonly saw: Readonly<Record<string, string>>;
}
function answered({ status, headers, body }: Got): Answered {
  const text = body.toString();
  const told = text.startsWith("{") ? (JSON.parse(text) as { path?: string; headers?: Record<string, string> }) : {};
  const pod = headers["x-pod"];
  return {
    status,
    headers,
    service: typeof pod === "string" ? pod.replace(/-\d+$/, "") : undefined,
    path: told.path,
    saw: told.headers ?? {},
  };
}

interface Row {
  readonly what: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly at?: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sees: (answer: Answered) => unknown;
  /** Of HTTPS, GRPC and FCGI in turn, or of all. */
  readonly expected: readonly [https: unknown, grpc: unknown, fcgi: unknown] | { readonly all: unknown };
}

const AUTH = "http://httpbun-auth.default.svc/response-headers?X-User=joe";
const ROWS: readonly Row[] = [
  { what: "without more", annotations: {}, sees: ({ status, path }) => [status, path], expected: { all: [200, "/x"] } },
  {
    what: "rewrite-target",
    annotations: { "rewrite-target": "/new/$1" },
    at: "/old/(.*)",
    path: "/old/x",
    sees: ({ path }) => path,
    expected: { all: "/new/x" },
  },
  {
    what: "x-forwarded-prefix",
    annotations: { "rewrite-target": "/$1", "x-forwarded-prefix": "/old" },
    at: "/old/(.*)",
    path: "/old/x",
    sees: ({ saw }) => saw["x-forwarded-prefix"],
    expected: ["/old", "/old", undefined],
  },
  {
    what: "upstream-vhost",
    annotations: { "upstream-vhost": "inner.example" },
    sees: ({ saw }) => saw["host"],
    expected: ["inner.example", "inner.example", "HOST"],
  },
  { what: "X-Forwarded-Proto", annotations: {}, sees: ({ saw }) => saw["x-forwarded-proto"], expected: ["http", "http", undefined] },
  {
    what: "X-Forwarded-Proto of the client",
    annotations: {},
    headers: { "X-Forwarded-Proto": "https" },
    sees: ({ saw }) => saw["x-forwarded-proto"],
    expected: ["http", "http", "https"],
  },
  { what: "proxy-set-headers", annotations: {}, sees: ({ saw }) => saw["x-to-pods"], expected: ["all", "all", undefined] },
  {
    what: "custom-http-errors, of the pod",
    annotations: { "custom-http-errors": "404", "default-backend": "errs" },
    path: "/404",
    sees: ({ status, headers }) => [status, headers["x-service"]],
    expected: [
      [200, "errs"],
      [404, undefined],
      [404, undefined],
    ],
  },
  {
    what: "custom-http-errors, of the controller",
    annotations: { "custom-http-errors": "403", "default-backend": "errs", "denylist-source-range": "127.0.0.0/8" },
    sees: ({ status, headers }) => [status, headers["x-service"]],
    expected: { all: [200, "errs"] },
  },
  {
    what: "disable-proxy-intercept-errors",
    annotations: { "custom-http-errors": "404", "default-backend": "errs", "disable-proxy-intercept-errors": "true" },
    path: "/404",
    sees: ({ status }) => status,
    expected: { all: 404 },
  },
  {
    what: "proxy-redirect",
    annotations: { "proxy-redirect-from": "http://pod/", "proxy-redirect-to": "http://out/" },
    path: "/lines",
    sees: ({ headers }) => headers["location"],
    expected: ["http://out/a", "http://pod/a", "http://pod/a"],
  },
  {
    what: "proxy-cookie-domain",
    annotations: { "proxy-cookie-domain": "pod out" },
    path: "/lines",
    sees: ({ headers }) => headers["set-cookie"],
    expected: [["a=1; Domain=out"], ["a=1; Domain=pod"], ["a=1; Domain=pod"]],
  },
  { what: "hide-headers", annotations: {}, path: "/lines", sees: ({ headers }) => headers["x-hide"], expected: [undefined, "1", "1"] },
  { what: "X-Pad", annotations: {}, path: "/lines", sees: ({ headers }) => headers["x-pad"], expected: [undefined, "1", "1"] },
  { what: "a large head", annotations: {}, path: "/large", sees: ({ status }) => status, expected: { all: 502 } },
  {
    what: "a large head, proxy-buffer-size",
    annotations: { "proxy-buffer-size": "8k" },
    path: "/large",
    sees: ({ status }) => status,
    expected: [200, 502, 502],
  },
  {
    what: "enable-cors",
    annotations: { "enable-cors": "true" },
    sees: ({ status, headers }) => [status, headers["access-control-allow-origin"]],
    expected: { all: [200, "*"] },
  },
  {
    what: "a preflight",
    annotations: { "enable-cors": "true" },
    method: "OPTIONS",
    sees: ({ status, service }) => [status, service],
    expected: { all: [204, undefined] },
  },
  {
    what: "custom-headers",
    annotations: { "custom-headers": "default/own-lines" },
    sees: ({ headers }) => headers["x-own"],
    expected: { all: "ours" },
  },
  {
    what: "auth-url and its headers",
    annotations: { "auth-url": AUTH, "auth-response-headers": "X-User" },
    sees: ({ status, saw }) => [status, saw["x-user"]],
    expected: [
      [200, "joe"],
      [200, "joe"],
      [200, undefined],
    ],
  },
  {
    what: "auth-url that refuses",
    annotations: { "auth-url": "http://httpbun-auth.default.svc/status/401" },
    sees: ({ status }) => status,
    expected: { all: 401 },
  },
  {
    what: "auth-signin",
    annotations: { "auth-url": "http://httpbun-auth.default.svc/status/401", "auth-signin": "http://in.example/" },
    sees: ({ status }) => status,
    expected: { all: 302 },
  },
  {
    what: "basic auth takes Authorization away",
    annotations: { "auth-type": "basic", "auth-secret": "users" },
    headers: { Authorization: `Basic ${Buffer.from("joe:secret").toString("base64")}` },
    sees: ({ status, saw }) => [status, saw["authorization"] === undefined],
    expected: [
      [200, true],
      [200, true],
      [200, false],
    ],
  },
  {
    what: "affinity",
    annotations: { affinity: "cookie", "session-cookie-name": "stick" },
    sees: ({ headers }) => headers["set-cookie"]?.[0]?.startsWith("stick="),
    expected: { all: true },
  },
  {
    what: "proxy-body-size",
    annotations: { "proxy-body-size": "3" },
    method: "POST",
    body: "hello",
    sees: ({ status, service }) => [status, service],
    expected: { all: [413, undefined] },
  },
  {
    what: "permanent-redirect",
    annotations: { "permanent-redirect": "http://x/" },
    sees: ({ status, headers }) => [status, headers["location"]],
    expected: { all: [301, "http://x/"] },
  },
  { what: "force-ssl-redirect", annotations: { "force-ssl-redirect": "true" }, sees: ({ status }) => status, expected: { all: 308 } },
  {
    what: "limit-whitelist and allowlist",
    annotations: { "allowlist-source-range": "10.0.0.0/8" },
    sees: ({ status }) => status,
    expected: { all: 403 },
  },
];

let made = 0;
for (const { what, annotations, path = "/x", at = "/", method, body, headers, sees, expected } of ROWS) {
  await t.test(what, async (t) => {
    for (const [i, protocol] of PROTOCOLS.entries()) {
      const host = `host-${made++}.example`;
      const service = `pod-${protocol.toLowerCase()}`;
      const named = { "backend-protocol": protocol, ...annotations };
      await addIngress(world, ingress(host.replace(".", "-"), host, service, named, at, at === "/" ? "Prefix" : "ImplementationSpecific"));
      const asked = { host, path, ...(method ? { method } : {}), ...(body ? { body } : {}), ...(headers ? { headers } : {}) };
      const got = sees(answered(await ask(world.socket(80), asked)));
      const wanted = "all" in expected ? expected.all : expected[i];
      t.strictSame(got, wanted === "HOST" ? host : wanted, protocol);
    }
  });
}

await t.test("canary: its pods are spoken to as the location says", async (t) => {
  for (const protocol of PROTOCOLS) {
    const host = `canary-${protocol.toLowerCase()}.example`;
    const names = { "backend-protocol": protocol };
    const canary = { ...names, canary: "true", "canary-by-header": "x-new" };
    await addIngress(world, ingress(`main-${protocol.toLowerCase()}`, host, `pod-${protocol.toLowerCase()}`, names));
    await addIngress(world, ingress(`new-${protocol.toLowerCase()}`, host, `next-${protocol.toLowerCase()}`, canary));
    const to = async (value: string): Promise<unknown> =>
      answered(await ask(world.socket(80), { host, headers: { "x-new": value } })).service;
    t.strictSame([await to("always"), await to("never")], [`next-${protocol.toLowerCase()}`, `pod-${protocol.toLowerCase()}`], protocol);
  }
});

await t.test("grpc-buffer-size-kb is gRPC's own", async (t) => {
  await configure(world, { "grpc-buffer-size-kb": "8" });
  await addIngress(world, ingress("roomy", "roomy.example", "pod-grpc", { "backend-protocol": "GRPC" }));
  t.equal((await ask(world.socket(80), { host: "roomy.example", path: "/large" })).status, 200);
});

await t.test("AUTO_HTTP: as the client comes", async (t) => {
  await world.service("plain");
  await addIngress(
    world,
    ingress("auto-tls", "auto-tls.example", "pod-https", { "backend-protocol": "AUTO_HTTP" }),
    ingress("auto-plain", "auto-plain.example", "plain", { "backend-protocol": "auto_http" }),
  );
  const status = async (port: number, host: string): Promise<number> =>
    (await ask(world.socket(port), { host, scheme: port === 443 ? "https" : "http" })).status;
  t.strictSame([await status(443, "auto-tls.example"), await status(80, "auto-plain.example")], [200, 200]);
  t.not(await status(80, "auto-tls.example"), 200);
  t.equal(await status(443, "auto-plain.example"), 502);
});
