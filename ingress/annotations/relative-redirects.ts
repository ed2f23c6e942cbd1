// relative-redirects: redirects that nginx itself makes to a path of the same server name no host.
// Upstream: internal/ingress/annotations/redirect; absolute_redirect of ngx_http_core_module.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const relativeRedirects = annotationGroup<boolean>({
  upstream: "Redirect",
  annotations: { "relative-redirects": low(BOOL, "drop") },
  parse: (read) => read.flag("relative-redirects", read.config.flag("relative-redirects", false)),
});
