// custom-http-errors and default-backend beyond upstream's own tests: which statuses, whoever answers them, and who answers instead
// (error_page of nginx.tmpl; controller.go getBackendServers).
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:http2";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { ask, type Asked } from "./client.ts";
import { createHarness } from "./harness.ts";
import { configure } from "./configure.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);

interface Row {
  readonly what: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly asked?: Asked;
  readonly status: number;
  /** Service that answers; undefined: the controller. */
  readonly by?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const ERRORS = { "default-backend": "errors" };
const NOT_FOUND = { path: "/status/404" };

const ROWS: readonly Row[] = [
  {
    what: "a pod's answer",
    annotations: { "custom-http-errors": "404", ...ERRORS },
    asked: NOT_FOUND,
    status: 200,
    by: "errors",
    code: "404",
  },
  {
    what: "a pod that refuses",
    annotations: { "custom-http-errors": "502", ...ERRORS },
    service: "closed",
    status: 200,
    by: "errors",
    code: "502",
  },
  {
    what: "a pod that refuses, and another status",
    annotations: { "custom-http-errors": "503", ...ERRORS },
    service: "closed",
    status: 502,
  },
  {
    what: "a body that is too large",
    annotations: { "custom-http-errors": "413", "proxy-body-size": "1", ...ERRORS },
    asked: { method: "POST", body: "long" },
    status: 200,
    by: "errors",
    code: "413",
  },
  {
    what: "no access",
    annotations: { "custom-http-errors": "403", "whitelist-source-range": "10.0.0.0/8", ...ERRORS },
    status: 200,
    by: "errors",
    code: "403",
  },
  {
    what: "without the annotation's Service the controller's default backend answers",
    annotations: { "custom-http-errors": "404" },
    asked: NOT_FOUND,
    status: 200,
    by: "fallback",
    code: "404",
  },
  {
    what: "also when that has no endpoint",
    annotations: { "custom-http-errors": "404", "default-backend": "unavailable" },
    asked: NOT_FOUND,
    status: 200,
    by: "fallback",
    code: "404",
  },
  {
    what: "statuses of the ConfigMap are for the controller's default backend",
    config: { "custom-http-errors": "404" },
    annotations: ERRORS,
    asked: NOT_FOUND,
    status: 200,
    by: "fallback",
    code: "404",
  },
  {
    what: "an Ingress with statuses of its own has none of the ConfigMap's",
    config: { "custom-http-errors": "404" },
    annotations: { "custom-http-errors": "503", ...ERRORS },
    asked: NOT_FOUND,
    status: 404,
    by: "httpbun",
  },
  {
    what: "the annotation does not switch off what the ConfigMap asks for",
    config: { "custom-http-errors": "404" },
    annotations: { "disable-proxy-intercept-errors": "true" },
    asked: NOT_FOUND,
    status: 200,
    by: "fallback",
    code: "404",
  },
  {
    what: "a denied location has no statuses of its own",
    annotations: { "custom-http-errors": "503", "auth-type": "basic", ...ERRORS },
    status: 503,
  },
  {
    what: "a denied location has the ConfigMap's",
    config: { "custom-http-errors": "503" },
    annotations: { "custom-http-errors": "404", "auth-type": "basic", ...ERRORS },
    status: 200,
    by: "fallback",
    code: "503",
  },
  {
    what: "a denied location takes bodies of 1 MB",
    annotations: { "proxy-body-size": "8m", "auth-type": "basic" },
    asked: { method: "POST", body: Buffer.alloc(1_048_577) },
    status: 413,
  },
  {
    what: "block-user-agents is the server's: no location's statuses, no HSTS",
    config: { "block-user-agents": "bad" },
    annotations: { "custom-http-errors": "403", ...ERRORS },
    asked: { scheme: "https", headers: { "User-Agent": "bad" } },
    status: 403,
    headers: { "strict-transport-security": undefined },
  },
  {
    what: "block-user-agents, with the ConfigMap's statuses",
    config: { "block-user-agents": "bad", "custom-http-errors": "403" },
    annotations: { "custom-http-errors": "404", ...ERRORS },
    asked: { headers: { "User-Agent": "bad" } },
    status: 200,
    by: "fallback",
    code: "403",
  },
  {
    what: "the error's page is a location of its own: no HSTS, no CORS, no custom-headers",
    config: { "global-allowed-response-headers": "X-Custom" },
    annotations: { "custom-http-errors": "404", "enable-cors": "true", "custom-headers": "default/custom", ...ERRORS },
    asked: { ...NOT_FOUND, scheme: "https" },
    status: 200,
    by: "errors",
    headers: { "strict-transport-security": undefined, "access-control-allow-origin": undefined, "x-custom": undefined },
  },
];

for (const { what, annotations, config = {}, service = "httpbun", asked, status, by, code, headers = {} } of ROWS)
  await t.test(what, async (t) => {
    await using world = await harness.start({ config, flags: ["--default-backend-service=default/fallback"] });
    for (const name of ["httpbun", "errors", "fallback"]) await world.service(name);
    await world.service("unavailable", { replicas: 0 });
    await world.service("closed", { closed: true });
    await world.create(ConfigMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "default", name: "custom" },
      data: { "X-Custom": "1" },
    });
    await addIngress(world, ingress("a", "a.example", service, annotations));
    const answer = await ask(world.socket(asked?.scheme === "https" ? 443 : 80), { host: "a.example", ...asked });
    t.equal(answer.status, status);
    t.equal(answer.headers["x-service"], by);
    if (code !== undefined) t.equal(JSON.parse(answer.body.toString()).headers["x-code"], code);
    for (const [name, value] of Object.entries(headers)) t.equal(answer.headers[name], value, name);
  });

await t.test("the request for an error's page: HTTP/1.0 with the body, also of one that no pod has got", async (t) => {
  await using world = await harness.start();
  const seen: string[] = [];
  const failing = createServer((request, response) => request.resume().on("end", () => response.writeHead(500).end()));
  const errors = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, httpVersion, headers } = request;
      const text = [headers.connection, headers["content-length"], headers["x-scheme"], headers["x-real-ip"]].join(" ");
      seen.push(`${method} ${url} HTTP/${httpVersion} ${text} ${Buffer.concat(chunks).toString()}`);
      response.end("page");
    });
  });
  await world.service("failing", { server: () => failing });
  await world.service("errors", { server: () => errors });
  const common = { "custom-http-errors": "403,500", ...ERRORS };
  await addIngress(
    world,
    ingress("fails", "fails.example", "failing", common),
    ingress("denies", "denies.example", "failing", { ...common, "whitelist-source-range": "10.0.0.0/8" }),
  );
  const asked = { method: "POST", path: "/x", body: "hello", headers: { Connection: "keep-alive", "X-Scheme": "mine" } } as const;
  const intercepted = await ask(world.socket(80), { host: "fails.example", ...asked });
  t.equal(intercepted.headers["connection"], "close", "as after nginx's own page of 500");
  await ask(world.socket(80), { host: "denies.example", ...asked });
  const at = world.socket(443);
  const client = connect(`https://${at.ip}:${at.port}`, { rejectUnauthorized: false });
  const over2 = { ":authority": "fails.example", ":path": "/x", ":method": "POST", "content-length": "5", "x-scheme": "mine" };
  const stream = client.request(over2);
  stream.resume().end("hello");
  await once(stream, "close");
  client.close();
  t.strictSame(seen, Array.from({ length: 3 }).fill("POST / HTTP/1.0 close 5 mine  hello"));
});

await t.test("proxy-next-upstream is not for gRPC: grpc_next_upstream is nginx's own", async (t) => {
  await using world = await harness.start();
  await world.service("closed", { replicas: 2, closed: true });
  const grpc = { "backend-protocol": "GRPC", "proxy-next-upstream": "off" };
  await addIngress(
    world,
    ingress("grpc", "grpc.example", "closed", grpc),
    ingress("http", "http.example", "closed", { ...grpc, "backend-protocol": "HTTP" }),
  );
  await configure(world, { "log-format-upstream": "$host $upstream_addr", "disable-access-log": "false" });
  for (const host of ["grpc.example", "http.example"]) t.equal((await ask(world.socket(80), { host })).status, 502);
  const tries = (host: string): number =>
    world.log
      .join("")
      .split("\n")
      .find((line) => line.startsWith(host))
      ?.split(", ").length ?? 0;
  await until(() => tries("http.example") > 0);
  t.equal(tries("http.example"), 1);
  t.ok(tries("grpc.example") > 3, "without an end, here after some");
});

await t.test("pods of the controller's default backend take turns, whatever holds for the Service whose error it is", async (t) => {
  await using world = await harness.start({
    config: { "custom-http-errors": "404" },
    flags: ["--default-backend-service=default/fallback"],
  });
  await world.service("httpbun");
  await world.service("fallback", { replicas: 2 });
  const more = { affinity: "cookie", "session-cookie-name": "route" };
  await addIngress(world, ingress("sticky", "sticky.example", "httpbun", more));
  const first = await ask(world.socket(80), { host: "sticky.example", ...NOT_FOUND });
  t.equal(first.headers["set-cookie"]?.length, 1, "the pod's cookie stays");
  const headers = { Cookie: String(first.headers["set-cookie"]).split(";")[0] ?? "" };
  const pods = new Set<unknown>();
  for (let i = 0; i < 4; i++) pods.add((await ask(world.socket(80), { host: "sticky.example", ...NOT_FOUND, headers })).headers["x-pod"]);
  t.strictSame(pods, new Set(["fallback-0", "fallback-1"]));
});

await t.test("proxy-next-upstream of the location is not for the error's Service", async (t) => {
  await using world = await harness.start();
  await world.service("httpbun");
  const failing = (pod: string): Server =>
    createServer((request, response) => (pod === "pages-0" ? request.socket.destroy() : response.end("page")));
  await world.service("pages", { replicas: 2, server: failing });
  const more = { "custom-http-errors": "404", "default-backend": "pages", "proxy-next-upstream": "off" };
  await addIngress(world, ingress("next", "next.example", "httpbun", more));
  for (let i = 0; i < 2; i++) t.equal((await ask(world.socket(80), { host: "next.example", ...NOT_FOUND })).body.toString(), "page");
});
