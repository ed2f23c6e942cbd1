// use-port-in-redirects: redirects to https name the port when it is not 443.
// Upstream: internal/ingress/annotations/portinredirect.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const usePortInRedirects = annotationGroup<boolean>({
  upstream: "UsePortInRedirects",
  annotations: { "use-port-in-redirects": low(BOOL) },
  parse: (read) => read.flag("use-port-in-redirects", read.config.flag("use-port-in-redirects", false)),
});
