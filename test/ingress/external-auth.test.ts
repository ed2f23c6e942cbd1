// auth-url and auth-signin beyond upstream's own tests: what the authentication server sees, and what becomes of its answers (nginx.tmpl).
import { createServer, type IncomingHttpHeaders } from "node:http";
import t from "tap";
import { ConfigMaps, Secrets } from "../../model/resources.ts";
import { ca, pair } from "./case.ts";
import { ask, type Asked } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

interface Auth {
  readonly world: World;
  /** Requests of the authentication server, first first. */
  readonly asked: IncomingHttpHeaders[];
}

/** The authentication server answers as its URL says: `?status=401&header=Name:value`. */
async function authWorld(config: Readonly<Record<string, string>> = {}): Promise<Auth> {
  const world = await harness.start({ config });
  const asked: IncomingHttpHeaders[] = [];
  await world.service("web");
  await world.service("auth", {
    server: () =>
      createServer((request, response) => {
        asked.push(request.headers);
        const { searchParams } = new URL(request.url ?? "/", "http://auth");
        for (const line of searchParams.getAll("header")) {
          const colon = line.indexOf(":");
          response.appendHeader(line.slice(0, colon), line.slice(colon + 1));
        }
        response.writeHead(Number(searchParams.get("status") ?? 200)).end();
      }),
  });
  return { world, asked };
}

const says = (query: string): Readonly<Record<string, string>> => ({ "auth-url": `http://auth.default/?${query}` });

interface Row {
  readonly what: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly asked?: Asked;
  readonly status: number;
  /** Of the answer; `{host}` is the row's, undefined: not there. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const SIGNIN = { "auth-signin": "https://login.example/start" };
const TWO = "header=Set-Cookie:a=1&header=Set-Cookie:b=2";
const BACK = "rd=http://{host}%2F";
const BASIC = { "auth-type": "basic", "auth-secret": "users", "auth-realm": "inside" };

const ROWS: readonly Row[] = [
  // ngx_http_variables.c: lines of one name are one value.
  { what: "several cookies are one line", annotations: says(TWO), status: 200, headers: { "set-cookie": "a=1, b=2" } },
  { what: "cookies of a refusal stay behind", annotations: says(`status=403&${TWO}`), status: 403, headers: { "set-cookie": undefined } },
  {
    what: "cookies of a refusal, with auth-always-set-cookie",
    annotations: { ...says(`status=403&${TWO}`), "auth-always-set-cookie": "true" },
    status: 403,
    headers: { "set-cookie": "a=1, b=2" },
  },
  {
    what: "a redirect to sign in has the cookies",
    annotations: { ...says(`status=401&${TWO}`), ...SIGNIN },
    status: 302,
    headers: { "set-cookie": "a=1, b=2" },
  },
  {
    what: "a redirect to sign in has the challenge",
    annotations: { ...says("status=401&header=WWW-Authenticate:Bearer"), ...SIGNIN },
    status: 302,
    headers: { "www-authenticate": "Bearer" },
  },
  {
    what: "the challenge without sign-in",
    annotations: says("status=401&header=WWW-Authenticate:Bearer"),
    status: 401,
    headers: { "www-authenticate": "Bearer", location: undefined },
  },
  { what: "403 is no reason to sign in", annotations: { ...says("status=403"), ...SIGNIN }, status: 403, headers: { location: undefined } },
  { what: "any 2xx is a yes", annotations: says("status=204"), status: 200 },
  { what: "a redirect is neither yes nor no", annotations: says("status=302"), status: 500 },
  // template.go buildAuthSignURL
  ...(
    [
      ["no arguments", "http://b.example/s", `http://b.example/s?${BACK}`],
      ["arguments", "http://b.example/s?x=1", `http://b.example/s?x=1&${BACK}`],
      ["an empty way back", "http://b.example/s?rd=", `http://b.example/s?rd=&${BACK}`],
      ["a way back of its own", "http://b.example/s?rd=/home", "http://b.example/s?rd=/home"],
      ["variables", "$scheme://$host/s?from=$request_method", `http://{host}/s?from=GET&${BACK}`],
      ["a path: of the same host, as nginx completes it", "/login", `http://{host}/login?${BACK}`],
    ] as const
  ).map(([what, signin, location]) => ({
    what: `auth-signin with ${what}`,
    annotations: { ...says("status=401"), "auth-signin": signin },
    status: 302,
    headers: { location },
  })),
  {
    what: "auth-signin over HTTPS",
    annotations: { ...says("status=401"), "auth-signin": "/login" },
    asked: { scheme: "https" },
    status: 302,
    headers: { location: "https://{host}/login?rd=https://{host}%2F", "strict-transport-security": undefined },
  },
  {
    what: "signing in is a location of its own: CORS stands on it, custom-headers do not",
    annotations: { ...says("status=401"), ...SIGNIN, "enable-cors": "true", "custom-headers": "default/custom" },
    status: 302,
    headers: { "access-control-allow-origin": "*", "x-custom": undefined },
  },
  // error_page 401 stands for the location, whoever refuses.
  {
    what: "basic authentication besides: its refusal leads to sign in too",
    annotations: { ...says(""), ...SIGNIN, ...BASIC },
    status: 302,
    headers: { location: `https://login.example/start?${BACK}`, "www-authenticate": 'Basic realm="inside"' },
  },
  {
    what: "a pod's own 401 is the client's",
    annotations: { ...says(""), ...SIGNIN },
    asked: { path: "/status/401" },
    status: 401,
  },
  {
    what: "a pod's own 401 leads to sign in where pods' errors are intercepted",
    annotations: { ...says(""), ...SIGNIN, "custom-http-errors": "404" },
    asked: { path: "/status/401" },
    status: 302,
    headers: { location: "https://login.example/start?rd=http://{host}%2Fstatus%2F401" },
  },
  // authreq/main.go: what undoes the group undoes nothing else.
  {
    what: "auth-cache-duration that is not valid: nobody is asked",
    annotations: { ...says("status=403"), "auth-cache-duration": "200 5m; 1h" },
    status: 200,
  },
  {
    what: "auth-cache-duration that is not valid leaves the allow list",
    annotations: { ...says(""), "auth-cache-duration": "200 5m; 1h", "whitelist-source-range": "10.0.0.0/8" },
    status: 403,
  },
  {
    what: "auth-always-set-cookie that is not valid leaves basic authentication",
    annotations: { ...says(""), "auth-always-set-cookie": "si", ...BASIC },
    status: 401,
  },
  { what: "a port that is none", annotations: { "auth-url": "http://auth.default:http/" }, status: 503 },
];

await t.test("answers of the authentication server", async (t) => {
  await using world = (await authWorld({ "global-allowed-response-headers": "X-Custom" })).world;
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "users" },
    data: { auth: Buffer.from("u:{PLAIN}p").toString("base64") },
  });
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: "custom" },
    data: { "X-Custom": "1" },
  });
  await world.service("httpbun");
  for (const [i, { what, annotations, asked, status, headers = {} }] of ROWS.entries()) {
    const host = `row-${i}.example`;
    await addIngress(world, ingress(`row-${i}`, host, "httpbun", annotations));
    const answer = await ask(world.socket(asked?.scheme === "https" ? 443 : 80), { host, ...asked });
    t.equal(answer.status, status, what);
    for (const [name, value] of Object.entries(headers)) {
      const is = answer.headers[name];
      t.equal(Array.isArray(is) ? is.join(" | ") : is, value?.replaceAll("{host}", host), `${what}: ${name}`);
    }
  }
});

await t.test("what the authentication server sees", async (t) => {
  const { world: started, asked } = await authWorld({ "use-forwarded-headers": "true", "compute-full-forwarded-for": "true" });
  await using world = started;
  const seen = async (annotations: Readonly<Record<string, string>>, of: Asked): Promise<IncomingHttpHeaders> => {
    const host = `${annotations["name"] ?? "x"}.example`;
    const { name = "x", ...rest } = annotations;
    await addIngress(world, ingress(name, host, "web", { ...says(""), ...rest }));
    await ask(world.socket(of.scheme === "https" ? 443 : 80), { host, sni: host, ...of });
    return asked.at(-1) ?? {};
  };
  const forwarded = await seen({ name: "full" }, { headers: { "X-Forwarded-For": "1.2.3.4", X_Under: "1", "If-None-Match": "a" } });
  t.equal(forwarded["x-forwarded-for"], "1.2.3.4, 127.0.0.1", "compute-full-forwarded-for");
  t.equal(forwarded["x_under"], undefined, "names with underscores are not read");
  t.equal(forwarded["if-none-match"], "a");
  const cached = await seen({ name: "cached", "auth-cache-key": "x" }, { headers: { "If-None-Match": "a", Range: "bytes=0-1" } });
  t.strictSame([cached["if-none-match"], cached["range"]], [undefined, undefined], "a cache asks for the whole");
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: "set" },
    data: { "X-Mine": "$request_method", "X-Gone": "" },
  });
  const set = await seen({ name: "set", "auth-proxy-set-headers": "default/set" }, { headers: { "X-Mine": "2", "X-Gone": "3" } });
  t.strictSame([set["x-mine"], set["x-gone"]], ["GET", undefined], "auth-proxy-set-headers: an empty value takes the header away");
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "ca" },
    data: { "ca.crt": Buffer.from(ca.cert).toString("base64") },
  });
  const tls = { "auth-tls-secret": "default/ca", "auth-tls-pass-certificate-to-upstream": "true" };
  const certified = await seen({ name: "tls", ...tls }, { scheme: "https", pair: pair("authtls", "client") });
  t.match(certified, {
    "ssl-client-verify": "SUCCESS",
    "ssl-client-subject-dn": "CN=authtls",
    "ssl-client-issuer-dn": "CN=test-ca",
    "ssl-client-cert": /^-----BEGIN%20CERTIFICATE-----%0A/,
  });
  const plain = await seen({ name: "tls2", ...tls }, { headers: { "ssl-client-verify": "SUCCESS" } });
  t.equal(plain["ssl-client-verify"], undefined, "a client cannot say so itself");
});

await t.test("auth-cache-key: what is kept, and for how long", async (t) => {
  const { world: started, asked } = await authWorld();
  await using world = started;
  const key = { "auth-cache-key": "all" };
  const rows: readonly (readonly [what: string, query: string, kept: boolean, more?: Readonly<Record<string, string>>])[] = [
    ["by default 200, 202 and 401", "", true],
    ["not 204", "status=204", false],
    ["a status of auth-cache-duration", "status=204", true, { "auth-cache-duration": "204 1m" }],
    ["nor an answer with a cookie", "header=Set-Cookie:a=1", false],
    ["nor one that forbids it", "header=Cache-Control:no-store", false],
    ["nor a private one", "header=Cache-Control:private", false],
    ["nor one that is old at once", "header=Cache-Control:max-age=0", false],
    ["an age of its own is enough", "status=204&header=Cache-Control:max-age=60", true],
    ["nginx's own header before it", "header=X-Accel-Expires:0&header=Cache-Control:max-age=60", false],
    ["what varies with everything", "header=Vary:*", false],
  ];
  for (const [i, [what, query, kept, more = {}]] of rows.entries()) {
    // `*` is not for auth-url.
    const url = query.includes("*") ? { "auth-url": "http://auth.default/?header=$http_x_line" } : says(query);
    const host = `row-${i}.example`;
    await addIngress(world, ingress(`row-${i}`, host, "web", { ...url, ...key, ...more }));
    const before = asked.length;
    for (const _ of [1, 2]) await ask(world.socket(80), { host, headers: { "X-Line": "Vary:*" } });
    t.equal(asked.length - before, kept ? 1 : 2, what);
  }
  await addIngress(world, ingress("vary", "vary.example", "web", { ...says("header=Vary:Accept"), ...key }));
  const before = asked.length;
  for (const accept of ["a", "a", "b"]) await ask(world.socket(80), { host: "vary.example", headers: { Accept: accept } });
  t.equal(asked.length - before, 2, "Vary: one answer for each value");
});
