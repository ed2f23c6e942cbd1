// httpbin: kennethreitz/httpbin (port 80) and mccutchen/go-httpbin (port 8080), the basic set of endpoints, as a list of routes.
// go-httpbin's answers differ in that header and argument values are lists. Leaves out images, digest auth, caching and forms of compression but gzip.
import { gzipSync } from "node:zlib";
import { createIds } from "../../model/ids.ts";
import { sleep } from "../../model/clock.ts";
import { nextTurn } from "../../model/clock.ts";
import type { NamedTool, ToolIo } from "../tools/tool.ts";
import { formatDate } from "../tools/date.ts";
import type { ImageSpec } from "./image.ts";
import { httpDate, type HttpRequest, type HttpResponse } from "../http/index.ts";
import { answer, bodyOf, canonicalHeaders, clientOf, serveHttp, urlOf } from "./serve.ts";

interface Call {
  readonly io: ToolIo;
  readonly go: boolean;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly url: URL;
  readonly body: Buffer;
  readonly parts: readonly string[];
}

type Route = readonly [method: string | undefined, path: RegExp, run: (call: Call) => void | Promise<void>];

const MAX_BYTES = 100 * 1024;
const MAX_DELAY_SECONDS = 10;

function respond(
  { io, go, request, response }: Call,
  status: number,
  type: string,
  body: string | Buffer,
  more: readonly (readonly [string, string])[] = [],
): void {
  const origin = request.headers.origin ?? "*";
  const identity = go
    ? []
    : ([
        ["Connection", response.shouldKeepAlive ? "keep-alive" : "close"],
        ["Server", "gunicorn/19.9.0"],
      ] as const);
  answer(
    response,
    status,
    [
      ["Date", httpDate(io.context.clock.now())],
      ...identity,
      ...(type === "" ? [] : [["Content-Type", type] as const]),
      ["Access-Control-Allow-Origin", origin],
      ["Access-Control-Allow-Credentials", "true"],
      ...more,
    ],
    body,
  );
}

function json(call: Call, value: unknown, status = 200, more: readonly (readonly [string, string])[] = []): void {
  respond(call, status, call.go ? "application/json; charset=utf-8" : "application/json", `${JSON.stringify(value, undefined, 2)}\n`, more);
}

function headersOf({ go, request }: Call): Record<string, unknown> {
  return Object.fromEntries(canonicalHeaders(request).map(([name, values]) => [name, go ? values : values.join(",")]));
}

function argsOf({ go, url }: Call): Record<string, unknown> {
  return multiple(url.searchParams, go);
}

function multiple(params: URLSearchParams, lists: boolean): Record<string, unknown> {
  return Object.fromEntries(
    [...new Set(params.keys())].sort().map((name) => {
      const values = params.getAll(name);
      return [name, lists || values.length > 1 ? values : values[0]];
    }),
  );
}

function description(call: Call, withBody: boolean, withMethod: boolean): Record<string, unknown> {
  const { go, request, url, body } = call;
  const origin = clientOf(request).ip;
  const common = { args: argsOf(call), headers: headersOf(call), origin, url: url.href };
  const method = withMethod || go ? { method: request.method } : {};
  if (!withBody) return sorted({ ...common, ...(go ? method : {}) });
  const type = request.headers["content-type"] ?? "";
  const text = body.toString();
  const isForm = type.startsWith("application/x-www-form-urlencoded");
  let parsed: unknown = null;
  if (!isForm) {
    try {
      parsed = text === "" ? null : JSON.parse(text);
    } catch {
      parsed = null;
    }
  }
  return sorted({
    ...common,
    ...method,
    data: isForm && !go ? "" : text,
    files: {},
    form: isForm ? multiple(new URLSearchParams(text), go) : {},
    json: parsed,
  });
}

function sorted(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function echo(withBody: boolean, withMethod = false): (call: Call) => void {
  return (call) => json(call, description(call, withBody, withMethod));
}

async function delay(call: Call): Promise<void> {
  await sleep(call.io.context.clock, Math.min(MAX_DELAY_SECONDS, Number(call.parts[0])) * 1000);
  json(call, description(call, true, false));
}

function status(call: Call): void {
  const codes = (call.parts[0] ?? "").split(",").map((part) => Number(part.split(":")[0]));
  const code = codes[call.io.context.random.int(codes.length)] ?? 200;
  if (!Number.isInteger(code) || code < 200 || code > 599) return respond(call, 400, "text/html; charset=utf-8", "Invalid status code");
  const location = [301, 302, 303, 305, 307].includes(code) ? ([["Location", "/redirect/1"]] as const) : [];
  const challenge = code === 401 ? ([["WWW-Authenticate", 'Basic realm="Fake Realm"']] as const) : [];
  respond(call, code, "text/html; charset=utf-8", code === 418 ? "I'm a teapot!\n" : "", [...location, ...challenge]);
}

function bytes(call: Call): void {
  const data = Buffer.alloc(Math.min(MAX_BYTES, Number(call.parts[0])));
  for (let i = 0; i < data.length; i++) data[i] = call.io.context.random.int(256);
  respond(call, 200, "application/octet-stream", data);
}

function redirect(call: Call): void {
  const left = Number(call.parts[1]);
  if (left < 1) return respond(call, 400, "text/plain; charset=utf-8", "Invalid redirect count\n");
  const kind = call.parts[0] ?? "redirect";
  const base = kind === "absolute-redirect" ? call.url.origin : "";
  respond(call, 302, "text/html; charset=utf-8", "", [["Location", left === 1 ? `${base}/get` : `${base}/${kind}/${left - 1}`]]);
}

function redirectTo(call: Call): void {
  const to = call.url.searchParams.get("url");
  if (to === null) return respond(call, 400, "text/plain; charset=utf-8", "Missing URL\n");
  const code = Number(call.url.searchParams.get("status_code") ?? 302);
  respond(call, code >= 300 && code < 400 ? code : 302, "text/html; charset=utf-8", "", [["Location", to.replace(/[\r\n]/g, "")]]);
}

function cookies(call: Call): void {
  const pairs = (call.request.headers.cookie ?? "").split(/;\s*/).filter((pair) => pair.includes("="));
  const all = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  json(call, call.go ? all : { cookies: all });
}

function setCookies(call: Call): void {
  const pairs = call.parts[0] === undefined ? [...call.url.searchParams] : [[call.parts[0], call.parts[1] ?? ""] as const];
  const safe = pairs.map(([name, value]) => ["Set-Cookie", `${name}=${value}; Path=/`.replace(/[\r\n]/g, "")] as const);
  respond(call, 302, "text/html; charset=utf-8", "", [["Location", "/cookies"], ...safe]);
}

function basicAuth(call: Call): void {
  const [user = "", password = ""] = call.parts;
  const given = call.request.headers.authorization;
  const authenticated = given === `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  if (authenticated) return json(call, call.go ? { authenticated, authorized: true, user } : { authenticated, user });
  if (call.go) return json(call, { authenticated, authorized: false, user: "" }, 401, [["WWW-Authenticate", 'Basic realm="Fake Realm"']]);
  respond(call, 401, "", "", [["WWW-Authenticate", 'Basic realm="Fake Realm"']]);
}

async function stream(call: Call): Promise<void> {
  const total = Math.min(100, Number(call.parts[0]));
  call.response.writeHead(200, { "Content-Type": "application/json" });
  for (let id = 0; id < total; id++) {
    call.response.write(`${JSON.stringify({ ...description(call, false, false), id })}\n`);
    await nextTurn();
  }
  call.response.end();
}

function responseHeaders(call: Call): void {
  const extra = [...call.url.searchParams]
    .filter(([name]) => /^[\w-]+$/.test(name) && !/^(content-length|transfer-encoding|connection)$/i.test(name))
    .map(([name, value]) => [name, value.replace(/[\r\n]/g, "")] as const);
  json(call, argsOf(call), 200, extra);
}

const routes: readonly Route[] = [
  [
    "GET",
    /^\/$/,
    (call) =>
      respond(
        call,
        200,
        "text/html; charset=utf-8",
        '<!DOCTYPE html>\n<html><head><title>httpbin.org</title></head><body><h1>httpbin</h1><p>loopkube\'s stand-in: try <a href="/get">/get</a>, <a href="/headers">/headers</a>, <a href="/anything">/anything</a>.</p></body></html>\n',
      ),
  ],
  ["GET", /^\/get$/, echo(false)],
  ["POST", /^\/post$/, echo(true)],
  ["PUT", /^\/put$/, echo(true)],
  ["PATCH", /^\/patch$/, echo(true)],
  ["DELETE", /^\/delete$/, echo(true)],
  [undefined, /^\/anything(?:\/.*)?$/, echo(true, true)],
  ["GET", /^\/headers$/, (call) => json(call, { headers: headersOf(call) })],
  ["GET", /^\/ip$/, (call) => json(call, { origin: clientOf(call.request).ip })],
  ["GET", /^\/user-agent$/, (call) => json(call, { "user-agent": call.request.headers["user-agent"] ?? null })],
  ["GET", /^\/hostname$/, (call) => json(call, { hostname: call.io.context.hostname })],
  [undefined, /^\/status\/([^/]+)$/, status],
  [undefined, /^\/delay\/(\d+(?:\.\d+)?)$/, delay],
  ["GET", /^\/bytes\/(\d+)$/, bytes],
  ["GET", /^\/(redirect|relative-redirect|absolute-redirect)\/(\d+)$/, redirect],
  [undefined, /^\/redirect-to$/, redirectTo],
  ["GET", /^\/cookies$/, cookies],
  ["GET", /^\/cookies\/set$/, setCookies],
  ["GET", /^\/cookies\/set\/([^/]+)\/([^/]+)$/, setCookies],
  ["GET", /^\/(?:hidden-)?basic-auth\/([^/]+)\/([^/]+)$/, basicAuth],
  ["GET", /^\/uuid$/, (call) => json(call, { uuid: createIds(call.io.context.random).uid() })],
  [
    "GET",
    /^\/gzip$/,
    (call) =>
      respond(
        call,
        200,
        "application/json",
        gzipSync(
          `${JSON.stringify(sorted({ gzipped: true, headers: headersOf(call), method: call.request.method, origin: clientOf(call.request).ip }), undefined, 2)}\n`,
        ),
        [["Content-Encoding", "gzip"]],
      ),
  ],
  ["GET", /^\/stream\/(\d+)$/, stream],
  ["GET", /^\/base64\/([^/]+)$/, (call) => respond(call, 200, "text/html; charset=utf-8", Buffer.from(call.parts[0] ?? "", "base64"))],
  [
    "GET",
    /^\/html$/,
    (call) =>
      respond(
        call,
        200,
        "text/html; charset=utf-8",
        "<!DOCTYPE html>\n<html>\n  <head>\n  </head>\n  <body>\n      <h1>httpbin</h1>\n  </body>\n</html>\n",
      ),
  ],
  ["GET", /^\/json$/, (call) => json(call, { slideshow: { title: "Sample Slide Show", slides: [] } })],
  ["GET", /^\/robots\.txt$/, (call) => respond(call, 200, "text/plain", "User-agent: *\nDisallow: /deny\n")],
  [undefined, /^\/response-headers$/, responseHeaders],
];

async function dispatch(io: ToolIo, go: boolean, request: HttpRequest, response: HttpResponse): Promise<void> {
  const url = urlOf(request);
  const call: Call = { io, go, request, response, url, body: await bodyOf(request), parts: [] };
  const matching = routes.flatMap(([method, path, run]) => {
    const match = path.exec(decodeURI(url.pathname));
    return match ? [{ method, run, parts: match.slice(1).filter((part) => part !== undefined) }] : [];
  });
  const route = matching.find(
    ({ method }) => method === undefined || method === request.method || (method === "GET" && request.method === "HEAD"),
  );
  if (route) return route.run({ ...call, parts: route.parts });
  const allowed = matching.flatMap(({ method }) => method ?? []);
  if (allowed.includes("GET")) allowed.push("HEAD");
  if (request.method === "OPTIONS")
    return respond(call, 200, "text/html; charset=utf-8", "", [
      ["Allow", [...allowed, "OPTIONS"].join(", ")],
      ["Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, PATCH, OPTIONS"],
    ]);
  if (allowed.length > 0)
    return respond(call, 405, "text/html", "<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n", [
      ["Allow", [...allowed, "OPTIONS"].join(", ")],
    ]);
  respond(call, 404, "text/html", "<title>404 Not Found</title>\n<h1>Not Found</h1>\n");
}

function program(name: string, go: boolean, defaultPort: number): NamedTool {
  return {
    name,
    async run(argv, io) {
      const flag = argv.findIndex((word) => /^--?(port|b)$/.test(word));
      const bound = flag >= 0 ? argv[flag + 1] : argv.find((word) => /^--?port=/.test(word))?.replace(/^.*=/, "");
      const port = Number((bound ?? (go ? io.env["PORT"] : undefined) ?? String(defaultPort)).replace(/^.*:/, "")) || defaultPort;
      const log = (text: string): void =>
        void io.stderr.write(`[${formatDate(io.context.clock.now(), "%Y-%m-%d %H:%M:%S +0000")}] [1] [INFO] ${text}\n`);
      return serveHttp(io, port, (request, response) => dispatch(io, go, request, response), {
        onListening: () =>
          go ? void io.stderr.write(`go-httpbin listening on http://0.0.0.0:${port}\n`) : log(`Listening at: http://0.0.0.0:${port} (1)`),
      });
    },
  };
}

export const httpbin: ImageSpec = {
  repositories: ["kennethreitz/httpbin", "kong/httpbin", "istio/examples-httpbin"],
  cmd: ["gunicorn", "-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"],
  ports: [80],
  programs: [program("gunicorn", false, 80)],
};
export const goHttpbin: ImageSpec = {
  repositories: ["mccutchen/go-httpbin", "mccutchen/go-httpbin/go-httpbin"],
  cmd: ["/bin/go-httpbin"],
  ports: [8080],
  programs: [program("go-httpbin", true, 8080)],
};
