// permanent-redirect, temporal-redirect: the location answers with a redirect. Temporal wins.
// Upstream: internal/ingress/annotations/redirect.
import { redirect as redirectAnswer } from "../answer.ts";
import { absoluteRedirect } from "../exchange.ts";
import { expand } from "../variables.ts";
import { annotationGroup, GroupSkipped, low, medium } from "./annotation.ts";
import { INTEGER, URL_CHARS_KEPT } from "./validators.ts";

export interface Redirect {
  readonly url: string;
  readonly code: number;
  readonly annotation: string;
}

export const redirect = annotationGroup<Redirect>({
  upstream: "Redirect",
  annotations: {
    "permanent-redirect": medium(URL_CHARS_KEPT, "drop"),
    "permanent-redirect-code": low(INTEGER, "drop"),
    "temporal-redirect": medium(URL_CHARS_KEPT, "drop"),
    "temporal-redirect-code": low(INTEGER, "drop"),
  },
  parse(read) {
    const temporal = read.text("temporal-redirect");
    if (temporal !== undefined) {
      if (!/^http[a-z]*:/i.test(temporal)) {
        read.problem("temporal-redirect", `only http and https are valid protocols (${/^([a-z]*):/i.exec(temporal)?.[1] ?? ""})`);
        throw new GroupSkipped(temporal);
      }
      const code = read.number("temporal-redirect-code", 302);
      return { url: temporal, code: code >= 300 && code <= 307 ? code : 302, annotation: "temporal-redirect" };
    }
    const code = read.number("permanent-redirect-code", 301);
    return {
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
              return redirectAnswer(
                settings.code,
                absoluteRedirect(exchange, expand(exchange, settings.url)),
                `${settings.annotation} ${settings.url}`,
              );
            },
          },
        ],
});
