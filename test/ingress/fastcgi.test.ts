// backend-protocol FCGI: what a FastCGI application is told, and what becomes of its answers (ngx_http_fastcgi_module, fastcgi/main.go).
import { connect, type Server } from "node:net";
import t from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { ask, type Asked, type Got } from "./client.ts";
import { application as anyApplication, END, record, type Seen, STDERR, STDOUT } from "./fastcgi-application.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, until } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

const seen: Seen[] = [];

/** Of which everything is kept. */
const application = (answer: (seen: Seen) => void) => (): Server =>
  anyApplication((request) => {
    seen.push(request);
    answer(request);
  });

const says =
  (text: string, status = ""): ((seen: Seen) => void) =>
  ({ socket }) =>
    void socket.end(Buffer.concat([record(STDOUT, `${status}Content-Type: text/plain\r\n\r\n${text}`), record(END, Buffer.alloc(8))]));

const FCGI = { "backend-protocol": "FCGI" };
const get = (host: string, more: Partial<Asked> = {}): Promise<Got> => ask(world.socket(80), { host, ...more });

await t.test("hello", async (t) => {
  await world.service("hello", { server: application(says("Hello world!")) });
  await addIngress(world, ingress("hello", "hello.example", "hello", FCGI, "/hello"));
  const answer = await get("hello.example", { path: "/hello" });
  t.strictSame([answer.status, answer.body.toString(), answer.headers["content-type"]], [200, "Hello world!", "text/plain"]);
});

await t.test("what the application is told", async (t) => {
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: "params" },
    data: { SCRIPT_FILENAME: "/app$fastcgi_script_name", MODE: "$request_method-$scheme", HTTP_X_OWN: "ours" },
  });
  const more = { "fastcgi-index": "index.php", "fastcgi-params-configmap": "params" };
  await addIngress(world, ingress("told", "told.example", "hello", { ...FCGI, ...more }));
  const headers = { "X-Own": "theirs", "X-Two": "2", X_Under: "1", "X-Forwarded-For": "1.2.3.4", "Content-Type": "text/a" };
  await get("told.example", { method: "POST", path: "/a%20b/?x=1&y=2", headers, body: "z".repeat(70_000) });
  const { params = {}, body = "" } = seen.at(-1) ?? {};
  t.equal(body.length, 70_000, "a body over several records");
  t.match(params, {
    QUERY_STRING: "x=1&y=2",
    REQUEST_METHOD: "POST",
    CONTENT_TYPE: "text/a",
    CONTENT_LENGTH: "70000",
    SCRIPT_NAME: "/a b/index.php",
    SCRIPT_FILENAME: "/app/a b/index.php",
    DOCUMENT_URI: "/a b/",
    REQUEST_URI: "/a%20b/?x=1&y=2",
    SERVER_PROTOCOL: "HTTP/1.1",
    REQUEST_SCHEME: "http",
    GATEWAY_INTERFACE: "CGI/1.1",
    REMOTE_ADDR: "127.0.0.1",
    SERVER_NAME: "told.example",
    REDIRECT_STATUS: "200",
    MODE: "POST-http",
    HTTP_HOST: "told.example",
    HTTP_X_OWN: "ours",
    HTTP_X_TWO: "2",
    HTTP_X_FORWARDED_FOR: "1.2.3.4",
  });
  for (const name of ["HTTP_X_UNDER", "HTTP_X_REAL_IP", "HTTP_X_REQUEST_ID", "HTTPS"]) t.equal(params[name], undefined, name);
  await addIngress(world, ingress("rewritten", "rewritten.example", "hello", { ...FCGI, "rewrite-target": "/new/$1" }, "/old/(.*)"));
  await get("rewritten.example", { path: "/old/x?y=1" });
  t.match(seen.at(-1)?.params, { SCRIPT_NAME: "/new/x", REQUEST_URI: "/old/x?y=1", QUERY_STRING: "y=1" });
});

await t.test("answers", async (t) => {
  const cut =
    (text: string): ((seen: Seen) => void) =>
    ({ socket }) =>
      void socket.end(record(STDOUT, text));
  const rows: readonly (readonly [what: string, answer: (seen: Seen) => void, status: number, body?: string | RegExp])[] = [
    ["a status", says("no", "Status: 404 Not Found\r\n"), 404, "no"],
    ["a status without words", says("no", "Status: 503\r\n"), 503, "no"],
    ["a redirect needs none", says("", "Location: /x\r\n"), 302, ""],
    [
      "pieces, errors beside them, lines that end in LF",
      ({ socket }) => {
        for (const bytes of Buffer.concat([
          record(STDERR, "PHP message"),
          record(STDOUT, "X-A: 1\nX-"),
          record(STDOUT, "B: 2\n"),
          record(STDOUT, "\nab"),
          record(STDOUT, "cd"),
          record(END, Buffer.alloc(8)),
        ]))
          socket.write(Buffer.from([bytes]));
        socket.end();
      },
      200,
      "abcd",
    ],
    ["a length that is exceeded", says("abcdef", "Content-Length: 3\r\n"), 200, "abc"],
    ["no head", ({ socket }) => void socket.end(record(END, Buffer.alloc(8))), 502],
    ["half a head", cut("X-A: 1\r\n"), 502],
    ["no header line", cut("hello\r\n\r\n"), 502],
    ["no FastCGI", ({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\n"), 502],
    ["a head over the buffer", says("x", `X-Long: ${"a".repeat(9000)}\r\n`), 502],
  ];
  for (const [i, [what, answer, status, body]] of rows.entries()) {
    const name = `answer-${i}`;
    await world.service(name, { server: application(answer) });
    await addIngress(world, ingress(name, `${name}.example`, name, FCGI));
    const got = await get(`${name}.example`);
    t.equal(got.status, status, what);
    if (body !== undefined) t.match(got.body.toString(), body, what);
  }
});

await t.test("a client that leaves is told to the application; custom-http-errors leave its errors alone", async (t) => {
  let left = false;
  await world.service("slow", { server: application(({ socket }) => void socket.once("close", () => (left = true))) });
  await addIngress(world, ingress("slow", "slow.example", "slow", FCGI));
  const before = seen.length;
  const client = connect(world.socket(80).port, world.socket(80).ip);
  client.write("GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n");
  await until(() => seen.length > before);
  client.destroy();
  await until(() => left);
  t.ok(left);
  await world.service("failing", { server: application(says("own", "Status: 500 Oops\r\n")) });
  await addIngress(world, ingress("failing", "failing.example", "failing", { ...FCGI, "custom-http-errors": "500" }));
  const got = await get("failing.example");
  t.strictSame([got.status, got.body.toString()], [500, "own"]);
});

await t.test("fastcgi-params-configmap", async (t) => {
  for (const [name, data] of [
    ["bad-name", { A$B: "1" }],
    ["bad-value", { A: "{test};a" }],
  ] as const)
    await world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data });
  for (const [map, status] of [
    ["params", 200],
    ["default/params", 200],
    ["absent", 503],
    ["bad-name", 503],
    ["bad-value", 503],
    ["a/b/c", 503],
    // The whole group is as if absent.
    ["other/params", 200],
  ] as const) {
    const name = `map-${map.replaceAll("/", "-")}`;
    await addIngress(world, ingress(name, `${name}.example`, "hello", { ...FCGI, "fastcgi-params-configmap": map }));
    t.equal((await get(`${name}.example`)).status, status, map);
  }
});
