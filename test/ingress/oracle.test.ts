// The same requests to stock nginx and to the controller: status, Location, and what the pod sees must be the same.
// The server blocks are written from the rules of ingress-nginx's template, not from our table. Without nginx it is skipped.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect, type NetConnectOpts } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

type Rule = readonly [path: string, pathType: "Exact" | "Prefix" | "ImplementationSpecific"];

const PLAIN: readonly Rule[] = [
  ["/", "Prefix"],
  ["/foo", "Prefix"],
  ["/foo/bar", "Exact"],
  ["/foo/bar/baz", "Prefix"],
  ["/slash/", "Prefix"],
  ["/exact-slash/", "Exact"],
  ["/Case", "Prefix"],
  ["/a.b", "Exact"],
];
const REWRITES: readonly (readonly [path: string, target: string])[] = [
  ["/rw(/|$)(.*)", "/$2"],
  ["/v[0-9]+/(.*)", "/api/$1?from=$1"],
  ["/fixed", "/elsewhere"],
  ["/drop/(.*)", "/$1?"],
];

const TARGETS = [
  "/", "/foo", "/foo/", "/foobar", "/foo/bar", "/foo/bar/", "/foo/bar/baz", "/foo/bar/baz/", "/foo/bar/bazz", "/slash", "/slash/", "/slash?x=1",
  "/exact-slash", "/exact-slash/", "/exact-slash/x", "/case", "/Case", "/CASE/x", "/a.b", "/axb", "//foo", "/foo//bar", "/./foo", "/foo/../slash",
  "/../x", "/foo/%2e%2e/slash", "/foo%2Fbar", "/foo%20bar", "/foo?", "/foo?a=b&c=%20", "/foo#frag", "/%", "/%zz", "/%00", "/rw", "/rw/", "/rw/a%20b%2Fc",
  "/rw/a//b?x=1", "/RW/Upper", "/rwx/y", "/v2/x/y", "/v2/x?q=1", "/v22/%C3%A9", "/v2/a%26b", "/fixed", "/fixedly/x?y", "/drop/x?y=1", "/plain/x", "/plaintext", "/none",
  "http://plain.example/foo", "http://rewrite.example/rw/abs?x", "/rw/%25", "/rw/a+b", "/rw/a%2Bb", "/rw/%3F", "/rw/%23",
] as const; // prettier-ignore

const MEBIBYTE = 1024 * 1024;
const REQUESTS: readonly (readonly [head: string, body: string])[] = [
  ["GET /foo HTTP/1.1\nHost: plain.example\nX-A: 1\nx-a: 2\nX_Under: 3\nAccept: */*\nCookie: a=b; c=d", ""],
  ["GET /foo HTTP/1.1\nHost: plain.example\nTE: trailers\nKeep-Alive: 5\nExpect: ", ""],
  ["GET /foo HTTP/1.1\nHost: plain.example\nProxy: http://evil\nX-Empty: \nAuthorization: Basic x\nRange: bytes=0-1\nIf-None-Match: x", ""],
  [
    "GET /foo HTTP/1.1\nHost: plain.example\nX-Real-IP: 1.1.1.1\nX-Forwarded-Host: h\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Scheme: https",
    "",
  ],
  ["HEAD /foo HTTP/1.1\nHost: plain.example", ""],
  ["OPTIONS /foo HTTP/1.1\nHost: plain.example", ""],
  ["POST /foo HTTP/1.1\nHost: plain.example\nContent-Type: text/plain\nContent-Length: 5", "hello"],
  ["POST /foo HTTP/1.1\nHost: plain.example\nContent-Length: 0", ""],
  ["POST /foo HTTP/1.1\nHost: plain.example", ""],
  ["PUT /foo HTTP/1.1\nHost: plain.example", ""],
  ["POST /foo HTTP/1.1\nHost: plain.example\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
  ["DELETE /foo HTTP/1.1\nHost: plain.example\nContent-Length: 2", "ok"],
  [`POST /foo HTTP/1.1\nHost: plain.example\nContent-Length: ${MEBIBYTE}`, "x".repeat(MEBIBYTE)],
  [`POST /foo HTTP/1.1\nHost: plain.example\nContent-Length: ${MEBIBYTE + 1}`, "x".repeat(MEBIBYTE + 1)],
  ["PATCH /foo HTTP/1.1\nHost: plain.example\nContent-Length: 3", "abc"],
  ["GET /foo HTTP/1.0\nHost: plain.example", ""],
  ["GET /foo HTTP/1.1", ""],
  ["TRACE /foo HTTP/1.1\nHost: plain.example", ""],
  ["GET /foo HTTP/1.1\nHost: plain.example\nContent-Length: 3\nTransfer-Encoding: chunked", "0\r\n\r\n"],
  ["GET /foo HTTP/1.1\nHost: plain.example\nHost: other.example", ""],
  ["GET /foo HTTP/1.1\nHost: pl ain", ""],
];

/** Differs by nature: addresses and ids; the framing of the connection. */
const HIDDEN = new Set(["x-request-id", "x-real-ip", "x-forwarded-for", "connection"]);

if (spawnSync("nginx", ["-v"]).error) {
  t.comment("nginx is not installed: nothing to compare with");
  t.plan(0, "nginx is not installed");
} else await compareAll();

async function compareAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-oracle-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const harness = await createHarness(t);
  // nginx knows rewrites that upstream's validation would not let pass.
  await using world = await harness.start({ flags: ["--enable-annotation-validation=false"] });
  const pod = (): Server =>
    createServer((request, response) => {
      let body = 0;
      request.on("data", (chunk: Buffer) => (body += chunk.length));
      request.on("end", () => {
        response.writeHead(200, ["X-Pod", "a", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "Server", "pod", "X-Accel-Charset", "x"]);
        response.end(JSON.stringify({ method: request.method, target: request.url, body, headers: visible(request.rawHeaders) }));
      });
    });
  const backend = pod();
  backend.listen(join(folder, "pod"));
  t.teardown(() => void (backend.close(), backend.closeAllConnections()));
  await once(backend, "listening");
  // nginx's worker is another user when its master is root.
  chmodSync(folder, 0o755);
  chmodSync(join(folder, "pod"), 0o777);
  writeFileSync(join(folder, "nginx.conf"), configuration(folder));
  const nginx = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: ["ignore", "ignore", "inherit"] });
  t.teardown(async () => {
    nginx.kill("SIGTERM");
    if (nginx.exitCode === null) await once(nginx, "exit");
  });
  while (!existsSync(join(folder, "nginx")) && nginx.exitCode === null) await new Promise((resolve) => setImmediate(resolve));

  await world.service("web", { server: pod });
  await addIngress(
    world,
    ...PLAIN.map(([path, pathType], i) => ingress(`plain-${i}`, "plain.example", "web", {}, path, pathType)),
    ...REWRITES.map(([path, target], i) =>
      ingress(`rewrite-${i}`, "rewrite.example", "web", { "rewrite-target": target }, path, "ImplementationSpecific"),
    ),
    ingress("rewrite-root", "rewrite.example", "web", {}, "/plain", "Prefix"),
  );
  t.equal((await ask(world.socket(80), { host: "plain.example" })).status, 200);
  const ours = world.socket(80);
  const compare = async (request: string): Promise<readonly [string, string]> => {
    const [theirs, own] = await Promise.all([
      send({ path: join(folder, "nginx") }, request),
      send({ host: ours.ip, port: ours.port }, request),
    ]);
    return [summary(theirs), summary(own)];
  };
  const get = (host: string, target: string): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

  await t.test("fixed paths", async (t) => {
    for (const host of ["plain.example", "rewrite.example", "PLAIN.example:8080", "plain.example."])
      for (const target of TARGETS) {
        const [theirs, own] = await compare(get(host, target));
        t.equal(own, theirs, `${host} ${target}`);
      }
  });

  await t.test("generated paths", async (t) => {
    const piece = fc.constantFrom(
      "foo",
      "bar",
      "baz",
      "slash",
      "exact-slash",
      "Case",
      "case",
      "a.b",
      "rw",
      "v1",
      "drop",
      "fixed",
      ".",
      "..",
      "",
      "%2e%2E",
      "%2F",
      "%20",
      "a%3Fb",
      "%C3%A9",
      "+",
      "~",
      "a;b",
      "$1",
      "{x}",
      "|",
      "'",
    );
    const target = fc
      .tuple(fc.array(piece, { maxLength: 6 }), fc.constantFrom("", "/", "?", "?a=b", "?a=/../b%20c", "?x=1?y"), fc.boolean())
      .map(([pieces, end]) => `/${pieces.join("/")}${end}`);
    const property = fc.asyncProperty(fc.constantFrom("plain.example", "rewrite.example"), target, async (host, path) => {
      const [theirs, own] = await compare(get(host, path));
      if (own !== theirs) throw new Error(`${host} ${path}\nnginx: ${theirs}\nours:  ${own}`);
    });
    const { failed, counterexample, errorInstance } = await fc.check(property, { seed: 20261121, numRuns: 400 });
    t.notOk(failed, String(errorInstance ?? ""), { counterexample });
  });

  await t.test("headers as the pod sees them, and bodies", async (t) => {
    const lines = (text: string): string =>
      text
        .split("\n")
        .map((line) => `${line}\r\n`)
        .join("");
    for (const [head, body] of REQUESTS) {
      const [theirs, own] = await compare(`${lines(head)}Connection: close\r\n\r\n${body}`);
      if (own !== theirs) t.comment(`\nnginx: ${theirs}\nours:  ${own}`);
      t.equal(own, theirs, head);
    }
  });
}

/** ingress-nginx's server blocks for the rules above, on a socket in `folder`. */
function configuration(folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  const proxy = `proxy_pass http://pod;`;
  const plain = PLAIN.flatMap(([path, pathType]) =>
    pathType === "Exact"
      ? [`location = ${path} { ${proxy} }`]
      : path.endsWith("/")
        ? [`location ${path} { ${proxy} }`]
        : [`location = ${path} { ${proxy} }`, `location ${path}/ { ${proxy} }`],
  );
  const regular = [...REWRITES, ["/plain", ""] as const, ["/", ""] as const].toSorted(
    ([a], [b]) => b.length - a.length || (a < b ? 1 : -1),
  );
  const rewrites = regular.map(([path, target]) => {
    const inner = path === "/" ? "return 404;" : target === "" ? proxy : `rewrite "(?i)${path}" ${target} break; ${proxy}`;
    return `location ~* "^${path}" { ${inner} }`;
  });
  const headers = [
    "Host $http_host",
    'Connection ""',
    "Upgrade $http_upgrade",
    'Proxy ""',
    "X-Forwarded-Host $http_host",
    "X-Forwarded-Proto $scheme",
  ]
    .concat(["X-Scheme $scheme", "X-Forwarded-Scheme $scheme", "X-Original-Forwarded-For $http_x_forwarded_for"])
    .concat(["X-Original-Forwarded-Host $http_x_forwarded_host", "X-Forwarded-For hidden", "X-Real-IP hidden", "X-Forwarded-Port 80"])
    .map((line) => `proxy_set_header ${line};`);
  return `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { }
http {
  access_log off; server_tokens off; port_in_redirect off; client_max_body_size 1m; ${temporary}
  upstream pod { server unix:${folder}/pod; }
  proxy_http_version 1.1; ${headers.join(" ")} proxy_redirect off; proxy_intercept_errors off;
  server { listen unix:${folder}/nginx default_server; server_name _; location / { return 404; } }
  server { listen unix:${folder}/nginx; server_name plain.example; ${plain.join("\n")} }
  server { listen unix:${folder}/nginx; server_name rewrite.example; ${rewrites.join("\n")} }
}
`;
}

/** Names in lower case, in order of name. */
function visible(rawHeaders: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? "";
    if (!HIDDEN.has(name)) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  return lines.toSorted();
}

/** Bytes there, and all that comes back until the end. */
function send(to: NetConnectOpts, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(to);
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(Buffer.from(request, "utf8"));
  });
}

/** Status, the headers that a client acts on, and the pod's own account of the request; error pages by their status only. */
function summary(answer: string): string {
  const [head = "", body = ""] = answer.split(/\r\n\r\n(.*)/s);
  const [line = "", ...headers] = head.split("\r\n");
  const status = line.split(" ")[1] ?? "";
  const kept = headers.filter(
    (header) => /^(location|x-pod|set-cookie|server|x-accel|allow):/i.test(header) && !/^server: nginx/i.test(header),
  );
  const account = body.includes('{"method"') ? body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1) : "";
  return [status, ...kept.map((header) => header.toLowerCase().slice(0, 1) + header.slice(1)).toSorted(), account].join(" ");
}
