// disable-proxy-intercept-errors: errors that a pod answers pass in spite of custom-http-errors.
// Upstream: internal/ingress/annotations/disableproxyintercepterrors.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const disableProxyInterceptErrors = annotationGroup<boolean>({
  upstream: "DisableProxyInterceptErrors",
  annotations: { "disable-proxy-intercept-errors": low(BOOL) },
  parse: (read) => read.flag("disable-proxy-intercept-errors", read.config.flag("disable-proxy-intercept-errors", false)),
});
