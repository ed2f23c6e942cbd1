// permanent-redirect, temporal-redirect: the location answers with a redirect. Temporal wins. from-to-www-redirect: a server for the other
// of `example.com` and `www.example.com` answers 308, unless that host exists. relative-redirects: nginx's redirects to a path name no host.
// Upstream: internal/ingress/annotations/redirect; controller.go, "redirects"; absolute_redirect of ngx_http_core_module.
import { redirect as redirectAnswer } from "../request/answer.ts";
import { absoluteRedirect } from "../request/exchange.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, type AnnotationReader, GroupSkipped, low, medium } from "./annotation.ts";
import { BOOL, INTEGER, URL_CHARS_KEPT } from "./validators.ts";

export interface Redirect {
  readonly url: string;
  readonly code: number;
  readonly annotation: string;
  readonly fromToWww: boolean;
  readonly relative: boolean;
}

export const redirect = annotationGroup<Redirect>({
  upstream: "Redirect",
  annotations: {
    "permanent-redirect": medium(URL_CHARS_KEPT, "drop"),
    "permanent-redirect-code": low(INTEGER, "drop"),
    "temporal-redirect": medium(URL_CHARS_KEPT, "drop"),
    "temporal-redirect-code": low(INTEGER, "drop"),
    "from-to-www-redirect": low(BOOL, "drop"),
    "relative-redirects": low(BOOL, "drop"),
  },
  parse(read) {
    needValues(read, "from-to-www-redirect", "relative-redirects", "temporal-redirect");
    const common = {
      fromToWww: read.flag("from-to-www-redirect", false),
      // The ConfigMap's true is the whole server's, which no annotation takes back.
      relative: read.flag("relative-redirects", false) || read.config.flag("relative-redirects", false),
    };
    const temporal = read.text("temporal-redirect");
    if (temporal !== undefined) {
      needValues(read, "temporal-redirect-code");
      const code = read.number("temporal-redirect-code", 302);
      if (!/^http[a-z0-9+.-]*:/i.test(temporal)) {
        read.problem("temporal-redirect", `only http and https are valid protocols (${/^([a-z]*):/i.exec(temporal)?.[1] ?? ""})`);
        throw new GroupSkipped(temporal);
      }
      return { ...common, url: temporal, code: code >= 300 && code <= 307 ? code : 302, annotation: "temporal-redirect" };
    }
    needValues(read, "permanent-redirect", "permanent-redirect-code");
    const code = read.number("permanent-redirect-code", 301);
    return {
      ...common,
      url: read.text("permanent-redirect") ?? "",
      code: code >= 300 && code <= 308 ? code : 301,
      annotation: "permanent-redirect",
    };
  },
  steps: (settings) =>
    settings.url === ""
      ? []
      : [
          {
            phase: "rewrite",
            annotation: settings.annotation,
            run(exchange) {
              const { code, annotation, url } = settings;
              const [target, reason] = [expand(exchange, url), `${annotation} ${url}`];
              if (WITH_LOCATION.has(code)) return { ...redirectAnswer(code, absoluteRedirect(exchange, target), reason), returned: true };
              const type = exchange.table.config.text("default-type", "text/html");
              return { status: code, headers: [["Content-Type", type]], body: target, reason, returned: true };
            },
          },
        ],
});

/** To other codes `return` gives the URL as a body (ngx_http_send_response). */
const WITH_LOCATION: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** One that is there without a value undoes the group. */
function needValues(read: AnnotationReader, ...names: readonly string[]): void {
  const empty = names.find((name) => read.blank(name));
  if (empty === undefined) return;
  read.problem(empty, "it has no value: redirects have no effect");
  throw new GroupSkipped(empty);
}
