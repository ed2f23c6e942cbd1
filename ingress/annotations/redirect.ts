// permanent-redirect, temporal-redirect, relative-redirects: the location answers with a redirect. Temporal wins.
// Upstream: internal/ingress/annotations/redirect.
import { redirect as redirectAnswer } from "../answer.ts";
import { expand } from "../variables.ts";
import { annotationGroup } from "./annotation.ts";

export interface Redirect {
  readonly url: string;
  readonly code: number;
  readonly annotation: string;
  readonly relative: boolean;
}

export const redirect = annotationGroup<Redirect>({
  name: "redirect",
  annotations: ["permanent-redirect", "permanent-redirect-code", "temporal-redirect", "temporal-redirect-code", "relative-redirects"],
  parse(read) {
    const relative = read.flag("relative-redirects", read.config.flag("relative-redirects", false));
    const temporal = read.text("temporal-redirect");
    if (temporal !== undefined) {
      const code = read.number("temporal-redirect-code", 302);
      return { url: temporal, code: code >= 300 && code <= 307 ? code : 302, annotation: "temporal-redirect", relative };
    }
    const code = read.number("permanent-redirect-code", 301);
    return {
      url: read.text("permanent-redirect") ?? "",
      code: code >= 300 && code <= 308 ? code : 301,
      annotation: "permanent-redirect",
      relative,
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
              const url = expand(exchange, settings.url);
              const absolute = url.startsWith("/") && !settings.relative ? `${exchange.facts.scheme}://${exchange.facts.host}${url}` : url;
              return redirectAnswer(settings.code, absolute, `${settings.annotation} ${settings.url}`);
            },
          },
        ],
});
