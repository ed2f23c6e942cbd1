// disable-proxy-intercept-errors: errors that a pod answers pass in spite of custom-http-errors.
// Upstream: internal/ingress/annotations/disableproxyintercepterrors; nginx.tmpl, where annotation and ConfigMap switch interception on, each
// for the statuses of its own, and nothing switches it off again.
import { annotationGroup, low } from "./annotation.ts";
import { customHttpErrors } from "./custom-http-errors.ts";
import { BOOL } from "./validators.ts";

/** True: pods' errors pass. */
export const disableProxyInterceptErrors = annotationGroup<boolean>({
  upstream: "DisableProxyInterceptErrors",
  annotations: { "disable-proxy-intercept-errors": low(BOOL) },
  parse(read) {
    const { own, everywhere } = customHttpErrors.parse(read);
    const intercepted =
      (own.size > 0 && !read.flag("disable-proxy-intercept-errors", false)) ||
      (everywhere.size > 0 && !read.config.flag("disable-proxy-intercept-errors", false));
    return !intercepted;
  },
});
