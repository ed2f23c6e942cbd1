// What each group makes of its annotations: the rows of upstream's own parser tests (internal/ingress/annotations/*/main_test.go), and
// of what its parsers do beside them.
import t from "tap";
import { compileAnnotations, type Settings } from "../../ingress/annotations/index.ts";
import { ControllerConfig } from "../../ingress/config.ts";
import { ingress } from "./raw.ts";

type Texts = Readonly<Record<string, string>>;

/** Group, annotations, what of its settings is expected; a text is why the locations answer 503. */
type Row<Name extends keyof Settings = keyof Settings> = readonly [group: Name, annotations: Texts, expected: unknown, config?: Texts];

const URL = "http://a.example";
const SECRET = { "auth-type": "basic", "auth-secret": "demo" };
const CORS_METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS";

const ROWS: readonly Row[] = [
  // auth
  ["basicAuth", { "auth-type": "basic" }, "error reading secret name from annotation: ingress rule without annotations"],
  ["basicAuth", { ...SECRET, "auth-secret": "other/demo" }, "cross namespace usage of secrets is not allowed"],
  ["basicAuth", { ...SECRET, "auth-secret": "other/demo" }, { secret: "other/demo" }, { "allow-cross-namespace-resources": "true" }],
  ["basicAuth", { ...SECRET, "auth-secret": "/demo" }, { secret: "default/demo" }],
  ["basicAuth", { ...SECRET, "auth-secret": "a/b/c" }, 'error reading secret name from annotation: unexpected key format: "a/b/c"'],
  ["basicAuth", { ...SECRET, "auth-realm": "-realm-" }, { type: "basic", secret: "default/demo", realm: "-realm-" }],
  // authreq
  ["externalAuth", { "auth-url": "bar" }, "could not parse auth-url annotation: url scheme is empty"],
  ["externalAuth", { "auth-url": "http://" }, "could not parse auth-url annotation: url host is empty"],
  ["externalAuth", { "auth-url": "http:a.example" }, "could not parse auth-url annotation: url host is empty"],
  ["externalAuth", { "auth-url": "http://foo..bar.com" }, "could not parse auth-url annotation: invalid url host"],
  [
    "externalAuth",
    { "auth-url": "://lala.com" },
    'could not parse auth-url annotation: ://lala.com is not a valid URL: parse "://lala.com": missing protocol scheme',
  ],
  ["externalAuth", { "auth-url": "http://$host:5000/a?b=c,d" }, { url: "http://$host:5000/a?b=c,d" }],
  ["externalAuth", { "auth-url": URL, "auth-method": "POST", "auth-cache-key": "$foo$bar" }, { method: "POST", cacheKey: "$foo$bar" }],
  ["externalAuth", { "auth-url": URL, "auth-response-headers": "  " }, { responseHeaders: [] }],
  ["externalAuth", { "auth-url": URL, "auth-response-headers": ",1,,2," }, { responseHeaders: ["1", "2"] }],
  ["externalAuth", { "auth-url": URL, "auth-response-headers": "1 2" }, "location denied, reason: invalid headers list"],
  [
    "externalAuth",
    { "auth-url": URL, "auth-cache-duration": "  " },
    { cacheMs: new Map(["200", "202", "401"].map((code) => [code, 3e5])) },
  ],
  [
    "externalAuth",
    { "auth-url": URL, "auth-cache-duration": ",5m,,401 10m," },
    {
      cacheMs: new Map([
        ["200", 3e5],
        ["301", 3e5],
        ["302", 3e5],
        ["401", 6e5],
      ]),
    },
  ],
  ["externalAuth", { "auth-url": URL, "auth-cache-duration": "200" }, "location denied, reason: invalid cache duration: 200"],
  ["externalAuth", { "auth-url": URL, "auth-cache-duration": "5m, xaxax" }, "location denied, reason: invalid cache duration: xaxax"],
  ["externalAuth", { "auth-url": URL, "auth-cache-duration": "5m 200" }, "location denied, reason: invalid cache duration: 5m 200"],
  ...(
    [
      ["http://goog.url", "5", "500", "50", { connections: 5, requests: 500, timeoutMs: 50_000 }],
      ["http://goog.url", "", "", "", undefined],
      ["http://goog.url", "x", "500", "50", undefined],
      ["http://goog.url", "5", "dummy", "50", { connections: 5, requests: 1000, timeoutMs: 50_000 }],
      ["http://goog.url", "5", "500", "x", { connections: 5, requests: 500, timeoutMs: 60_000 }],
      ["http://$host:5000/a/b", "5", "", "", undefined],
      ["http://goog.url:5000/$path", "5", "", "", { connections: 5, requests: 1000, timeoutMs: 60_000 }],
      ["http://goog.url", "-2", "", "", undefined],
      ["http://goog.url", "5", "-1", "", undefined],
      ["http://goog.url", "5", "", "-1", undefined],
    ] as const
  ).map(([url, connections, requests, timeout, keepAlive]): Row => [
    "externalAuth",
    { "auth-url": url, "auth-keepalive": connections, "auth-keepalive-requests": requests, "auth-keepalive-timeout": timeout },
    { keepAlive },
    { "use-http2": "false" },
  ]),
  ["enableGlobalAuth", { "enable-global-auth": "false" }, false],
  // authtls
  ["clientCertificate", { "auth-tls-secret": "default/demo" }, { verify: "on", verifyDepth: 1, errorPage: "", passToUpstream: false }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-verify-client": "w00t" }, { verify: "on" }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-verify-depth": "abcd" }, { verifyDepth: 1 }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-verify-depth": "0" }, { verifyDepth: 1 }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-error-page": "ok.com/error" }, { errorPage: "ok.com/error" }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-error-page": "@four_oh_one" }, { errorPage: "@four_oh_one" }],
  ["clientCertificate", { "auth-tls-secret": "default/demo", "auth-tls-match-cn": "CN=(a|b)" }, { matchCn: "CN=(a|b)" }],
  // canary
  ["canary", {}, { enabled: false, weight: 0, weightTotal: 100 }],
  ["canary", { canary: "false", "canary-weight": "20" }, { enabled: false }],
  ["canary", { canary: "true", "canary-weight": "20", "canary-by-header": "X" }, { enabled: true, weight: 20, header: "X" }],
  ["canary", { canary: "true", "canary-weight": "+20" }, { weight: 20 }],
  ["canary", { canary: "true", "canary-weight": "99999999999999999999" }, { weight: 0 }],
  // cors
  [
    "cors",
    {
      "enable-cors": "true",
      "cors-allow-methods": "GET, PATCH",
      "cors-expose-headers": "*, X-CustomResponseHeader",
      "cors-max-age": "600",
    },
    { enabled: true, methods: "GET, PATCH", exposeHeaders: "*, X-CustomResponseHeader", maxAge: 600 },
  ],
  [
    "cors",
    { "enable-cors": "yes", "cors-allow-credentials": "no", "cors-allow-methods": "GET, PATCH, $nginx", "cors-expose-headers": "@alright" },
    { enabled: false, credentials: true, methods: CORS_METHODS, exposeHeaders: "" },
  ],
  ["cors", { "cors-allow-methods": "GET,  POST" }, { methods: CORS_METHODS }],
  ["cors", { "cors-expose-headers": "X-A,  X-B" }, { exposeHeaders: "" }],
  ["cors", { "cors-allow-origin": "" }, { origins: undefined }],
  ["cors", { "cors-allow-origin": "   " }, { origins: undefined }],
  ["cors", { "cors-allow-origin": "a.example, *" }, { origins: undefined }],
  ["cors", { "cors-allow-origin": "," }, { origins: [] }],
  ["cors", { "cors-allow-origin": "origin123.test.com:4443" }, { origins: [] }],
  [
    "cors",
    { "cors-allow-origin": "https://a.example,null, test://localhost," },
    { origins: [/https:\/\/a\.example$/i, /null$/i, /test:\/\/localhost$/i] },
  ],
  ["cors", { "cors-allow-origin": "https://*.a.example:8080" }, { origins: [/https:\/\/[A-Za-z0-9-]+\.a\.example:8080$/i] }],
  ["cors", { "cors-allow-origin": "https://a.example;" }, { origins: undefined }],
  // ipallowlist, ipdenylist
  [
    "allowlistSourceRange",
    { "allowlist-source-range": "" },
    "the annotation nginx.ingress.kubernetes.io/allowlist-source-range does not contain a valid value ()",
  ],
  [
    "denylistSourceRange",
    { "denylist-source-range": "" },
    "the annotation nginx.ingress.kubernetes.io/denylist-source-range does not contain a valid value ()",
  ],
  [
    "allowlistSourceRange",
    { "allowlist-source-range": "ww" },
    "annotation nginx.ingress.kubernetes.io/allowlist-source-range contains invalid value",
  ],
  [
    "allowlistSourceRange",
    { "allowlist-source-range": " " },
    "annotation nginx.ingress.kubernetes.io/allowlist-source-range contains invalid value",
  ],
  ["allowlistSourceRange", { "whitelist-source-range": "" }, []],
  ["allowlistSourceRange", { "allowlist-source-range": "", "whitelist-source-range": "10.0.0.0/8" }, { length: 1 }],
  // ratelimit
  ["limits", { "limit-connections": "0", "limit-rps": "0", "limit-rpm": "" }, { connections: 0, rps: 0, rpm: 0 }],
  [
    "limits",
    { "limit-connections": "5", "limit-rps": "100", "limit-rpm": "10" },
    { connections: 5, rps: 100, rpm: 10, burstMultiplier: 5 },
  ],
  ["limits", { "limit-rps": "100", "limit-burst-multiplier": "3" }, { burstMultiplier: 3 }],
  ["limits", { "limit-rps": "1", "limit-allowlist": "192.168.0.5, 192.168.50.32/24" }, { exempt: { length: 2 } }],
  ["limits", { "limit-rps": "1", "limit-whitelist": "192.168.0.5, 192.168.50.32/24, 10.10.10.1" }, { exempt: { length: 3 } }],
  [
    "limits",
    { "limit-rps": "1", "limit-whitelist": "192.168.0.5, 10.10.10.1", "limit-allowlist": "192.168.0.9" },
    { exempt: { length: 1 } },
  ],
  ["limitRate", { "limit-rate": "10", "limit-rate-after": "100" }, { rate: 10_240, after: 102_400 }],
  // proxy
  ["proxyTimeouts", { "proxy-connect-timeout": "1", "proxy-send-timeout": "2" }, { connectMs: 1000, sendMs: 2000, readMs: 60_000 }],
  ["proxyTimeouts", { "proxy-read-timeout": "-1" }, { readMs: 20_000 }, { "proxy-read-timeout": "20" }],
  ["proxyBodySize", { "proxy-body-size": "8m" }, 8 * 1024 ** 2],
  ["proxyBodySize", { "proxy-body-size": "0" }, 0],
  ["proxyBodySize", { "proxy-body-size": "15r" }, 4 * 1024 ** 2, { "proxy-body-size": "4m" }],
  ["proxyBodySize", { "proxy-body-size": "8b" }, 1024 ** 2, { "proxy-body-size": "4m" }],
  ["proxyBodySize", { "proxy-body-size": "8 m" }, 1024 ** 2, { "proxy-body-size": "4m" }],
  ["proxyBodySize", {}, 1024 ** 2, { "proxy-body-size": "8b" }],
  ["proxyNextUpstream", { "proxy-next-upstream": "error http_502" }, { conditions: new Set(["error", "http_502"]), tries: 3 }],
  ["proxyNextUpstream", { "proxy-next-upstream": "off" }, { conditions: new Set() }],
  ["proxyBuffering", { "proxy-buffering": "on", "proxy-buffer-size": "1k" }, { enabled: true, bufferBytes: 1024 }],
  // What proxy_* says is not for grpc_pass and fastcgi_pass.
  [
    "proxyBuffering",
    { "backend-protocol": "GRPC", "proxy-buffering": "on", "proxy-buffer-size": "1k" },
    { enabled: false, podDecides: false, bufferBytes: 4096 },
  ],
  [
    "proxyBuffering",
    { "backend-protocol": "FCGI", "proxy-buffering": "off", "proxy-buffer-size": "1k" },
    { enabled: true, podDecides: true, bufferBytes: 4096 },
  ],
  ["proxyCookie", { "backend-protocol": "GRPCS", "proxy-cookie-domain": "a b" }, { domain: undefined, path: undefined }],
  ["proxyRedirect", { "backend-protocol": "fcgi", "proxy-redirect-from": "http://a/", "proxy-redirect-to": "/" }, undefined],
  ["hideHeaders", { "backend-protocol": "FCGI" }, new Set(), { "hide-headers": "X-A" }],
  ["hideHeaders", { "backend-protocol": "HTTPS" }, new Set(["x-a"]), { "hide-headers": "X-A" }],
  // mirror
  ["mirror", { "mirror-target": "https://test.env.com:8080/$request_uri" }, { host: "test.env.com", requestBody: true }],
  ["mirror", { "mirror-target": "http://some.test.env.com", "mirror-host": '_sbrubles-i"@xpto:12345' }, { host: "some.test.env.com" }],
  ["mirror", { "mirror-target": "IamNotAURL" }, { host: "" }],
  ["mirror", { "mirror-request-body": "off" }, { target: "", requestBody: false }],
  // proxyssl
  [
    "proxySsl",
    {
      "proxy-ssl-secret": "default/demo",
      "proxy-ssl-protocols": "TLSv111 SSLv1",
      "proxy-ssl-verify-depth": "abcd",
      "proxy-ssl-verify": "w00t",
    },
    { protocols: ["TLSv1.2"], verify: false, verifyDepth: 1, serverName: false, ciphers: "DEFAULT" },
  ],
  // sessionaffinity
  [
    "affinity",
    { affinity: "cookie", "affinity-mode": "balanced", "session-cookie-name": "", "affinity-canary-behavior": "legacy" },
    { enabled: true, mode: "balanced", name: "INGRESSCOOKIE", canaryBehavior: "legacy" },
  ],
  [
    "affinity",
    { affinity: "cookie", "session-cookie-expires": "4500", "session-cookie-max-age": "3000" },
    { expiresSeconds: 4500, maxAgeSeconds: 3000 },
  ],
  // redirect
  ["redirect", { "permanent-redirect": URL, "permanent-redirect-code": "418" }, { url: URL, code: 301 }],
  ["redirect", { "permanent-redirect": URL, "permanent-redirect-code": "308" }, { url: URL, code: 308 }],
  ["redirect", { "temporal-redirect": URL, "temporal-redirect-code": "308" }, { url: URL, code: 302 }],
  [
    "redirect",
    { "temporal-redirect": URL, "temporal-redirect-code": "307", "from-to-www-redirect": "true" },
    { code: 307, fromToWww: true },
  ],
  [
    "redirect",
    { "temporal-redirect": "ok.com", "from-to-www-redirect": "true", "relative-redirects": "true" },
    { url: "", fromToWww: false, relative: false },
  ],
  ["redirect", { "temporal-redirect": "", "permanent-redirect": URL }, { url: "" }],
  ["redirect", { "permanent-redirect": "", "from-to-www-redirect": "true" }, { fromToWww: false }],
  ["redirect", { "permanent-redirect-code": "", "permanent-redirect": URL }, { url: "" }],
  ["redirect", { "temporal-redirect": URL, "permanent-redirect": "" }, { url: URL }],
  ["redirect", { "relative-redirects": "false" }, { relative: true }, { "relative-redirects": "true" }],
  // rewrite
  ["appRoot", { "app-root": "demo" }, ""],
  ["appRoot", { "app-root": "/" }, "/"],
  ["appRoot", { "app-root": "/demo" }, "/demo"],
  ["rewrite", { "rewrite-target": "/xpto/xas{445}" }, { target: "" }],
  ["rewrite", { "rewrite-target": "/xpto/$1/abc/$2" }, { target: "/xpto/$1/abc/$2" }],
  ["rewrite", { "use-regex": "t" }, { useRegex: true }],
  ["sslRedirect", { "ssl-redirect": "" }, { redirect: false }, { "ssl-redirect": "false" }],
  // service-upstream: a wrong value is not the ConfigMap's.
  ["serviceUpstream", {}, true, { "service-upstream": "true" }],
  ["serviceUpstream", { "service-upstream": "on" }, false, { "service-upstream": "true" }],
  ["serviceUpstream", { "service-upstream": "" }, false, { "service-upstream": "true" }],
  // custom-http-errors and who intercepts: nginx.tmpl
  [
    "customHttpErrors",
    { "custom-http-errors": "404, 415" },
    { own: new Set([404, 415]), everywhere: new Set([503]) },
    { "custom-http-errors": "503" },
  ],
  ["disableProxyInterceptErrors", {}, true],
  ["disableProxyInterceptErrors", { "custom-http-errors": "404" }, false],
  ["disableProxyInterceptErrors", { "custom-http-errors": "404", "disable-proxy-intercept-errors": "true" }, true],
  ["disableProxyInterceptErrors", { "custom-http-errors": "404" }, false, { "disable-proxy-intercept-errors": "true" }],
  ["disableProxyInterceptErrors", { "disable-proxy-intercept-errors": "true" }, false, { "custom-http-errors": "503" }],
  ["disableProxyInterceptErrors", {}, true, { "custom-http-errors": "503", "disable-proxy-intercept-errors": "true" }],
  // alias, loadbalancing, upstreamhashby, satisfy
  ["serverAlias", { "server-alias": "b.com, a.com, ,    c.com,a.com" }, ["a.com", "b.com", "c.com"]],
  ["upstreamHashBy", { "upstream-hash-by": "lalal${scheme_test}" }, { expression: "lalal${scheme_test}", subsetSize: 3 }],
  ["upstreamHashBy", { "upstream-hash-by": "$uri", "upstream-hash-by-subset": "" }, { expression: "" }],
  ["upstreamHashBy", { "upstream-hash-by": "$uri", "upstream-hash-by-subset-size": "0" }, { expression: "$uri", subsetSize: 3 }],
  ["usePortInRedirects", { "use-port-in-redirects": "not-a-bool" }, true, { "use-port-in-redirects": "true" }],
  ["xForwardedPrefix", { "x-forwarded-prefix": "/$1" }, "/$1"],
];

const read = (annotations: Texts, config: Texts): ReturnType<typeof compileAnnotations> =>
  compileAnnotations(ingress("x", "x.example", "x", annotations), new ControllerConfig(config));

t.test("settings", (t) => {
  for (const [group, annotations, expected, config = {}] of ROWS) {
    const { settings, denied, dropped } = read(annotations, config);
    const what = `${group} ${JSON.stringify(annotations)} ${JSON.stringify(config)}`;
    t.equal(dropped, undefined, what);
    if (typeof expected === "string" && denied !== undefined) t.equal(denied, expected, what);
    else {
      t.equal(denied, undefined, what);
      if (typeof expected === "object" && expected !== null && !Array.isArray(expected)) t.has(settings[group], expected, what);
      else t.strictSame(settings[group], expected, what);
    }
  }
  t.end();
});

t.test("no value makes a validator backtrack: this would not end", (t) => {
  const long = "a".repeat(20_000);
  for (const name of ["cors-allow-methods", "cors-expose-headers", "cors-allow-origin", "auth-cache-duration", "proxy-cookie-domain"])
    for (const value of [`${long};`, `${long}, ${long} ;`, `${"1".repeat(20_000)};`, `http://${long}:;`])
      t.match(read({ "auth-url": URL, [name]: value }, {}).problems.join(), `${name}: invalid value`);
  t.end();
});
