// Every annotation of upstream is here: read by one file, or known to have no effect; with upstream's group, risk, validator and what
// follows from a value that is not valid.
import { readdirSync } from "node:fs";
import { inspect } from "node:util";
import t from "tap";
import { annotationGroups, compileAnnotations, GROUP_OF, RULES } from "../../ingress/annotations/index.ts";
import { AnnotationReader, type AnnotationRule, type CompilableGroup } from "../../ingress/annotations/annotation.ts";
import { UNMODELLED } from "../../ingress/annotations/unmodelled.ts";
import { ControllerConfig, DEFAULT_FLAGS } from "../../ingress/config.ts";
import { ingress } from "./raw.ts";

/** docs/user-guide/nginx-configuration/annotations-risk.md of v1.15.1: group, risk, names. */
const UPSTREAM = `
Aliases High: server-alias
Allowlist Medium: allowlist-source-range
BackendProtocol Low: backend-protocol
BasicDigestAuth Low: auth-secret-type auth-type
BasicDigestAuth Medium: auth-realm auth-secret
Canary Low: canary canary-weight canary-weight-total
Canary Medium: canary-by-cookie canary-by-header canary-by-header-pattern canary-by-header-value
CertificateAuth High: auth-tls-error-page auth-tls-match-cn
CertificateAuth Low: auth-tls-pass-certificate-to-upstream auth-tls-verify-depth
CertificateAuth Medium: auth-tls-secret auth-tls-verify-client
ClientBodyBufferSize Low: client-body-buffer-size
ConfigurationSnippet Critical: configuration-snippet
Connection Low: connection-proxy-header
CorsConfig Low: cors-allow-credentials cors-max-age enable-cors
CorsConfig Medium: cors-allow-headers cors-allow-methods cors-allow-origin cors-expose-headers
CustomHTTPErrors Low: custom-http-errors
CustomHeaders Medium: custom-headers
DefaultBackend Low: default-backend
Denylist Medium: denylist-source-range
DisableProxyInterceptErrors Low: disable-proxy-intercept-errors
EnableGlobalAuth Low: enable-global-auth
ExternalAuth Critical: auth-snippet
ExternalAuth High: auth-signin auth-url
ExternalAuth Low: auth-always-set-cookie auth-keepalive auth-keepalive-requests auth-keepalive-share-vars auth-keepalive-timeout auth-method
ExternalAuth Medium: auth-cache-duration auth-cache-key auth-proxy-set-headers auth-request-redirect auth-response-headers auth-signin-redirect-param
FastCGI Medium: fastcgi-index fastcgi-params-configmap
HTTP2PushPreload Low: http2-push-preload
LoadBalancing Low: load-balance
Logs Low: enable-access-log enable-rewrite-log
Mirror High: mirror-host mirror-target
Mirror Low: mirror-request-body
ModSecurity Critical: modsecurity-snippet
ModSecurity High: modsecurity-transaction-id
ModSecurity Low: enable-modsecurity enable-owasp-core-rules
Opentelemetry Low: enable-opentelemetry opentelemetry-trust-incoming-span
Opentelemetry Medium: opentelemetry-operation-name
Proxy Low: proxy-buffer-size proxy-buffering proxy-buffers-number proxy-busy-buffers-size proxy-connect-timeout proxy-http-version proxy-max-temp-file-size proxy-next-upstream-timeout proxy-next-upstream-tries proxy-read-timeout proxy-request-buffering proxy-send-timeout
Proxy Medium: proxy-body-size proxy-cookie-domain proxy-cookie-path proxy-next-upstream proxy-redirect-from proxy-redirect-to
ProxySSL High: proxy-ssl-name
ProxySSL Low: proxy-ssl-protocols proxy-ssl-server-name proxy-ssl-verify proxy-ssl-verify-depth
ProxySSL Medium: proxy-ssl-ciphers proxy-ssl-secret
RateLimit Low: limit-allowlist limit-burst-multiplier limit-connections limit-rate limit-rate-after limit-rpm limit-rps
Redirect Low: from-to-www-redirect permanent-redirect-code relative-redirects temporal-redirect-code
Redirect Medium: permanent-redirect temporal-redirect
Rewrite Low: ssl-redirect use-regex
Rewrite Medium: app-root force-ssl-redirect preserve-trailing-slash rewrite-target
SSLCipher Low: ssl-ciphers ssl-prefer-server-ciphers
SSLPassthrough Low: ssl-passthrough
Satisfy Low: satisfy
ServerSnippet Critical: server-snippet
ServiceUpstream Low: service-upstream
SessionAffinity Low: affinity affinity-canary-behavior session-cookie-change-on-failure session-cookie-conditional-samesite-none session-cookie-samesite session-cookie-secure
SessionAffinity Medium: affinity-mode session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path
StreamSnippet Critical: stream-snippet
UpstreamHashBy High: upstream-hash-by
UpstreamHashBy Low: upstream-hash-by-subset upstream-hash-by-subset-size
UpstreamVhost Low: upstream-vhost
UsePortInRedirects Low: use-port-in-redirects
XForwardedPrefix Medium: x-forwarded-prefix
`.trim();

/** Names that the documentation has besides. */
const ALIASES = ["limit-whitelist", "whitelist-source-range"];

t.test("names, groups and risks are upstream's, no more and no fewer", (t) => {
  const groups = new Map<string, string[]>();
  for (const [name, { risk }] of RULES) {
    const key = `${GROUP_OF.get(name)} ${risk}`;
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  const ours = [...groups].map(([key, names]) => `${key}: ${names.sort().join(" ")}`).sort();
  t.strictSame(ours, UPSTREAM.split("\n").sort());
  t.strictSame([...RULES.values()].flatMap(({ aliases }) => aliases).sort(), ALIASES);
  t.end();
});

t.test("each annotation is read by one file only, and each file stands in the list", (t) => {
  const readers = Object.values<{ readonly annotations: Readonly<Record<string, AnnotationRule>> }>(annotationGroups).flatMap(
    ({ annotations }) => Object.keys(annotations),
  );
  t.strictSame([...readers].sort(), [...new Set(readers)].sort());
  const unmodelled = Object.values(UNMODELLED).flatMap((annotations) => Object.keys(annotations));
  t.strictSame(
    unmodelled.filter((name) => readers.includes(name)),
    [],
  );
  const camel = (file: string): string => file.replace(/\.ts$/, "").replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const shared = ["annotation", "defaults", "digestAuth", "index", "replacement", "sourceRange", "unmodelled", "validators"];
  const files = readdirSync(new URL("../../ingress/annotations", import.meta.url)).map(camel);
  t.strictSame(files.filter((file) => !shared.includes(file)).sort(), Object.keys(annotationGroups).sort());
  t.end();
});

type Outcome = "kept" | "default" | "dropped" | "denied";

/** Annotation, value, what becomes of the Ingress; `with` are annotations that it is read with. */
const VALUES: readonly (readonly [name: string, value: string, outcome: Outcome, beside?: Readonly<Record<string, string>>])[] = [
  ["server-alias", "a.example,*.b.example,~^www\\d+\\.c$", "kept"],
  ["server-alias", "a.example;b", "dropped"],
  ["allowlist-source-range", "10.0.0.0/8, 127.0.0.1", "kept"],
  ["allowlist-source-range", "10.0.0.0/99", "denied"],
  ["whitelist-source-range", "all", "denied"],
  ["denylist-source-range", "10.0.0.1/", "denied"],
  ["backend-protocol", "grpcS", "kept"],
  ["backend-protocol", "SOAP", "default"],
  ["auth-type", "basics", "denied", { "auth-secret": "" }],
  ["auth-type", "token", "dropped"],
  ["auth-secret", "a b;", "denied", { "auth-type": "basic" }],
  ["auth-secret-type", "auth-db", "dropped", { "auth-type": "basic", "auth-secret": "x" }],
  ["auth-secret-type", "auth-db", "kept"],
  ["auth-realm", 'a "realm"', "dropped", { "auth-type": "basic", "auth-secret": "x" }],
  ["canary", "yes", "default"],
  ["canary-weight", "10%", "default"],
  ["canary-by-header-pattern", "^(a|b)$", "kept"],
  ["canary-by-header-pattern", 'a"b', "default"],
  ["canary-by-cookie", "a;b", "default"],
  ["auth-tls-secret", "a/b;c", "dropped"],
  ["auth-tls-verify-client", "maybe", "default", { "auth-tls-secret": "default/x" }],
  ["auth-tls-match-cn", "other", "dropped", { "auth-tls-secret": "default/x" }],
  ["auth-tls-match-cn", "other", "kept"],
  ["auth-tls-error-page", "http://a.example/b c d?", "dropped", { "auth-tls-secret": "default/x" }],
  ["client-body-buffer-size", "1kb", "dropped"],
  ["connection-proxy-header", "keep-alive", "kept"],
  ["connection-proxy-header", "upgrade", "dropped"],
  ["enable-cors", "on", "default"],
  ["cors-allow-origin", "https://a.example, http://*.b.example:8080", "kept"],
  ["cors-allow-origin", "https://a.example;", "default"],
  ["cors-allow-methods", "GET;POST", "default"],
  ["cors-max-age", "1h", "default"],
  ["custom-headers", "a b;", "default"],
  ["custom-http-errors", "404,503", "kept"],
  ["custom-http-errors", "404,600", "dropped"],
  ["custom-http-errors", "not", "dropped"],
  ["default-backend", "errors", "kept"],
  ["default-backend", "Errors", "dropped"],
  ["enable-global-auth", "no", "default"],
  ["auth-url", "http://a.example/$request_uri?x=1", "kept"],
  ["auth-url", "http://a.example/;}", "dropped"],
  ["auth-url", "a.example", "denied"],
  ["auth-url", "http://a..example", "denied"],
  ["auth-method", "BREW", "denied", { "auth-url": "http://a.example" }],
  ["auth-response-headers", "A;B", "denied", { "auth-url": "http://a.example" }],
  ["auth-signin", "http://a.example/;", "default", { "auth-url": "http://a.example" }],
  ["auth-cache-duration", "200 5m, 401 1h", "kept", { "auth-url": "http://a.example" }],
  ["auth-cache-duration", "200 5m; 1h", "default", { "auth-url": "http://a.example" }],
  ["auth-cache-duration", "5m 200", "denied", { "auth-url": "http://a.example" }],
  ["auth-always-set-cookie", "si", "default", { "auth-url": "http://a.example" }],
  ["http2-push-preload", "on", "dropped"],
  ["load-balance", "ewma", "kept"],
  ["load-balance", "least_conn", "dropped"],
  ["enable-access-log", "off", "default"],
  ["mirror-request-body", "no", "default"],
  ["fastcgi-index", "a b/", "dropped"],
  ["opentelemetry-operation-name", "a b/", "dropped", { "enable-opentelemetry": "true" }],
  ["opentelemetry-operation-name", "a b/", "kept"],
  ["proxy-body-size", "8M", "kept"],
  ["proxy-body-size", "8MB", "default"],
  ["proxy-read-timeout", "5s", "default"],
  ["proxy-next-upstream", "error timeout http_502", "kept"],
  ["proxy-next-upstream", "sometimes", "default"],
  ["proxy-cookie-domain", "a.example b.example", "kept"],
  ["proxy-cookie-domain", "a.example", "default"],
  ["proxy-buffering", "On", "default"],
  ["proxy-http-version", "2", "default"],
  ["proxy-ssl-secret", "a;b", "dropped"],
  ["proxy-ssl-secret", "a", "denied"],
  ["proxy-ssl-ciphers", "A;B", "default", { "proxy-ssl-secret": "default/x" }],
  ["limit-rps", "many", "dropped"],
  ["limit-rate", "many", "default"],
  ["limit-whitelist", "everybody", "dropped"],
  ["from-to-www-redirect", "1.0", "dropped"],
  ["relative-redirects", "y", "dropped"],
  ["permanent-redirect", "https://a.example/b?c=d", "kept"],
  ["permanent-redirect", "https://a.example/$request_uri", "dropped"],
  ["permanent-redirect-code", "moved", "dropped"],
  ["temporal-redirect", "https://a.example/ b", "dropped"],
  ["rewrite-target", "/a/$1", "kept"],
  ["rewrite-target", "/a?b=$1", "default"],
  ["rewrite-target", "/a\n}", "default"],
  ["app-root", "/a;", "default"],
  ["ssl-redirect", "off", "default"],
  ["ssl-ciphers", "ALL:!aNULL:@STRENGTH;", "dropped"],
  ["ssl-passthrough", "on", "dropped"],
  ["satisfy", "some", "default"],
  ["service-upstream", "on", "default"],
  ["affinity", "ip", "default"],
  ["session-cookie-samesite", "lAx", "kept", { affinity: "cookie" }],
  ["session-cookie-expires", "one day", "default", { affinity: "cookie" }],
  ["upstream-hash-by", "$request_uri-x", "kept"],
  ["upstream-hash-by", "$request_uri; ", "dropped"],
  ["upstream-hash-by-subset", "on", "dropped"],
  ["upstream-vhost", "pod.example:8080", "kept"],
  ["upstream-vhost", "pod.example;", "dropped"],
  ["use-port-in-redirects", "on", "default"],
  ["x-forwarded-prefix", "/a/$1", "kept"],
  ["x-forwarded-prefix", "/a;", "dropped"],
];

t.test("values: validators.go, and what each parser does with an error", (t) => {
  for (const [name, value, outcome, beside = {}] of VALUES) {
    const { dropped, denied, problems } = compileAnnotations(
      ingress("x", "x.example", "x", { ...beside, [name]: value }),
      new ControllerConfig(),
    );
    const about = problems.filter((problem) => problem.includes(`/${name}:`) && /invalid value/.test(problem));
    const is: Outcome = dropped !== undefined ? "dropped" : denied !== undefined ? "denied" : about.length > 0 ? "default" : "kept";
    t.equal(is, outcome, `${name}: ${value}`);
    if (dropped !== undefined) t.equal(dropped, `annotation nginx.ingress.kubernetes.io/${name} contains invalid value`);
  }
  t.end();
});

t.test("what Ingresses share of the ConfigMap is what each would have of its own", (t) => {
  const text = (value: unknown): string => inspect(value, { depth: Infinity, maxArrayLength: null });
  const config = new ControllerConfig({
    "block-cidrs": "192.0.2.0/24",
    "global-auth-url": "http://auth.example/",
    "proxy-body-size": "3m",
    "proxy-ssl-location-only": "true",
  });
  for (const [name, value, , beside = {}] of VALUES) {
    const object = ingress("x", "x.example", "x", { ...beside, [name]: value });
    const { settings, problems } = compileAnnotations(object, config);
    const read = new AnnotationReader(object, config, RULES);
    for (const [group, { compile }] of Object.entries<CompilableGroup<unknown>>(annotationGroups)) {
      let alone: ReturnType<typeof compile>;
      try {
        alone = compile(read);
      } catch {
        continue;
      }
      const shared = Object.entries(settings).find(([key]) => key === group)?.[1];
      t.equal(text(shared), text(alone.settings), `${group}, with ${name}: ${value}`);
    }
    t.ok(
      read.problems.every((problem) => problems.includes(problem)),
      `problems of ${name}: ${value}`,
    );
  }
  t.end();
});

t.test("--enable-annotation-validation=false lets values through", (t) => {
  const read = (validates: boolean): string =>
    compileAnnotations(
      ingress("x", "x.example", "x", { "rewrite-target": "/a?b=$1" }),
      new ControllerConfig({}, { ...DEFAULT_FLAGS, enableAnnotationValidation: validates }),
    ).settings.rewrite.target;
  t.strictSame([read(true), read(false)], ["", "/a?b=$1"]);
  t.end();
});

t.test("annotations-risk-level", (t) => {
  const rows: readonly (readonly [level: string, annotation: string, group: string | undefined])[] = [
    ["High", "auth-url", undefined],
    ["Medium", "auth-url", "ExternalAuth"],
    ["Medium", "whitelist-source-range", undefined],
    ["Low", "whitelist-source-range", "Allowlist"],
    ["unheard-of", "auth-realm", "BasicDigestAuth"],
    ["Critical", "configuration-snippet", undefined],
    ["High", "configuration-snippet", "ConfigurationSnippet"],
    ["High", "modsecurity-snippet", "ModSecurity"],
  ];
  for (const [level, annotation, group] of rows) {
    const config = new ControllerConfig({ "annotations-risk-level": level, "allow-snippet-annotations": "true" });
    const value = annotation === "auth-url" ? "http://a.example" : "127.0.0.1";
    const { dropped } = compileAnnotations(ingress("x", "x.example", "x", { [annotation]: value }), config);
    t.equal(
      dropped,
      group && `annotation group ${group} contains risky annotation based on ingress configuration`,
      `${level} ${annotation}`,
    );
  }
  const bare = ingress("x", "x.example", "x");
  const { dropped } = compileAnnotations(
    { ...bare, metadata: { ...bare.metadata, annotations: { "whitelist-source-range": "127.0.0.1" } } },
    new ControllerConfig({ "annotations-risk-level": "Low" }),
  );
  t.equal(dropped, "annotation group Allowlist contains risky annotation based on ingress configuration", "a name without the prefix");
  t.end();
});

t.test("--annotations-prefix", (t) => {
  const bare = ingress("x", "x.example", "x");
  const annotations = {
    "acme.example/app-root": "/a",
    "acme.example/rewrite-target": "/;",
    "nginx.ingress.kubernetes.io/use-regex": "true",
  };
  const { settings, problems } = compileAnnotations(
    { ...bare, metadata: { ...bare.metadata, annotations } },
    new ControllerConfig({}, { ...DEFAULT_FLAGS, annotationsPrefix: "acme.example" }),
  );
  t.strictSame([settings.appRoot, settings.rewrite.useRegex], ["/a", false]);
  t.strictSame(problems, ['acme.example/rewrite-target: invalid value "/;": the default is used']);
  t.end();
});
