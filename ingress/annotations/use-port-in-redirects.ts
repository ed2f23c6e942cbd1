// use-port-in-redirects: redirects to https name the listener's port, 443 too.
// Upstream: internal/ingress/annotations/portinredirect; lua_ingress.lua.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const usePortInRedirects = annotationGroup<boolean>({
  upstream: "UsePortInRedirects",
  annotations: { "use-port-in-redirects": low(BOOL) },
  parse: (read) => read.flag("use-port-in-redirects", read.config.flag("use-port-in-redirects", false)),
});
