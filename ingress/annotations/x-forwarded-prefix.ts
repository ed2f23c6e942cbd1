// x-forwarded-prefix: a header for the pod, sent only where rewrite-target changes the path.
// Upstream: internal/ingress/annotations/xforwardedprefix; template.go buildProxyPass.
import { annotationGroup, medium } from "./annotation.ts";
import { PATH_WITH_CAPTURES } from "./validators.ts";

export const xForwardedPrefix = annotationGroup<string>({
  upstream: "XForwardedPrefix",
  annotations: { "x-forwarded-prefix": medium(PATH_WITH_CAPTURES, "drop") },
  parse: (read) => read.text("x-forwarded-prefix") ?? "",
  steps: (prefix) =>
    prefix === ""
      ? []
      : [
          {
            phase: "content",
            annotation: "x-forwarded-prefix",
            run(exchange) {
              const { target } = exchange.location.settings.rewrite;
              if (target !== "" && target !== exchange.location.served) exchange.setUpstream("X-Forwarded-Prefix", prefix);
              return undefined;
            },
          },
        ],
});
