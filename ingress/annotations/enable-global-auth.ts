// enable-global-auth: whether the ConfigMap's global-auth-url is asked for the Ingress.
// Upstream: internal/ingress/annotations/authreqglobal. The step is that of auth-url.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const enableGlobalAuth = annotationGroup<boolean>({
  upstream: "EnableGlobalAuth",
  annotations: { "enable-global-auth": low(BOOL) },
  parse: (read) => read.flag("enable-global-auth", true),
});
