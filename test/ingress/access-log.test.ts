// The access log on the controller's stdout: its default line, who is in it, formats, escapes, and lists over tries.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
const http =
  (handler: (request: IncomingMessage, response: ServerResponse) => void): (() => Server) =>
  () =>
    createServer(handler);

/** The lines of requests so far; a line is written when its connection is done with it. */
const lines = (world: World): readonly string[] =>
  world.log
    .join("")
    .split("\n")
    .filter((line) => line !== "" && !/^(?:-{79}$| {2}[A-Zn]|NGINX Ingress controller|[IW]\d{4} )/.test(line));

async function logged(world: World, count: number): Promise<readonly string[]> {
  await until(() => lines(world).length >= count);
  return lines(world);
}

const config = (world: World, data: Readonly<Record<string, string>>): Promise<unknown> =>
  world.store.update(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
    data,
  });

await t.test("the default line (docs log-format.md), over answers, errors and tries", async (t) => {
  await using world = await harness.start({ config: { "disable-access-log": "false" } });
  await world.service("web", { server: http((request, response) => request.resume().once("end", () => response.end("hello"))) });
  await world.service("chunked", { server: http((_, response) => (response.write("abc"), response.end("de"))) });
  await world.service("none", { replicas: 0 });
  await world.service("refusing", { replicas: 2, closed: true });
  await addIngress(
    world,
    ingress("web", "web.example", "web"),
    ingress("chunked", "chunked.example", "chunked"),
    ingress("none", "none.example", "none"),
    ingress("refusing", "refusing.example", "refusing"),
    ingress("moved", "moved.example", "web", { "permanent-redirect": "https://elsewhere.example" }),
  );
  const at = world.socket(80);
  const head = (method: string, target: string, host: string, more = ""): string =>
    `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nX-Request-ID: abc\r\nConnection: close\r\n${more}\r\n`;
  const pod = `${world.podIp("web")}:80`;
  const rows: readonly (readonly [bytes: string, line: string])[] = [
    [
      head("GET", "/a?b=1", "web.example", "User-Agent: curl/8\r\nReferer: http://x/\r\n"),
      `127.0.0.1 - - [TIME] "GET /a?b=1 HTTP/1.1" 200 5 "http://x/" "curl/8" LEN SEC [default-web-80] [] ${pod} 5 SEC 200 abc`,
    ],
    [
      `${head("POST", "/", "web.example", "Content-Length: 3\r\n")}xyz`,
      `127.0.0.1 - - [TIME] "POST / HTTP/1.1" 200 5 "-" "-" LEN SEC [default-web-80] [] ${pod} 5 SEC 200 abc`,
    ],
    [
      head("HEAD", "/", "web.example"),
      `127.0.0.1 - - [TIME] "HEAD / HTTP/1.1" 200 0 "-" "-" LEN SEC [default-web-80] [] ${pod} 0 SEC 200 abc`,
    ],
    [
      head("GET", "/", "chunked.example"),
      // 3 CRLF abc CRLF, 2 CRLF de CRLF, 0 CRLF CRLF
      `127.0.0.1 - - [TIME] "GET / HTTP/1.1" 200 20 "-" "-" LEN SEC [default-chunked-80] [] ${world.podIp("chunked")}:80 20 SEC 200 abc`,
    ],
    [head("GET", "/", "none.example"), `127.0.0.1 - - [TIME] "GET / HTTP/1.1" 503 190 "-" "-" LEN SEC [default-none-80] [] - - - - abc`],
    [head("GET", "/", "moved.example"), `127.0.0.1 - - [TIME] "GET / HTTP/1.1" 301 162 "-" "-" LEN SEC [default-web-80] [] - - - - abc`],
    [
      head("GET", "/", "refusing.example"),
      `127.0.0.1 - - [TIME] "GET / HTTP/1.1" 502 150 "-" "-" LEN SEC [default-refusing-80] [] PODS 0, 0, 0 SEC, SEC, SEC 502, 502, 502 abc`,
    ],
    ["GET / HTTP/1.1\r\n\r\n", `127.0.0.1 - - [TIME] "GET / HTTP/1.1" 400 150 "-" "-" LEN SEC [] [] - - - - -`],
  ];
  for (const [bytes, line] of rows) {
    const before = lines(world).length;
    await raw(at, bytes);
    const [written = ""] = (await logged(world, before + 1)).slice(before);
    const shown = written
      .replace(/\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\]/, "[TIME]")
      .replace(/(?<= )\d\.\d{3}(?=,| )/g, "SEC")
      .replace(/127\.\d+\.\d+\.\d+:80(?:, 127\.\d+\.\d+\.\d+:80){2}/, "PODS");
    t.equal(shown, line.replace("LEN", String(bytes.length)));
  }
});

await t.test("who is in it: the switches of the ConfigMap and the annotation", async (t) => {
  await using world = await harness.start({ config: {} });
  await world.service("web");
  await addIngress(
    world,
    ingress("web", "web.example", "web"),
    ingress("loud", "loud.example", "web", { "enable-access-log": "true" }),
    ingress("silent", "silent.example", "web", { "enable-access-log": "false" }),
  );
  const format = { "log-format-upstream": "$http_host$request_uri" };
  const asked = ["web.example/", "loud.example/", "silent.example/", "unknown.example/", "web.example/Health", "web.example/health/x"];
  const rows: readonly (readonly [data: Readonly<Record<string, string>>, inLog: readonly string[]])[] = [
    [{}, ["loud.example/"]],
    [{ "disable-access-log": "false" }, ["web.example/", "loud.example/", "web.example/Health", "web.example/health/x"]],
    [format, ["web.example/", "loud.example/", "web.example/Health", "web.example/health/x"]],
    [{ ...format, "disable-access-log": "true" }, []],
    [{ ...format, "disable-http-access-log": "true" }, []],
    [{ ...format, "skip-access-log-urls": "/health,~*^/health/" }, ["web.example/", "loud.example/"]],
    [
      { ...format, "enable-access-log-for-default-backend": "true" },
      ["web.example/", "loud.example/", "unknown.example/", "web.example/Health", "web.example/health/x"],
    ],
  ];
  for (const [data, inLog] of rows) {
    await config(world, data);
    await world.settle();
    const before = lines(world).length;
    for (const url of asked) {
      const [host = ""] = url.split("/");
      await ask(world.socket(80), { host, path: url.slice(host.length) });
    }
    const written = (await logged(world, before + inLog.length)).slice(before);
    t.strictSame(
      written.map((line) => /"GET (\S+)/.exec(line)?.[1] ?? line),
      "log-format-upstream" in data ? inLog : inLog.map((url) => url.slice(url.indexOf("/"))),
      JSON.stringify(data),
    );
  }
});

await t.test("formats and escapes (e2e settings/log-format.go)", async (t) => {
  await using world = await harness.start({ config: {} });
  await world.service("web", {
    server: http((_, response) => response.writeHead(200, { "x-pod": "one", "content-length": 2 }).end("ok")),
  });
  await addIngress(world, ingress("web", "web.example", "web", {}, "/shop"));
  const rows: readonly (readonly [format: string, data: Readonly<Record<string, string>>, line: string])[] = [
    ['{"a":"$http_a","b":"$http_b"}', {}, '{"a":"say \\x22h\\xE9\\x22","b":"-"}'],
    ['{"a":"$http_a","b":"$http_b"}', { "log-format-escape-json": "true" }, '{"a":"say \\"h\u00e9\\"","b":""}'],
    ['{"a":"$http_a","b":"$http_b"}', { "log-format-escape-none": "true" }, '{"a":"say "h\u00e9"","b":""}'],
    ["$namespace/$ingress_name $service_name:$service_port ${location_path} $uri $args", {}, "default/web web:80 /shop /shop/x y=1"],
    ["$sent_http_x_pod $upstream_http_x_pod $upstream_http_nothing $bytes_sent", {}, "one one - BYTES"],
    ["$upstream_connect_time $upstream_header_time $upstream_response_time", {}, "SEC SEC SEC"],
    ["$server_protocol $scheme $request_method $remote_user $nonsense", {}, "HTTP/1.1 http GET - -"],
  ];
  for (const [format, data, line] of rows) {
    await config(world, { ...data, "log-format-upstream": format });
    await world.settle();
    const before = lines(world).length;
    const answer = await ask(world.socket(80), { host: "web.example", path: "/shop/x?y=1", headers: { a: 'say "h\u00e9"' } });
    const size = 17 + answer.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0) + 2 + 2;
    const [written = ""] = (await logged(world, before + 1)).slice(before);
    t.equal(written.replace(/\d\.\d{3}/g, "SEC").replace(String(size), "BYTES"), line, format);
  }
});

await t.test("a client that leaves is 499, a canary and an error page are named, HTTP/2 and upgrades are logged", async (t) => {
  const format = "$status $upstream_status [$proxy_upstream_name] [$proxy_alternative_upstream_name] $body_bytes_sent $request";
  await using world = await harness.start({ config: { "log-format-upstream": format } });
  let waiting = 0;
  await world.service("slow", { server: http(() => waiting++) });
  await world.service("web", {
    server: () => {
      const server = createServer((_, response) => response.writeHead(404).end("no"));
      server.on("upgrade", (_, socket) => {
        socket.on("error", () => {});
        socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello");
      });
      return server;
    },
  });
  await world.service("next", { server: http((_, response) => response.end("new")) });
  await world.service("errors", { server: http((_, response) => response.writeHead(404).end("sorry")) });
  await addIngress(
    world,
    ingress("slow", "slow.example", "slow"),
    ingress("web", "web.example", "web"),
    ingress("pages", "pages.example", "web", { "custom-http-errors": "404", "default-backend": "errors" }),
    ingress("main", "main.example", "next", {}, "/x"),
  );
  await addIngress(world, ingress("canary", "web.example", "next", { canary: "true", "canary-by-header": "new" }));
  const at = world.socket(80);
  const next = async (): Promise<string> => (await logged(world, ++seen))[seen - 1] ?? "";
  let seen = 0;
  const socket = connect(at.port, at.ip);
  socket.on("error", () => {}).write("GET /gone HTTP/1.1\r\nHost: slow.example\r\n\r\n");
  await until(() => waiting === 1);
  socket.destroy();
  t.equal(await next(), "499 - [default-slow-80] [] 0 GET /gone HTTP/1.1");
  await ask(at, { host: "web.example", headers: { new: "always" } });
  t.equal(await next(), "200 200 [default-web-80] [default-next-80] 3 GET / HTTP/1.1");
  await ask(at, { host: "pages.example" });
  t.equal(await next(), "404 404 : 404 [default-web-80] [] 15 GET / HTTP/1.1");
  await raw(at, "GET /ws HTTP/1.1\r\nHost: web.example\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
  t.match(await next(), /^101 101 \[default-web-80\] \[\] \d+ GET \/ws HTTP\/1\.1$/);
  const secure = world.socket(443);
  const session = connectHttp2(`https://${secure.ip}:${secure.port}`, { rejectUnauthorized: false });
  const stream = session.request({ ":path": "/two", ":authority": "web.example" });
  await new Promise((resolve) => stream.resume().once("close", resolve));
  session.close();
  t.equal(await next(), "404 404 [default-web-80] [] 2 GET /two HTTP/2.0");
});
