// nginx: static files from /usr/share/nginx/html, its pages, headers and access log. Counterpart: the official image with its
// stock configuration. Of files in /etc/nginx only `listen … ssl` is interpreted: one that is mounted there is named in the log.
import { walk } from "../tools/file-tree.ts";
import { fail, type NamedTool, type ToolIo } from "../tools/tool.ts";
import { formatDate } from "../tools/date.ts";
import { imageTag, mountPaths, type ImageSpec } from "./image.ts";
import { httpDate, type HttpRequest, type HttpResponse } from "../http/index.ts";
import { answer, clientOf, serveHttp, type ServeOptions } from "./serve.ts";
import { tlsListeners } from "./nginx-tls.ts";
import { findFile } from "./static-site.ts";

export const NGINX_ROOT = "/usr/share/nginx/html";

const page = (title: string, body: string): string =>
  `<!DOCTYPE html>\n<html>\n<head>\n<title>${title}</title>\n</head>\n<body>\n${body}\n</body>\n</html>\n`;

const WELCOME = page(
  "Welcome to nginx!",
  "<h1>Welcome to nginx!</h1>\n<p>This page is served by loopkube's stand-in for the nginx image.</p>",
);
const ERROR_50X = page("Error", "<h1>An error occurred.</h1>\n<p>The server could not answer this request.</p>");

/** The version of the image's tag: `nginx:1.14.2` is 1.14.2. The tags of nginx-slim (`0.21`) are none. */
export function nginxVersion(tag: string): string {
  const written = /^[1-9]\d*\.\d+(\.\d+)?/.exec(tag)?.[0];
  return written === undefined ? "1.29.3" : written.split(".").length === 3 ? written : `${written}.0`;
}

/** An nginx error page. */
export function errorPage(status: number, text: string, version: string): string {
  return `<html>\r\n<head><title>${status} ${text}</title></head>\r\n<body>\r\n<center><h1>${status} ${text}</h1></center>\r\n<hr><center>nginx/${version}</center>\r\n</body>\r\n</html>\r\n`;
}

/** One line of nginx's "main" access log. */
export function accessLine(request: HttpRequest, status: number, bytes: number, nowMs: number): string {
  const { referer, "user-agent": agent, "x-forwarded-for": forwarded } = request.headers;
  const text = `${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}`;
  return `${clientOf(request).ip} - - [${formatDate(nowMs, "%d/%b/%Y:%H:%M:%S +0000")}] "${text}" ${status} ${bytes} "${referer ?? "-"}" "${agent ?? "-"}" "${Array.isArray(forwarded) ? forwarded.join(", ") : (forwarded ?? "-")}"\n`;
}

/** Answers as nginx does and writes the access log. */
export function answerNginx(
  io: ToolIo,
  request: HttpRequest,
  response: HttpResponse,
  version: string,
  status: number,
  contentType: string,
  body: string,
  more: readonly (readonly [string, string])[] = [],
): void {
  const now = io.context.clock.now();
  const length = Buffer.byteLength(body);
  const connection = response.shouldKeepAlive ? "keep-alive" : "close";
  const lastModified = more.filter(([name]) => name === "Last-Modified");
  const sized =
    status === 304
      ? []
      : ([
          ["Content-Type", contentType],
          ["Content-Length", String(length)],
        ] as const);
  answer(
    response,
    status,
    [
      ["Server", `nginx/${version}`],
      ["Date", httpDate(now)],
      ...sized,
      ...lastModified,
      ["Connection", connection],
      ...more.filter(([name]) => name !== "Last-Modified"),
    ],
    body,
    REASONS[status],
  );
  io.stdout.write(accessLine(request, status, request.method === "HEAD" || status === 304 ? 0 : length, now));
}

const REASONS: Readonly<Record<number, string>> = { 301: "Moved Permanently", 405: "Not Allowed" };

function serveStatic(io: ToolIo, request: HttpRequest, response: HttpResponse, version: string, startedMs: number): void {
  const refuse = (status: number, text: string): void =>
    answerNginx(io, request, response, version, status, "text/html", errorPage(status, text, version));
  const complain = (what: string): void =>
    void io.stderr.write(
      `${formatDate(io.context.clock.now(), "%Y/%m/%d %H:%M:%S")} [error] 29#29: *1 ${what}, client: ${clientOf(request).ip}, server: localhost, request: "${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}", host: "${request.headers.host ?? ""}"\n`,
    );
  request.resume();
  const found = findFile(request, NGINX_ROOT, io, false);
  if (found.type === "bad") return refuse(400, "Bad Request");
  if (found.type === "redirect") {
    const to = `http://${(request.headers.host ?? "localhost").replace(/:80$/, "")}${found.to}`;
    return answerNginx(io, request, response, version, 301, "text/html", errorPage(301, "Moved Permanently", version), [["Location", to]]);
  }
  if (found.type === "file" && request.method !== "GET" && request.method !== "HEAD") return refuse(405, "Not Allowed");
  if (found.type === "absent") {
    complain(`open() "${found.path}" failed (2: No such file or directory)`);
    return refuse(404, "Not Found");
  }
  if (found.type !== "file") {
    complain(`directory index of "${NGINX_ROOT}/" is forbidden`);
    return refuse(403, "Forbidden");
  }
  const modified = httpDateOf(startedMs);
  const etag = `"${Math.floor(startedMs / 1000).toString(16)}-${Buffer.byteLength(found.text).toString(16)}"`;
  const validators = [
    ["Last-Modified", modified],
    ["ETag", etag],
  ] as const;
  if (
    request.headers["if-none-match"] === etag ||
    (request.headers["if-none-match"] === undefined && request.headers["if-modified-since"] === modified)
  )
    return answerNginx(io, request, response, version, 304, found.contentType, "", validators);
  answerNginx(io, request, response, version, 200, found.contentType, found.text, [...validators, ["Accept-Ranges", "bytes"]]);
}

function httpDateOf(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toUTCString();
}

/** What nginx prints while it starts, and how it ends. */
export function nginxServeOptions(io: ToolIo, version: string): ServeOptions {
  const notice = (text: string): void =>
    void io.stderr.write(`${formatDate(io.context.clock.now(), "%Y/%m/%d %H:%M:%S")} [notice] 1#1: ${text}\n`);
  return {
    keepAliveMs: 75_000,
    onListening() {
      notice('using the "epoll" event method');
      notice(`nginx/${version}`);
      notice("start worker processes");
    },
    onBusy: () => "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
  };
}

const program: NamedTool = {
  name: "nginx",
  async run(argv, io) {
    const version = nginxVersion(imageTag(io.context));
    if (argv[1] === "-v" || argv[1] === "-V") return fail(io, `nginx version: nginx/${version}`, 0);
    if (argv[1] === "-t")
      return fail(
        io,
        "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test is successful",
        0,
      );
    if (argv[1] === "-s") {
      if (argv[2] === "quit" || argv[2] === "stop") io.context.kill?.("SIGTERM");
      return argv[2] === "reload" || argv[2] === "reopen" || argv[2] === "quit" || argv[2] === "stop"
        ? 0
        : fail(io, `nginx: invalid option: "-s ${argv[2] ?? ""}"`);
    }
    const bad = argv
      .slice(1)
      .find((word, index, all) => word.startsWith("-") && !/^-[gcpeq]$/.test(word) && !/^-[gcpe]$/.test(all[index - 1] ?? ""));
    if (bad !== undefined) return fail(io, `nginx: invalid option: "${bad.replace(/^-+/, "")}"`);
    for (const mount of mountPaths(io.context).filter((path) => path.startsWith("/etc/nginx"))) {
      for (const { path, folder } of walk(io.files, mount)) {
        if (!folder && path.endsWith(".conf"))
          io.stderr.write(
            `nginx: [warn] ${path} is not interpreted by loopkube's stand-in but for listen … ssl: it serves ${NGINX_ROOT} on port 80\n`,
          );
      }
    }
    const startedMs = io.context.clock.now();
    const handle = (request: HttpRequest, response: HttpResponse): void => serveStatic(io, request, response, version, startedMs);
    const tls = tlsListeners(io, "/etc/nginx/conf.d");
    if (typeof tls === "string") return fail(io, `nginx: [emerg] ${tls}`);
    const served = [
      serveHttp(io, 80, handle, nginxServeOptions(io, version)),
      ...tls.map(({ port, server }) => serveHttp(io, port, handle, { server, keepAliveMs: 75_000 })),
    ];
    // One that cannot listen ends them all; otherwise all end together, on SIGTERM.
    return (await Promise.race(served)) || Math.max(...(await Promise.all(served)));
  },
};

export const nginx: ImageSpec = {
  repositories: [
    "nginx",
    "nginxinc/nginx-unprivileged",
    "e2e-test-images/nginx",
    "bprashanth/nginxhttps",
    "ymqytw/nginxhttps",
    "nginx-slim",
    "google-containers/nginx-slim",
    "google_containers/nginx-slim",
  ],
  cmd: ["nginx", "-g", "daemon off;"],
  ports: [80],
  programs: [
    program,
    { name: "docker-entrypoint.sh", run: async (argv, io) => program.run(argv.length > 1 ? argv.slice(1) : ["nginx"], io) },
  ],
  files: { [`${NGINX_ROOT}/index.html`]: WELCOME, [`${NGINX_ROOT}/50x.html`]: ERROR_50X },
};
