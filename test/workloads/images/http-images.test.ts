import t from "tap";
import { VirtualClock } from "../../../model/clock.ts";
import type { InlineProgram } from "../../../model/ports.ts";
import { createCa, issueCertificate } from "../../../model/x509.ts";
import { fakeContainer, FakeNetwork, type FakeContainer, type FakeOptions } from "../../support/fake-container.ts";
import { until } from "../../support/until.ts";
import { builtInImages, findImage, programsOf } from "../../../workloads/images/index.ts";

const stopAll = new Set<() => Promise<unknown>>();
t.afterEach(async () => {
  for (const stop of stopAll) await stop();
  stopAll.clear();
});

/** Runs an image on its own address and gives a client that curls it. */
async function start(
  image: string,
  options: FakeOptions & { args?: readonly string[]; port?: number } = {},
): Promise<{ server: FakeContainer; curl: (...args: string[]) => Promise<string>; exit: Promise<number>; client: FakeContainer }> {
  const network = options.network ?? new FakeNetwork();
  const found = findImage(image);
  if (found?.runtime !== "inline") throw new Error(`no image ${image}`);
  const ip = options.ip ?? "127.244.1.9";
  const argv = options.argv ?? [...(found.entrypoint ?? []), ...(options.args ?? found.cmd ?? [])];
  const server = fakeContainer({ name: "web-0", env: {}, ...options, ip, network, image, argv });
  const program: InlineProgram = found.program;
  const exit = program(server.context);
  const client = fakeContainer({ network, ip: "127.244.1.5" });
  const port = options.port ?? found.ports?.[0] ?? 80;
  while (!network.listens({ ip, port })) {
    const ended = await Promise.race([exit, new Promise((resolve) => setImmediate(resolve))]);
    if (ended !== undefined) throw new Error(`${image} exited with ${String(ended)}: ${server.log.text}`);
  }
  stopAll.add(async () => (server.terminate(), exit));
  return {
    server,
    client,
    exit,
    curl: async (...args) =>
      (await client.run(["curl", "-s", "-S", ...args.map((arg) => (/^\/(?!dev\/)/.test(arg) ? `http://${ip}:${port}${arg}` : arg))])).out,
  };
}

const PAGE = "<span>The page you're looking for could not be found.</span>";

// image, arguments (undefined: its CMD), curl arguments → output
const table: readonly (readonly [string, readonly string[] | undefined, readonly string[], string | RegExp])[] = [
  ["hashicorp/http-echo", ["-text=hi there"], ["/"], "hi there\n"],
  [
    "hashicorp/http-echo:1.0.0",
    ["-text", "x"],
    ["-i", "/a?b"],
    /^HTTP\/1.1 200 OK\r\nX-App-Name: http-echo\r\nX-App-Version: 1.0.0\r\nDate: [^\r]+\r\nContent-Length: 2\r\nContent-Type: text\/plain; charset=utf-8\r\n\r\nx\n$/,
  ],
  ["hashicorp/http-echo", undefined, ["/"], "hello-world\n"],
  ["hashicorp/http-echo", ["-status-code=503"], ["-o", "/dev/null", "-w", "%{http_code}", "/"], "503"],
  [
    "traefik/whoami",
    undefined,
    ["-H", "X-A: b", "/x?y=1"],
    /^Hostname: web-0\nIP: 127.0.0.1\nIP: 127.244.1.9\nRemoteAddr: 127.244.1.5:\d+\nGET \/x\?y=1 HTTP\/1.1\r\nHost: 127.244.1.9\r\nUser-Agent: curl\/[\d.]+\r\nAccept: \*\/\*\r\nX-A: b\r\n\r\n$/,
  ],
  [
    "traefik/whoami",
    ["--name=n"],
    ["/api"],
    /^\{"hostname":"web-0","ip":\["127.0.0.1","127.244.1.9"\],"headers":\{"Accept":\["\*\/\*"\],"User-Agent":\["curl\/[\d.]+"\]\},"url":"\/api","host":"127.244.1.9","method":"GET","name":"n","remoteAddr":"127.244.1.5:\d+"\}\n$/,
  ],
  ["traefik/whoami", undefined, ["/data?size=10"], "|ABCDEFGH|"],
  [
    "nginx:1.27.3",
    undefined,
    ["-I", "/"],
    /^HTTP\/1.1 200 OK\r\nServer: nginx\/1.27.3\r\nDate: [^\r]+\r\nContent-Type: text\/html\r\nContent-Length: \d+\r\nLast-Modified: [^\r]+\r\nConnection: keep-alive\r\nETag: "[0-9a-f]+-[0-9a-f]+"\r\nAccept-Ranges: bytes\r\n\r\n$/,
  ],
  ["nginx", undefined, ["/"], /<h1>Welcome to nginx!<\/h1>/],
  [
    "nginx:1.14.2",
    undefined,
    ["/nope"],
    /^<html>\r\n<head><title>404 Not Found<\/title><\/head>\r\n<body>\r\n<center><h1>404 Not Found<\/h1><\/center>\r\n<hr><center>nginx\/1.14.2<\/center>\r\n<\/body>\r\n<\/html>\r\n$/,
  ],
  ["registry.k8s.io/nginx-slim:0.21", undefined, ["/nope"], /<center>nginx\/1\.\d+\.\d+<\/center>/],
  ["nginx", undefined, ["-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", "/"], "405"],
  ["nginx", undefined, ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "/%2e%2e/%00"], "400 "],
  ["nginx", ["sh", "-c", "echo own > /usr/share/nginx/html/index.html && nginx -g 'daemon off;'"], ["/"], "own\n"],
  ["httpd:2.4", undefined, ["/"], "<html><body><h1>It works!</h1></body></html>\n"],
  [
    "kennethreitz/httpbin",
    undefined,
    ["/get?a=1&a=2&b=3", "-H", "User-Agent: me"],
    `{\n  "args": {\n    "a": [\n      "1",\n      "2"\n    ],\n    "b": "3"\n  },\n  "headers": {\n    "Accept": "*/*",\n    "Host": "127.244.1.9",\n    "User-Agent": "me"\n  },\n  "origin": "127.244.1.5",\n  "url": "http://127.244.1.9/get?a=1&a=2&b=3"\n}\n`,
  ],
  ["kennethreitz/httpbin", undefined, ["-o", "/dev/null", "-w", "%{http_code}", "/status/418"], "418"],
  ["kennethreitz/httpbin", undefined, ["-L", "-o", "/dev/null", "-w", "%{http_code} %{num_redirects}", "/redirect/3"], "200 3"],
  ["kennethreitz/httpbin", undefined, ["-o", "/dev/null", "-w", "%{size_download}", "/bytes/64"], "64"],
  ["kennethreitz/httpbin", undefined, ["-u", "a:b", "/basic-auth/a/b"], `{\n  "authenticated": true,\n  "user": "a"\n}\n`],
  ["kennethreitz/httpbin", undefined, ["-o", "/dev/null", "-w", "%{http_code}", "/basic-auth/a/b"], "401"],
  ["kennethreitz/httpbin", undefined, ["-d", "x=1", "/post"], /"form": \{\n {4}"x": "1"\n {2}\}/],
  ["kennethreitz/httpbin", undefined, ["-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "/get"], "405"],
  ["kennethreitz/httpbin", undefined, ["/stream/2"], /^\{.*"id":0\}\n\{.*"id":1\}\n$/],
  [
    "mccutchen/go-httpbin",
    undefined,
    ["-H", "Content-Type: application/json", "-d", '{"k":1}', "/anything"],
    /"json": \{\n {4}"k": 1\n {2}\},\n {2}"method": "POST"/,
  ],
  [
    "registry.k8s.io/echoserver:1.10",
    undefined,
    ["/p?q=1"],
    /^\n\nHostname: web-0\n\nPod Information:\n\t-no pod information available-\n\nServer values:\n\tserver_version=nginx: 1.13.3 - lua: 10008\n\nRequest Information:\n\tclient_address=127.244.1.5\n\tmethod=GET\n\treal path=\/p\?q=1\n\tquery=q=1\n\trequest_version=1.1\n\trequest_scheme=http\n\trequest_uri=http:\/\/127.244.1.9:8080\/p\?q=1\n\nRequest Headers:\n\taccept=\*\/\*\n\thost=127.244.1.9:8080\n/,
  ],
  [
    "gcr.io/google_containers/echoserver:1.4",
    undefined,
    ["/"],
    /^CLIENT VALUES:\nclient_address=127.244.1.5\ncommand=GET\nreal path=\/\nquery=nil\n/,
  ],
  [
    "registry.k8s.io/ingress-nginx/e2e-test-echo:v1.2.9",
    undefined,
    ["/p?hsts=true"],
    /^\nHostname: web-0\n[^]*server_version=nginx: 1.27.1 - lua: 10028\n[^]*\trequest_uri=http:\/\/127.244.1.9:80\/p\?hsts=true\n/,
  ],
  ["ingress-nginx/e2e-test-echo", undefined, ["-i", "/?hsts=true"], /\r\nStrict-Transport-Security: max-age=3600; preload\r\n/],
  ["registry.k8s.io/ingress-nginx/custom-error-pages", undefined, ["-w", " %{http_code} %{content_type}", "/"], PAGE + " 404 text/html"],
  [
    "registry.k8s.io/ingress-nginx/custom-error-pages",
    undefined,
    ["-w", " %{http_code} %{content_type}", "-H", "X-Code: 404", "-H", "X-Format: application/json", "/"],
    `{ "message": "The page you're looking for could not be found" } 404 application/json`,
  ],
  [
    "ingress-nginx/custom-error-pages",
    undefined,
    ["-w", " %{content_type}", "-H", "X-Code: 404", "-H", "X-Format: */*", "/"],
    PAGE + " */*",
  ],
  [
    "ingress-nginx/custom-error-pages",
    undefined,
    ["-w", " %{http_code} %{content_type}", "-H", "X-Code: 503", "-H", "X-Format: text/html,application/xml;q=0.9", "/a"],
    "5xx html 503 text/html",
  ],
  [
    "ingress-nginx/custom-error-pages",
    undefined,
    ["-i", "-H", "X-Code: 500", "/"],
    /^HTTP\/1.1 500 [^]*\r\nTransfer-Encoding: chunked\r\n\r\n500 html$/,
  ],
  [
    "ingress-nginx/custom-error-pages",
    undefined,
    ["-w", "%{http_code}", "-H", "X-Code: 503", "-H", "X-Format: image/png", "/"],
    "404 page not found\n404",
  ],
  ["ingress-nginx/custom-error-pages", undefined, ["-w", "%{http_code}", "/healthz"], "200"],
  ["k8s-staging-ingress-nginx/ext-auth-example-authsvc:v1.0.0", undefined, ["-w", " %{http_code}", "/"], "unauthorized 403"],
  ["k8s-staging-ingress-nginx/ext-auth-example-authsvc", undefined, ["-w", " %{http_code}", "/?code=200"], "unauthorized 200"],
  [
    "k8s-staging-ingress-nginx/ext-auth-example-authsvc",
    undefined,
    ["-i", "-H", "User: internal", "/"],
    /^HTTP\/1.1 200 OK\r\nOther: not used\r\nUserid: [0-9a-f-]{36}\r\nUserrole: admin\r\n[^]*\r\n\r\nok$/,
  ],
  ["ealen/echo-server", undefined, ["-w", " %{http_code}", "/?echo_code=404&echo_body=gone"], "gone 404"],
  [
    "ealen/echo-server",
    undefined,
    ["/a?x=1"],
    /"http":\{"method":"GET","baseUrl":"","originalUrl":"\/a\?x=1","protocol":"http"\},"request":\{"params":\{"0":"\/a"\},"query":\{"x":"1"\}/,
  ],
  [
    "jmalloc/echo-server",
    undefined,
    ["-d", "body", "/"],
    /^Request served by web-0\n\nPOST \/ HTTP\/1.1\n\nHost: 127.244.1.9:8080\nAccept: \*\/\*\nContent-Length: 4\n.*\n.*\n\nbody$/,
  ],
  ["gcr.io/google-samples/hello-app:2.0", undefined, ["/"], "Hello, world!\nVersion: 2.0.0\nHostname: web-0\n"],
  ["us-docker.pkg.dev/google-samples/containers/gke/hello-app:1.0", undefined, ["/"], "Hello, world!\nVersion: 1.0.0\nHostname: web-0\n"],
  ["gcr.io/google-samples/node-hello:1.0", undefined, ["/"], "Hello Kubernetes!"],
  ["gcr.io/google-samples/kubernetes-bootcamp:v1", undefined, ["/"], "Hello Kubernetes bootcamp! | Running on: web-0 | v=1\n"],
  ["docker.io/jocatalin/kubernetes-bootcamp:v2", undefined, ["/"], "Hello Kubernetes bootcamp! | Running on: web-0 | v=2\n"],
  ["luksa/kubia", undefined, ["/"], "You've hit web-0\n"],
  ["gcr.io/google-samples/hello-go-gke:1.0", undefined, ["/"], '{"message":"Hello"}\n'],
];

t.test("what a client sees", async (t) => {
  for (const [image, args, curlArgs, expected] of table) {
    const { curl } = await start(image, args === undefined ? {} : args[0] === "sh" ? { argv: args } : { args });
    const out = await curl(...curlArgs);
    if (typeof expected === "string") t.equal(out, expected, `${image} ${curlArgs.join(" ")}`);
    else t.match(out, expected, `${image} ${curlArgs.join(" ")}`);
  }
});

t.test("names", (t) => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["nginx", "nginx"],
    ["docker.io/library/nginx:1.27@sha256:" + "a".repeat(64), "nginx"],
    ["registry.k8s.io/e2e-test-images/agnhost:2.52", "e2e-test-images/agnhost"],
    ["localhost:5000/busybox:1.25", "busybox"],
    ["quay.io/nginx", "nginx"],
    ["k8s.gcr.io/redis:e2e", "redis"],
    ["ghcr.io/mccutchen/go-httpbin", "mccutchen/go-httpbin"],
    ["grafana/k6", undefined],
    ["mysql:8", undefined],
    ["someone/nginx", undefined],
  ];
  for (const [reference, key] of rows) t.equal(findImage(reference), key === undefined ? undefined : builtInImages.get(key), reference);
  t.ok(programsOf(findImage("agnhost"))?.has("agnhost"));
  t.notOk(programsOf(undefined).has("agnhost"));
  t.end();
});

t.test("logs", async (t) => {
  const echo = await start("hashicorp/http-echo", { args: ["-text=x"] });
  await echo.curl("/p");
  t.match(
    await echo.server.log.until(/GET/),
    /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[INFO\] server is listening on :5678\n\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d 127.244.1.9:5678 127.244.1.5:\d+ "GET \/p HTTP\/1.1" 200 2 "curl\/[\d.]+" \S+s\n$/,
  );
  const nginx = await start("nginx");
  await nginx.curl("/nope");
  t.match(
    await nginx.server.log.until(/GET.*404/),
    /\[error\] 29#29: \*1 open\(\) "\/usr\/share\/nginx\/html\/nope" failed \(2: No such file or directory\), client: 127.244.1.5, server: localhost, request: "GET \/nope HTTP\/1.1", host: "127.244.1.9"\n127.244.1.5 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/nope HTTP\/1.1" 404 \d+ "-" "curl\/[\d.]+" "-"\n$/,
  );
});

t.test("a mounted web root hides the image's pages", async (t) => {
  const empty = await start("nginx", { mounts: ["/usr/share/nginx/html"] });
  t.equal(await empty.curl("-o", "/dev/null", "-w", "%{http_code}", "/"), "403");
  const mounted = await start("nginx", {
    mounts: ["/usr/share/nginx/html"],
    files: { "/usr/share/nginx/html/index.html": "mounted\n", "/usr/share/nginx/html/a/b.json": "{}" },
  });
  t.equal(await mounted.curl("/"), "mounted\n");
  t.match(await mounted.curl("-i", "/a/b.json"), /Content-Type: application\/json\r\n/);
  t.equal(await mounted.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "/a"), "301 http://127.244.1.9/a/");
});

t.test("nginx listens with TLS where its mounted configuration says so", async (t) => {
  const ca = createCa("the tutorial", Date.now());
  const pair = issueCertificate(ca, { commonName: "my-nginx", dnsNames: ["my-nginx"], usages: ["server"], days: 1 });
  const conf = `server {
    listen 80 default_server;
    # listen 9443 ssl;
    listen [::]:80 default_server ipv6only=on;
    listen 443 ssl;
    root /usr/share/nginx/html;
    ssl_certificate /etc/nginx/ssl/tls.crt;
    ssl_certificate_key /etc/nginx/ssl/tls.key;
  }`;
  const files = { "/etc/nginx/conf.d/default.conf": conf, "/etc/nginx/ssl/tls.crt": pair.cert, "/etc/nginx/ssl/tls.key": pair.key };
  const network = new FakeNetwork();
  network.addName("my-nginx", "127.244.1.9");
  const { curl, server } = await start("bprashanth/nginxhttps:1.0", { network, port: 443, files, mounts: ["/etc/nginx/conf.d"] });
  const client = fakeContainer({ network, files: { "/etc/nginx/ssl/tls.crt": ca.cert } });
  const page = /<title>Welcome to nginx!<\/title>/;
  t.match((await client.sh("curl -s https://my-nginx --cacert /etc/nginx/ssl/tls.crt")).out, page);
  t.match(await client.sh("curl -sS https://my-nginx"), { code: 60, err: /^curl: \(60\) SSL certificate problem: / });
  t.match(await curl("-k", "https://127.244.1.9"), page);
  t.match((await client.sh("curl -s http://my-nginx")).out, page, "and port 80 as ever");
  t.equal((await client.sh("curl -s https://my-nginx:9443")).code, 7, "a comment opens nothing");
  t.equal((await client.sh("curl -sk -o /dev/null -w '%{http_code}' https://my-nginx/nope")).out, "404");
  t.match(server.log.text, /"GET \/nope HTTP\/1\.1" 404/);

  const { "/etc/nginx/ssl/tls.key": _key, ...keyless } = files;
  await t.rejects(
    start("nginx", { files: keyless, mounts: ["/etc/nginx/conf.d"] }),
    /exited with 1: [^]*nginx: \[emerg\] cannot load certificate key "\/etc\/nginx\/ssl\/tls\.key"/,
  );
});

t.test("SIGTERM: accepts no more, finishes what is under way, returns", async (t) => {
  const clock = new VirtualClock();
  const { server, client, exit } = await start("kennethreitz/httpbin", { clock });
  const slow = client.run(["curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", "http://127.244.1.9/delay/0.2"]);
  await until(() => clock.nextDueMs() !== undefined, "the request is under way");
  server.terminate();
  await new Promise((resolve) => setImmediate(resolve));
  t.match(
    (await client.run(["curl", "-sS", "http://127.244.1.9/ip"])).err,
    /^curl: \(7\) Failed to connect to 127.244.1.9 port 80 after \d+ ms: Could not connect to server\n$/,
  );
  await clock.advance(200);
  t.equal((await slow).out, "200");
  t.equal(await exit, 0);
});

t.test("garbage gets HTTP's own error and the server lives", async (t) => {
  for (const image of ["nginx", "hashicorp/http-echo", "kennethreitz/httpbin", "ealen/echo-server", "traefik/whoami"]) {
    const { client, curl } = await start(image);
    const port = String(builtInImages.get(image)?.ports?.[0]);
    const answer = await client.run(["nc", "127.244.1.9", port], "\0\u0001garbage\r\n\r\n");
    t.match(answer.out, /^HTTP\/1.1 400 Bad Request/, image);
    for (const target of ["GET //%zz HTTP/1.1", "GET http://[bad HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /%c0%ae HTTP/1.1"]) {
      const { out } = await client.run(["nc", "-w", "1", "127.244.1.9", port], `${target}\r\nHost: x y z\r\nConnection: close\r\n\r\n`);
      t.match(out, /^HTTP\/1.1 \d\d\d/, `${image}: ${target}`);
    }
    t.equal(await curl("-o", "/dev/null", "-w", "%{http_code}", "/"), "200");
  }
});
